// Verifies the chain that a client sends, as nats-server does (crypto/x509): beside OpenSSL, which accepts other chains.
import { createHash } from 'node:crypto';
import { NatspkiError } from '../errors.ts';
import { Certificate, readCertificates } from '../x509/certificate.ts';
import { type ChainFault, verifyChain } from '../x509/chain.ts';
import { DerError } from '../x509/der.ts';

/** Accepted chains that are remembered; a client that reconnects costs one hash. */
const remembered = 1024;
/** In bytes, of all certificates of a client together. Go reads no larger handshake message (crypto/tls, common.go). */
const largestChain = 65_536 - 64;

/** Why a chain is rejected; without a code when a certificate in it cannot be read. */
export interface Rejection {
  readonly code?: ChainFault['code'];
  /** Without a subject, such as `is only for serverAuth`. */
  readonly reason: string;
  /** Whether the client's own certificate is at fault, instead of one above it. */
  readonly ofLeaf: boolean;
}

/** Verifies client chains against the authorities of one tls block. */
export class ChainVerifier {
  readonly #readRoots: () => readonly Certificate[];
  #roots: readonly Certificate[] | undefined;
  /** When each accepted chain begins to expire, in milliseconds since 1970, by the SHA-256 of its certificates. */
  readonly #accepted = new Map<string, number>();

  /** @param trust the authorities as certificates, or as PEM that is read when the first client comes */
  constructor(trust: readonly Certificate[] | readonly string[]) {
    this.#readRoots = () =>
      trust.flatMap((one) => (typeof one === 'string' ? readable(one) : [one as Certificate]));
  }

  /**
   * Returns why Go rejects a chain; undefined when it accepts it.
   * @param sent the certificates as the client sent them, its own first
   */
  fault(sent: readonly Buffer[], now = new Date()): Rejection | undefined {
    const hash = createHash('sha256');
    for (const der of sent) hash.update(der);
    const digest = hash.digest('base64');
    const until = this.#accepted.get(digest);
    if (until !== undefined && now.getTime() <= until) return undefined;
    const size = sent.reduce((sum, { length }) => sum + length, 0);
    if (size > largestChain) {
      const reason = `and its chain have ${size} bytes, expected ${largestChain} or fewer`;
      return { reason, ofLeaf: true };
    }
    const chain = certificatesOf(sent);
    if (!Array.isArray(chain)) return chain;
    this.#roots ??= this.#readRoots();
    const verified = verifyChain(chain, { roots: this.#roots, now, purpose: 'clientAuth' });
    if (verified.chain === undefined) {
      const { code, certificate, reason } = verified.fault;
      return { code, reason, ofLeaf: certificate === chain[0] };
    }
    this.#remember(digest, Math.min(...verified.chain.map(({ notAfter }) => notAfter.getTime())));
    return undefined;
  }

  #remember(digest: string, until: number): void {
    const [oldest] = this.#accepted.keys();
    if (this.#accepted.size >= remembered && oldest !== undefined) this.#accepted.delete(oldest);
    this.#accepted.set(digest, until);
  }
}

function certificatesOf(sent: readonly Buffer[]): [Certificate, ...Certificate[]] | Rejection {
  const chain: Certificate[] = [];
  for (const der of sent) {
    try {
      chain.push(new Certificate(der));
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      return { reason: `cannot be read: ${error.message}`, ofLeaf: chain.length === 0 };
    }
  }
  return chain as [Certificate, ...Certificate[]];
}

/** Reads the certificates of a PEM text one by one: a system may trust some that only OpenSSL can read. */
function readable(pem: string): Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return readCertificates(Buffer.from(block), 'the authorities of the system');
    } catch (error) {
      if (error instanceof NatspkiError) return [];
      throw error;
    }
  });
}
