// Where peers ask whether a certificate is revoked, over plain HTTP: `/ocsp` (RFC 6960 appendix A, caching as in RFC 5019
// section 6) and `/ca.crl` (RFC 5280 section 4.2.1.13), without the transport. Answers and lists are signed, so TLS would
// add nothing.
import { createHash } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import type { Logger } from '../../log.ts';
import type { Answered, Responder } from '../../pki/revoke/responder.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { type RevocationList, readRevocationLists } from '../../x509/revocation-list.ts';

export interface StatusRequest {
  readonly method: string;
  /** Percent-encoded as it arrived, without its query: base64 contains slashes. */
  readonly path: string;
  readonly body: Buffer;
  /** The If-None-Match header. */
  readonly ifNoneMatch?: string | undefined;
}

export interface StatusAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export interface StatusOptions {
  readonly directory: PkiDirectory;
  readonly responder: Pick<Responder, 'answer'>;
  readonly logger: Pick<Logger, 'error'>;
  readonly now?: () => Date;
}

/** The most bytes of a request that the transport should read. */
export const maximumOcspRequest = 16_384;

const ocspPath = '/ocsp';
const listPath = '/ca.crl';
const ocspType = 'application/ocsp-response';

/** For how many seconds a cache may keep a list: it names revocations later than the responder, but not days later. */
const listCacheSeconds = 300;

/** Answers requests for `/ocsp` and `/ca.crl`. */
export class StatusService {
  readonly #options: StatusOptions;
  readonly #now: () => Date;

  constructor(options: StatusOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
  }

  /** Returns whether a path belongs to this service. */
  static has(path: string): boolean {
    return path === listPath || path === ocspPath || path.startsWith(`${ocspPath}/`);
  }

  /** Answers a request for a path of this service. */
  async answer(request: StatusRequest): Promise<StatusAnswer> {
    const { method, path } = request;
    if (path === listPath) {
      return method === 'GET' || method === 'HEAD' ? this.#list(request) : notAllowed('GET, HEAD');
    }
    if (method === 'POST' && path === ocspPath) return this.#ocsp(request.body, request);
    if (method !== 'GET' && method !== 'HEAD') return notAllowed('GET, HEAD, POST');
    return this.#ocsp(fromPath(path), request);
  }

  async #ocsp(question: Buffer, { method, ifNoneMatch }: StatusRequest): Promise<StatusAnswer> {
    const { body, cache }: Answered = await this.#options.responder.answer(question);
    // Only GET is cached by URL; HTTP status 200 also for an answer that is an error.
    if (cache === undefined || method === 'POST')
      return { status: 200, type: ocspType, body, headers: { 'Cache-Control': 'no-store' } };
    const { producedAt, renewAt, nextUpdate } = cache;
    const age = Math.max(0, Math.floor((renewAt.getTime() - this.#now().getTime()) / 1000));
    return cached({ type: ocspType, body, ifNoneMatch, from: producedAt, until: nextUpdate, age });
  }

  async #list({ ifNoneMatch }: StatusRequest): Promise<StatusAnswer> {
    try {
      const list = await this.#currentList();
      if (list === undefined)
        return text(404, 'there is no revocation list: `natspki crl` writes one, `natspki revoke` too');
      const { der: body, thisUpdate: from, nextUpdate: until } = list;
      const left = until === undefined ? 0 : (until.getTime() - this.#now().getTime()) / 1000;
      const age = Math.max(0, Math.min(listCacheSeconds, Math.floor(left)));
      return cached({ type: 'application/pkix-crl', body, ifNoneMatch, from, until, age });
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      this.#options.logger.error(`cannot serve ${listPath}: ${error.message}`);
      return text(503, 'the list cannot be read now', { 'Retry-After': '10' });
    }
  }

  /** Reads the list of the issuer of leaves: HTTP carries the DER of one list. */
  async #currentList(): Promise<RevocationList | undefined> {
    const { directory } = this.#options;
    const file = directory.revocationListFile;
    if (!exists(file)) return undefined;
    const [root] = await directory.readBundle();
    const [issuer = root] = await directory.readIntermediates();
    return readRevocationLists(await directory.read(file), file).find((list) => list.isSignedBy(issuer));
  }
}

interface Cached {
  readonly type: string;
  readonly body: Buffer;
  readonly ifNoneMatch: string | undefined;
  readonly from: Date;
  readonly until: Date | undefined;
  /** Seconds. */
  readonly age: number;
}

function cached({ type, body, ifNoneMatch, from, until, age }: Cached): StatusAnswer {
  const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
  const headers = {
    'Cache-Control': `max-age=${age}, public, no-transform, must-revalidate`,
    ETag: etag,
    'Last-Modified': from.toUTCString(),
    ...(until !== undefined && { Expires: until.toUTCString() }),
  };
  const isKnown = ifNoneMatch?.split(/\s*,\s*/).includes(etag) ?? false;
  return isKnown ? { status: 304, type, body: '', headers } : { status: 200, type, body, headers };
}

/** Decodes the request behind `/ocsp/`: base64 in a URL; empty when it is none. */
function fromPath(path: string): Buffer {
  try {
    const plain = decodeURIComponent(path.slice(ocspPath.length + 1));
    return /^[A-Za-z0-9+/]+={0,2}$/.test(plain) ? Buffer.from(plain, 'base64') : Buffer.alloc(0);
  } catch {
    return Buffer.alloc(0);
  }
}

function text(status: number, line: string, headers: Record<string, string> = {}): StatusAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${line}\n`, headers };
}

function notAllowed(methods: string): StatusAnswer {
  return text(405, `only ${methods} are allowed`, { Allow: methods });
}
