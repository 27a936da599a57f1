// The client side of EST (RFC 7030) over HTTPS. A server is trusted when its chain ends in a root that the caller names, and
// its certificate is for the host that was called; nothing of the system counts.
import { request as send } from 'node:https';
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { readCertsOnly } from '../../x509/certs-only.ts';
import type { Pin } from '../../x509/pin.ts';
import { AuthorityRefused, reasonIn, unreachable } from './link.ts';

export interface EstOptions {
  /** `https://HOST:PORT`; a path is ignored. */
  readonly url: string;
  /** The roots that the chain of the server may end in; undefined checks nothing, before the pin is known to be right. */
  readonly roots: readonly Certificate[] | undefined;
  /** PEM: what the client presents. */
  readonly pair?: { readonly cert: string; readonly key: string };
  readonly signal: AbortSignal;
  /** For each call, in milliseconds. */
  readonly timeoutMs?: number;
}

interface Call {
  readonly method: 'GET' | 'POST';
  readonly operation: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Bytes of an answer; a chain has a few thousand. */
const maximumAnswer = 256 * 1024;

/** Codes of a server that proved the wrong thing (Node's for names, OpenSSL's for chains). */
const untrusted =
  /^(ERR_TLS_CERT_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_|PATH_LENGTH_|HOSTNAME_|CA_)/;

export class EstClient {
  /** `https://HOST:PORT`. */
  readonly name: string;
  readonly #options: EstOptions;

  constructor(options: EstOptions) {
    this.name = new URL(options.url).origin;
    this.#options = options;
  }

  /** Reads the authorities that the server names (section 4.1); whether to trust them is up to the caller. */
  async authorities(): Promise<Certificate[]> {
    return this.#certificates({ method: 'GET', operation: 'cacerts' });
  }

  /** Asks for the first certificate by the id and the secret of a token (section 4.2.1). */
  async enroll({ id, secret }: { id: string; secret: Buffer }, request: Buffer): Promise<Certificate[]> {
    const credentials = Buffer.from(`${id}:${secret.toString('base64url')}`).toString('base64');
    return this.#request('simpleenroll', request, { Authorization: `Basic ${credentials}` });
  }

  /** Asks for a new certificate by the one that the client presents (section 4.2.2). */
  async reenroll(request: Buffer): Promise<Certificate[]> {
    return this.#request('simplereenroll', request, {});
  }

  /** Asks for a trust statement, which other EST servers do not have; undefined where there is none. */
  async statement(): Promise<string | undefined> {
    const { status, body } = await this.#call({ method: 'GET', operation: 'trust' });
    return status === 200 ? body : undefined;
  }

  async #request(
    operation: string,
    request: Buffer,
    headers: Readonly<Record<string, string>>,
  ): Promise<Certificate[]> {
    return this.#certificates({
      method: 'POST',
      operation,
      headers: {
        'Content-Type': 'application/pkcs10',
        'Content-Transfer-Encoding': 'base64',
        ...headers,
      },
      body: request.toString('base64').replace(/.{1,64}/g, '$&\n'),
    });
  }

  async #certificates(call: Call): Promise<Certificate[]> {
    const { status, body } = await this.#call(call);
    if (status === 200) return readCertsOnly(Buffer.from(body, 'base64'), `the answer of ${this.name}`);
    if (status === 202 || status >= 500 || status === 429) {
      throw unreachable(this.name, `it answered ${status}: ${reasonIn(body)}`);
    }
    throw new AuthorityRefused(this.name, `${reasonIn(body)} (${status})`);
  }

  #call({ method, operation, headers, body }: Call): Promise<Answer> {
    const { url, roots, pair, signal, timeoutMs = 10_000 } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    return new Promise<Answer>((resolve, reject) => {
      const fail = (error: Error) => reject(this.#failure(error, timeout.aborted && timeoutMs));
      const outgoing = send(
        new URL(`/.well-known/est/${operation}`, url),
        {
          method,
          agent: false,
          signal: AbortSignal.any([signal, timeout]),
          minVersion: 'TLSv1.2',
          rejectUnauthorized: roots !== undefined,
          ...given({ ca: roots && toPem(roots), headers }),
          ...pair,
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          let size = 0;
          incoming.on('data', (chunk: Buffer) => {
            size += chunk.length;
            chunks.push(chunk);
            if (size > maximumAnswer) incoming.destroy(new Error('its answer is too long'));
          });
          incoming.once('error', fail).once('end', () => {
            const { statusCode: status = 0 } = incoming;
            resolve({ status, body: Buffer.concat(chunks).toString('latin1') });
          });
        },
      );
      outgoing.once('error', fail).end(body);
    });
  }

  #failure(error: NodeJS.ErrnoException, timedOutMs: number | false): NatspkiError {
    const { code = '', message } = error;
    if (untrusted.test(code)) {
      return new NatspkiError(
        'untrusted-authority',
        `the server at ${this.name} is not the authority that is trusted here: ${message}`,
        {
          hint: `natspki inspect ${this.name}; after \`rotate --ca\` there, the server needs a new pair too: \`natspki rotate\``,
          cause: error,
        },
      );
    }
    const reason = timedOutMs === false ? message : `no answer in ${timedOutMs / 1000} seconds`;
    return unreachable(this.name, reason, error);
  }
}

/**
 * Finds the roots with these pins among the authorities that a server names. The server need not be trusted for that (RFC
 * 7030 section 4.1.1): the pins decide. Throws `untrusted-authority` when it names none of them.
 * @returns in the order of the pins
 */
export async function fetchPinnedRoots(
  pins: readonly Pin[],
  options: Omit<EstOptions, 'roots' | 'pair'>,
): Promise<readonly [Certificate, ...Certificate[]]> {
  const client = new EstClient({ ...options, roots: undefined });
  const named = (await client.authorities()).filter((each) => each.isSignedBy(each));
  const [first, ...others] = pins.flatMap((pin) => named.find((each) => each.pin === pin) ?? []);
  if (first !== undefined) return [first, ...others];
  throw new NatspkiError(
    'untrusted-authority',
    `the server at ${client.name} is not of the authority that the token names, with pin ${pins.join(' or ')}`,
    {
      hint: 'copy the token whole; or the server is another one, or something stands between it and this host',
    },
  );
}
