// Where peers ask whether a certificate is revoked, over plain HTTP: `/ocsp` (RFC 6960 appendix A, caching as in RFC 5019
// section 6) and `/ca.crl` (RFC 5280 section 4.2.1.13), without the transport. Answers and lists are signed, so TLS would
// add nothing.
import { createHash } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import type { Logger } from '../../log.ts';
import { type Answer, text } from '../../net/answer.ts';
import type { Responder } from '../../pki/revoke/responder.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { type RevocationList, readRevocationLists } from '../../x509/revocation-list.ts';
import type { PublicHandler, PublicRequest } from './public-server.ts';

export interface StatusOptions {
  readonly directory: PkiDirectory;
  readonly responder: Pick<Responder, 'answer'>;
  readonly logger: Pick<Logger, 'error'>;
  readonly now?: () => Date;
}

/** The most bytes of a request: that for 32 certificates, with room for the names of others. */
const maximumOcspRequest = 16_384;

const ocspType = 'application/ocsp-response';

/** For how many seconds a cache may keep a list: it names revocations later than the responder, but not days later. */
const listCacheSeconds = 300;
/** For how many seconds a cache may keep an answer, which is valid for longer: it delays a revocation. */
const answerCacheSeconds = 60;

/** Returns the handlers of `/ocsp` and `/ca.crl`. */
export function statusHandlers(options: StatusOptions): [path: string, handler: PublicHandler][] {
  const now = options.now ?? (() => new Date());
  const ocsp = (request: PublicRequest) => answerOcsp(request, options.responder, now());
  return [
    ['/ocsp', { answer: ocsp, maximumBody: maximumOcspRequest, answersBelow: true, isUrgent: true }],
    ['/ca.crl', { answer: (request) => answerList(request, options, now()) }],
  ];
}

async function answerOcsp(
  { method, below, body: posted, ifNoneMatch }: PublicRequest,
  responder: StatusOptions['responder'],
  now: Date,
): Promise<Answer> {
  const isPost = method === 'POST';
  const { body, cache } = await responder.answer(isPost ? posted : fromPath(below));
  // Only GET is cached by URL. The HTTP status is 200 also for an answer that is an error (RFC 6960 appendix A.2).
  if (cache === undefined || isPost)
    return { status: 200, type: ocspType, body, headers: { 'Cache-Control': 'no-store' } };
  const { producedAt, renewAt, nextUpdate } = cache;
  const left = Math.floor((renewAt.getTime() - now.getTime()) / 1000);
  const age = Math.max(0, Math.min(answerCacheSeconds, left));
  return cached({ type: ocspType, body, ifNoneMatch, from: producedAt, until: nextUpdate, age });
}

async function answerList(
  { ifNoneMatch }: PublicRequest,
  { directory, logger }: StatusOptions,
  now: Date,
): Promise<Answer> {
  try {
    const list = await currentList(directory);
    if (list === undefined)
      return text(404, 'there is no revocation list: `natspki crl` writes one, `natspki revoke` too\n');
    const { der: body, thisUpdate: from, nextUpdate: until } = list;
    const left = until === undefined ? 0 : Math.floor((until.getTime() - now.getTime()) / 1000);
    const age = Math.max(0, Math.min(listCacheSeconds, left));
    return cached({ type: 'application/pkix-crl', body, ifNoneMatch, from, until, age });
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    logger.error(`Cannot serve the revocation list: ${error.message}`);
    return { ...text(503, 'the list cannot be read now\n'), headers: { 'Retry-After': '10' } };
  }
}

/** Reads the list of the issuer of leaves: HTTP carries the DER of one list. */
async function currentList(directory: PkiDirectory): Promise<RevocationList | undefined> {
  const file = directory.revocationListFile;
  if (!exists(file)) return undefined;
  const [root] = await directory.readBundle();
  const [issuer = root] = await directory.readIntermediates();
  return readRevocationLists(await directory.read(file), file).find((list) => list.isSignedBy(issuer));
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

function cached({ type, body, ifNoneMatch, from, until, age }: Cached): Answer {
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

/** Decodes the request behind `/ocsp/`: base64, percent-encoded; empty when it is none. */
function fromPath(below: string): Buffer {
  try {
    const plain = decodeURIComponent(below);
    return /^[A-Za-z0-9+/]+={0,2}$/.test(plain) ? Buffer.from(plain, 'base64') : Buffer.alloc(0);
  } catch {
    return Buffer.alloc(0);
  }
}
