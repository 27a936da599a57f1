// An OCSP responder in the process of a test, which answers well or badly as the path of the URL says. It writes answers
// itself, so that no code under test is on both sides.
import { createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pair } from '../harness/openssl.ts';
import { writeDer } from './der.ts';

/** What a responder does, by the first segment of the path of its URL. */
export const behaviours = [
  'good',
  'revoked',
  'unknown',
  'expired',
  'future',
  'wrong-signer',
  'other-serial',
  'delegate',
  'wrong-delegate',
  'no-next-update',
  'try-later',
  'slow',
  'huge',
  'error',
  'garbage',
] as const;
export type Behaviour = (typeof behaviours)[number];

export interface ResponderPairs {
  /** The issuer of the certificates in question. */
  readonly ca: Pair;
  /** Any other authority. */
  readonly stranger?: Pair;
  /** A certificate of the issuer for OCSP signing, and one that is not for it. */
  readonly delegate?: Pair;
  readonly wrongDelegate?: Pair;
}

const minuteMs = 60_000;

export class OcspResponder {
  /** The number of requests by behaviour. */
  readonly asked = new Map<string, number>();
  /** Overrides what the path says: the behaviour by path. */
  readonly instead = new Map<string, Behaviour>();
  /** How long answers are valid, in milliseconds, and the Cache-Control header that they get. */
  lifeMs = 10 * minuteMs;
  cacheControl: string | undefined;
  readonly #pairs: ResponderPairs;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  /** Responses that a slow responder never finishes. */
  #hanging = 0;

  private constructor(pairs: ResponderPairs) {
    this.#pairs = pairs;
  }

  static async start(pairs: ResponderPairs): Promise<OcspResponder> {
    const responder = new OcspResponder(pairs);
    responder.#server.listen(0, '127.0.0.1');
    await once(responder.#server, 'listening');
    return responder;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests that wait for an answer that never comes. */
  get hanging(): number {
    return this.#hanging;
  }

  url(behaviour: Behaviour): string {
    return `${this.origin}/${behaviour}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, path = '', encoded = ''] = (request.url ?? '').split('/');
    this.asked.set(path, (this.asked.get(path) ?? 0) + 1);
    const behaviour = this.instead.get(path) ?? (path as Behaviour);
    if (behaviour === 'slow') {
      this.#hanging++;
      response.once('close', () => this.#hanging--);
      return;
    }
    if (behaviour === 'error') response.writeHead(500);
    if (this.cacheControl !== undefined) response.setHeader('cache-control', this.cacheControl);
    const posted: Buffer[] = [];
    for await (const chunk of request) posted.push(chunk as Buffer);
    const asked = request.method === 'POST' ? Buffer.concat(posted) : decodeURIComponent(encoded);
    response.end(this.#body(behaviour, Buffer.from(asked as string, 'base64')));
  }

  #body(behaviour: Behaviour, request: Buffer): Buffer {
    const { ca, stranger = ca, delegate = ca, wrongDelegate = ca } = this.#pairs;
    if (behaviour === 'huge') return Buffer.alloc(1024 * 1024, 0x30);
    if (behaviour === 'garbage') return Buffer.from('<html>not OCSP</html>');
    if (behaviour === 'try-later') return Buffer.from('30030a0103', 'hex');
    const id = certIdOf(request);
    if (behaviour === 'other-serial') id[id.length - 1] = (id.at(-1) as number) ^ 1;
    const now = Date.now();
    const thisUpdate = behaviour === 'future' ? now + 9 * minuteMs : now - 60 * minuteMs;
    const next = behaviour === 'expired' ? now - 9 * minuteMs : now + this.lifeMs;
    const status =
      behaviour === 'revoked'
        ? writeDer(0xa1, time(now - minuteMs))
        : Buffer.of(behaviour === 'unknown' ? 0x82 : 0x80, 0);
    const single = writeDer(
      0x30,
      id,
      status,
      time(thisUpdate),
      behaviour === 'no-next-update' ? Buffer.alloc(0) : writeDer(0xa0, time(next)),
    );
    if (behaviour === 'wrong-signer') return signed(single, stranger);
    if (behaviour === 'delegate') return signed(single, delegate, true);
    if (behaviour === 'wrong-delegate') return signed(single, wrongDelegate, true);
    return signed(single, ca);
  }
}

/** Returns the CertID of a request, for which a test needs no more than its place. */
function certIdOf(request: Buffer): Buffer {
  // OCSPRequest, TBSRequest, requestList and Request each have a short header.
  return Buffer.from(request.subarray(8));
}

function signed(single: Buffer, { cert, key }: Pair, withCertificate = false): Buffer {
  const certificate = new X509Certificate(readFileSync(cert));
  const keyHash = createHash('sha1')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
  const data = writeDer(
    0x30,
    writeDer(0xa2, writeDer(0x04, keyHash)),
    time(Date.now()),
    writeDer(0x30, single),
  );
  const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
  const signature = sign('sha256', data, createPrivateKey(readFileSync(key)));
  const basic = writeDer(
    0x30,
    data,
    ecdsaWithSha256,
    writeDer(0x03, Buffer.of(0), signature),
    withCertificate ? writeDer(0xa0, writeDer(0x30, certificate.raw)) : Buffer.alloc(0),
  );
  const basicType = Buffer.from('06092b0601050507300101', 'hex');
  return writeDer(
    0x30,
    Buffer.of(0x0a, 1, 0),
    writeDer(0xa0, writeDer(0x30, basicType, writeDer(0x04, basic))),
  );
}

/** Writes a GeneralizedTime. */
function time(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, '');
  return writeDer(0x18, Buffer.from(text));
}
