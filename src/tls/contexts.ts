// Verified material as OpenSSL contexts, with the parameters of its tls block: one context by default, and others for
// the hosts that a block with several certificates serves.

import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { NatspkiError } from '../errors.ts';
import type { TlsBlock } from './block.ts';
import { findCurve, opensslCiphers, secureVersion } from './ciphers.ts';
import type { VerifiedPair } from './pair.ts';

/** No tickets, which nobody here resumes; no renegotiation, in which a verified client could become another. */
const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

/** The contexts of one block. */
export class Contexts {
  /**
   * The default certificates and nobody trusted, for a server to begin with and set the default context then: from a
   * context with authorities OpenSSL would complete the chain it shows, up to a root that no client wants to see.
   */
  readonly withoutTrust: SecureContext;
  /** For a client that names no host, or one that no certificate is for; and for connections to other servers. */
  readonly byDefault: SecureContext;
  readonly #single: readonly SingleContext[];
  readonly #combined = new Map<string, SecureContext>();
  readonly #optionsOf: (pairs: readonly VerifiedPair[]) => SecureContextOptions;

  /** @param trust authorities as PEM; undefined trusts nobody. Throws a NatspkiError for what OpenSSL refuses. */
  constructor(block: TlsBlock, pairs: readonly VerifiedPair[], trust: readonly string[] | undefined) {
    this.#optionsOf = (some) => optionsOf(block, some, trust);
    this.#single = pairs.map((pair) => ({
      pair,
      x509: new X509Certificate(pair.leaf.der),
      context: makeContext(this.#optionsOf([pair]), `"${pair.certFile}"`),
    }));
    const first = firstOfEachKeyType(this.#single);
    const options = this.#optionsOf(first.map(pairOf));
    this.byDefault =
      first.length === 0 ? makeContext(options, 'the tls block') : this.#contextOf(this.#single);
    this.withoutTrust = makeContext({ ...options, ca: [] }, 'the tls block');
  }

  /** Whether the host that a client names makes a difference. */
  get dependOnHost(): boolean {
    return this.#single.length > 1;
  }

  /** Gives the context with the certificates for a host; undefined where the default one serves it. */
  forHost(serverName: string): SecureContext | undefined {
    const context = this.#contextOf(
      this.#single.filter(({ x509 }) => x509.checkHost(serverName, { subject: 'never' }) !== undefined),
    );
    return context === this.byDefault ? undefined : context;
  }

  /** Combines candidates, one for each type of key; gives the default context when there is none. */
  #contextOf(candidates: readonly SingleContext[]): SecureContext {
    const chosen = firstOfEachKeyType(candidates);
    const [only] = chosen;
    if (only === undefined) return this.byDefault;
    if (chosen.length === 1) return only.context;
    const key = chosen.map((one) => this.#single.indexOf(one)).join(' ');
    const context =
      this.#combined.get(key) ?? makeContext(this.#optionsOf(chosen.map(pairOf)), 'the tls block');
    this.#combined.set(key, context);
    return context;
  }
}

interface SingleContext {
  readonly pair: VerifiedPair;
  readonly x509: X509Certificate;
  readonly context: SecureContext;
}

function optionsOf(
  block: TlsBlock,
  pairs: readonly VerifiedPair[],
  trust: readonly string[] | undefined,
): SecureContextOptions {
  const groups = block.curvePreferences?.flatMap((curve) => findCurve(curve) ?? []);
  // Newer versions of Node serve a host only the last pair of its context: that is to be the first in the block.
  const loaded = pairs.toReversed();
  return {
    cert: loaded.map(({ chain }) => chain.map((certificate) => certificate.toPem()).join('')),
    key: loaded.map(({ key }) => key.export({ type: 'pkcs8', format: 'pem' }) as string),
    // Without any, Node would load its own list of authorities, which takes it 50 ms the first time.
    ca: [...(trust ?? [])],
    // As in Go, whatever the ca_file names is trusted, be it an intermediate authority or a lone certificate.
    allowPartialTrustChain: true,
    ciphers: opensslCiphers(block.cipherSuites, block.minVersion),
    honorCipherOrder: true,
    minVersion: secureVersion(block.minVersion),
    secureOptions,
    ...(groups === undefined ? {} : { ecdhCurve: groups.join(':') }),
  };
}

function pairOf({ pair }: SingleContext): VerifiedPair {
  return pair;
}

function makeContext(options: SecureContextOptions, what: string): SecureContext {
  try {
    return createSecureContext(options);
  } catch (cause) {
    const reason = (cause as Error).message.split(':').at(-1)?.trim();
    throw new NatspkiError('tls-refused', `OpenSSL does not take ${what}: ${reason}`, { cause });
  }
}

/** OpenSSL has one place for each type of key, and picks by what the client understands. */
function firstOfEachKeyType(candidates: readonly SingleContext[]): SingleContext[] {
  const type = ({ pair }: SingleContext) => pair.key.asymmetricKeyType;
  return candidates.filter(
    (one, index) => candidates.findIndex((other) => type(other) === type(one)) === index,
  );
}
