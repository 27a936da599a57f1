// The certificates of a peer, each with its issuer: what a revocation list or an OCSP responder can say something about.
import type { Certificate } from '../x509/certificate.ts';
import { verifiedChains } from '../x509/chain.ts';
import { formatName } from '../x509/distinguished-name.ts';

/** One certificate of a chain, with what remains of it for the life of the connection. */
export interface Link {
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string;
  /** The subject as it is printed. */
  readonly subject: string;
  readonly issuer: Certificate;
  /** The OCSP responders that the certificate names, over HTTP and HTTPS. */
  readonly ocspUrls: readonly URL[];
}

/**
 * All chains of a peer, each from its own certificate up to the one below the root; a chain is empty when the certificate
 * is trusted itself. There is none when the peer is not trusted.
 */
export type PeerChains = readonly (readonly Link[])[];

/** Issuers that peers send, kept once for all connections. */
const maxIssuers = 256;

/** Reads chains so that connections share what they have in common. */
export class ChainReader {
  readonly #issuers = new Map<string, Certificate>();

  /** Verifies what a peer sent, its own certificate first. @param roots the trusted certificates */
  read(
    sent: readonly [Certificate, ...Certificate[]],
    roots: readonly Certificate[],
    now: Date,
    purpose: 'clientAuth' | 'serverAuth',
  ): PeerChains {
    return verifiedChains(sent, { roots, now, purpose }).map((chain) =>
      chain.slice(0, -1).map((certificate, index) => {
        const { serial, fingerprint, subject } = certificate;
        const issuer = this.#shared(chain[index + 1] as Certificate, roots);
        return { serial, fingerprint, subject: formatName(subject), issuer, ocspUrls: webUrls(certificate) };
      }),
    );
  }

  #shared(issuer: Certificate, roots: readonly Certificate[]): Certificate {
    if (roots.includes(issuer)) return issuer;
    const { fingerprint } = issuer;
    const known = this.#issuers.get(fingerprint);
    if (known !== undefined) return known;
    const [oldest] = this.#issuers.keys();
    if (this.#issuers.size >= maxIssuers && oldest !== undefined) this.#issuers.delete(oldest);
    this.#issuers.set(fingerprint, issuer);
    return issuer;
  }
}

/** Returns the URLs that nats-server would ask (certidp.go, getWebEndpoints). */
function webUrls({ addresses }: Certificate): URL[] {
  return addresses.ocsp
    .filter((text) => URL.canParse(text))
    .map((text) => new URL(text))
    .filter(({ protocol }) => protocol === 'http:' || protocol === 'https:');
}
