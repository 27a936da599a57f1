// Fetches OCSP answers over HTTP: GET, as nats-server does (server/certidp/ocsp_responder.go), with limits on what a
// responder can cost. It does not read the answers.
import * as http from 'node:http';
import * as https from 'node:https';

/** Largest answer, in bytes; one with the certificate of a delegate has about 2000. */
const maxAnswerBytes = 64 * 1024;

/** Connections to one responder and to all of them; further questions wait for one of these. */
const maxPerResponder = 32;
const maxConnections = 128;

const maxRedirects = 5;

/** An HTTP answer, or the reason why there is none. */
export type Fetched =
  | { readonly kind: 'answer'; readonly bytes: Buffer; readonly maxAgeMs: number | undefined }
  /** No responder has answered, or not with 200 OK. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** The answer is larger than any OCSP answer. */
  | { readonly kind: 'unusable'; readonly reason: string };

/** Fetches from the first URL that answers. @param timeoutMs for each of them, from the connection to the last byte */
export type FetchAnswer = (urls: readonly URL[], request: Buffer, timeoutMs: number) => Promise<Fetched>;

/** The connections to responders. */
export class ResponderClient {
  readonly #agents = {
    'http:': new http.Agent({
      keepAlive: true,
      maxSockets: maxPerResponder,
      maxTotalSockets: maxConnections,
    }),
    'https:': new https.Agent({
      keepAlive: true,
      maxSockets: maxPerResponder,
      maxTotalSockets: maxConnections,
    }),
  };

  readonly fetch: FetchAnswer = async (urls, request, timeoutMs) => {
    const encoded = encodeURIComponent(request.toString('base64'));
    let last: Fetched = { kind: 'unreachable', reason: 'the certificate names no responder' };
    for (const url of urls) {
      last = await this.#get(new URL(`${url.href.replace(/\/$/, '')}/${encoded}`), timeoutMs);
      if (last.kind !== 'unreachable') return last;
    }
    return last;
  };

  /** As `fetch`, with POST before GET, as nats-server asks for its staples (server/ocsp.go, getRemoteStatus). */
  readonly post: FetchAnswer = async (urls, request, timeoutMs) => {
    let last: Fetched = { kind: 'unreachable', reason: 'the certificate names no responder' };
    for (const url of urls) {
      last = await this.#get(url, timeoutMs, request);
      if (last.kind === 'unreachable') last = await this.fetch([url], request, timeoutMs);
      if (last.kind !== 'unreachable') return last;
    }
    return last;
  };

  /** Ends all connections. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #get(first: URL, timeoutMs: number, body?: Buffer): Promise<Fetched> {
    // One time limit for everything: a slow responder could send a byte now and then.
    const signal = AbortSignal.timeout(Math.max(1, timeoutMs));
    let url = first;
    try {
      for (let redirects = 0; redirects <= maxRedirects; redirects++) {
        const response = await this.#open(url, signal, body);
        const { statusCode = 0, headers } = response;
        if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
          response.destroy();
          url = new URL(headers.location, url);
          continue;
        }
        if (statusCode !== 200) {
          response.destroy();
          return { kind: 'unreachable', reason: `${url.host} answers with HTTP status ${statusCode}` };
        }
        return await readBody(response, url.host);
      }
      return { kind: 'unreachable', reason: `${first.host} redirects more than ${maxRedirects} times` };
    } catch (error) {
      const reason = signal.aborted
        ? `${url.host} does not answer within ${timeoutMs}ms`
        : `${url.host}: ${(error as Error).message || (error as NodeJS.ErrnoException).code}`;
      return { kind: 'unreachable', reason };
    }
  }

  #open(url: URL, signal: AbortSignal, body: Buffer | undefined): Promise<http.IncomingMessage> {
    const { protocol } = url;
    if (protocol !== 'http:' && protocol !== 'https:') throw new Error(`unknown protocol ${protocol}`);
    const agent = this.#agents[protocol];
    const request = protocol === 'http:' ? http.request : https.request;
    const type = body && { 'content-type': 'application/ocsp-request' };
    const headers = { accept: 'application/ocsp-response', ...type };
    return new Promise((resolve, reject) => {
      request(url, { agent, signal, headers, method: body === undefined ? 'GET' : 'POST' }, resolve)
        .once('error', reject)
        .end(body);
    });
  }
}

async function readBody(response: http.IncomingMessage, host: string): Promise<Fetched> {
  const parts: Buffer[] = [];
  let total = 0;
  for await (const part of response) {
    total += (part as Buffer).length;
    if (total > maxAnswerBytes) {
      response.destroy();
      return { kind: 'unusable', reason: `${host} answers with more than ${maxAnswerBytes} bytes` };
    }
    parts.push(part as Buffer);
  }
  if (total === 0) return { kind: 'unreachable', reason: `${host} answers with nothing` };
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})\b/.exec(response.headers['cache-control'] ?? '')?.[1];
  const maxAgeMs = seconds === undefined ? undefined : Number(seconds) * 1000;
  return { kind: 'answer', bytes: Buffer.concat(parts), maxAgeMs };
}
