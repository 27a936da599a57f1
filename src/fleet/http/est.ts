// Enrolment over Secure Transport (RFC 7030, with the corrections of RFC 8951), without its transport: turns a request into
// an answer. What it grants is decided by the authority; the TLS connection has proved that the client has the key of its
// certificate, and nothing else about it.
import { NatspkiError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { type Certificate, readCertificates } from '../../x509/certificate.ts';
import type { FleetAuthority } from '../authority/authority.ts';
import type { Statements } from '../authority/statements.ts';
import type { Decision, RefusalCode } from '../decision.ts';

export interface EstRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** The Authorization header. */
  readonly authorization: string | undefined;
  readonly body: Buffer;
  /** DER: the certificate of the client, then those behind it; empty when it presented none. */
  readonly chain: readonly Buffer[];
  /** The address of the client, for the log. */
  readonly peer: string;
}

export interface EstAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

type Authority = Pick<FleetAuthority, 'enroll' | 'renew' | 'roots' | 'refresh'>;

const prefix = '/.well-known/est/';

/** The status of a refusal; 403 for all others (RFC 7030 section 4.2.3). */
const statuses: Partial<Record<RefusalCode, number>> = {
  'not-invited': 401,
  'damaged-request': 400,
  'bad-request-signature': 400,
  'authority-unusable': 503,
};

/** Answers requests below `/.well-known/est/`. */
export class Est {
  readonly #authority: Authority;
  readonly #logger: Pick<Logger, 'error'>;
  readonly #statements: Pick<Statements, 'sign'> | undefined;
  readonly #operations: Readonly<
    Record<string, readonly ['GET' | 'POST', (request: EstRequest) => Promise<EstAnswer>]>
  > = {
    cacerts: ['GET', () => this.#authorities()],
    // No attribute is asked for: only the key of a request counts (RFC 7030 section 4.5.2).
    csrattrs: ['GET', async () => ({ status: 204, headers: {}, body: '' })],
    simpleenroll: ['POST', (request) => this.#enroll(request)],
    simplereenroll: ['POST', (request) => this.#renew(request)],
    // Not of the RFC: what members of this program take new roots from.
    trust: ['GET', () => this.#trust()],
  };

  /** @param statements signs the trust statement; without it there is none */
  constructor(authority: Authority, logger: Pick<Logger, 'error'>, statements?: Pick<Statements, 'sign'>) {
    this.#authority = authority;
    this.#logger = logger;
    this.#statements = statements;
  }

  /** Returns whether a path belongs to EST. */
  static has(path: string): boolean {
    return path.startsWith(prefix);
  }

  async answer(request: EstRequest): Promise<EstAnswer> {
    const name = request.path.slice(prefix.length);
    const operation = Object.hasOwn(this.#operations, name) ? this.#operations[name] : undefined;
    if (operation === undefined) return text(404, 'there is no such EST operation here');
    const [method, work] = operation;
    if (request.method !== method) {
      return text(405, `only ${method} is allowed`, { Allow: method });
    }
    try {
      return await work(request);
    } catch (error) {
      // Another process holds the folder, or the disk is full: the client may try again.
      if (!(error instanceof NatspkiError)) throw error;
      this.#logger.error(`EST ${name} from ${request.peer}: ${error.message}`);
      return text(503, 'the authority cannot answer now', { 'Retry-After': '10' });
    }
  }

  async #authorities(): Promise<EstAnswer> {
    await this.#authority.refresh();
    return certificates(this.#authority.roots);
  }

  async #trust(): Promise<EstAnswer> {
    if (this.#statements === undefined) return text(404, 'there is no trust statement here');
    const headers = { 'Content-Type': 'application/jose+json' };
    return { status: 200, headers, body: await this.#statements.sign() };
  }

  async #enroll({ authorization, body, peer }: EstRequest): Promise<EstAnswer> {
    const credentials = readBasic(authorization);
    if (credentials === undefined) {
      return unauthorized('give the id of the token as the user and its secret as the password');
    }
    const request = readBody(body);
    return this.#answer(await this.#authority.enroll({ ...credentials, request, peer }));
  }

  async #renew({ chain, body, peer }: EstRequest): Promise<EstAnswer> {
    if (chain.length === 0) return text(403, 'present the current certificate in the TLS handshake');
    const request = readBody(body);
    return this.#answer(await this.#authority.renew({ chain, request, transport: 'est', peer }));
  }

  async #answer(decision: Decision): Promise<EstAnswer> {
    if (decision.granted) return certificates(readCertificates(Buffer.from(decision.chain), 'the new chain'));
    const status = statuses[decision.code] ?? 403;
    return status === 401 ? unauthorized(decision.answer) : text(status, decision.answer);
  }
}

/** Answers with certificates as a certs-only message, base64 in lines of 64 characters. */
async function certificates(list: readonly Certificate[]): Promise<EstAnswer> {
  const { certsOnly } = await import('../../x509/sign.ts');
  const body = certsOnly(list)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n');
  const headers = {
    'Content-Type': 'application/pkcs7-mime; smime-type=certs-only',
    'Content-Transfer-Encoding': 'base64',
  };
  return { status: 200, headers, body };
}

function text(status: number, line: string, headers: Record<string, string> = {}): EstAnswer {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body: `${line}\n` };
}

function unauthorized(line: string): EstAnswer {
  return text(401, line, { 'WWW-Authenticate': 'Basic realm="natspki invitation"' });
}

/** Reads HTTP Basic credentials (RFC 7617): the id and the secret of a token; undefined for anything else. */
function readBasic(header: string | undefined): { id: string; secret: Buffer } | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(header ?? '') ?? [];
  const [, id, secret] =
    /^([0-9a-f]{16}):([A-Za-z0-9_-]{43})$/.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? [];
  return id === undefined || secret === undefined
    ? undefined
    : { id, secret: Buffer.from(secret, 'base64url') };
}

/** Decodes base64 DER, which may have white space. Returns PEM unchanged, and empty bytes for what is neither. */
function readBody(body: Buffer): Buffer {
  if (body.includes('-----BEGIN ')) return body;
  const plain = body.toString('latin1').replace(/\s+/g, '');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(plain) ? Buffer.from(plain, 'base64') : Buffer.alloc(0);
}
