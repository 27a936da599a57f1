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

/** From version 24 on, Node drops the certificates of other types of key when one is set. */
const setReplacesAll = Number.parseInt(process.versions.node, 10) >= 24;

/** The contexts of one block. */
export class Contexts {
  /**
   * What a server begins with and sets others then. It trusts nobody where that is possible: from a context with
   * authorities OpenSSL would complete the chain it shows, up to a root that no client wants to see. It has the
   * certificate of a block that has one; of several it has none, since what is set for a host may leave others in place.
   */
  readonly atFirst: SecureContext;
  /** For a client that names no host, or one that no certificate is for; and for connections to other servers. */
  readonly byDefault: SecureContext;
  readonly #single: readonly SingleContext[];
  readonly #default: readonly SingleContext[];
  readonly #optionsOf: (pairs: readonly VerifiedPair[]) => SecureContextOptions;

  /** @param trust authorities as PEM; undefined trusts nobody. Throws a NatspkiError for what OpenSSL refuses. */
  constructor(block: TlsBlock, pairs: readonly VerifiedPair[], trust: readonly string[] | undefined) {
    this.#optionsOf = (some) => optionsOf(block, some, trust);
    this.#single = pairs.map((pair) => ({
      pair,
      x509: new X509Certificate(pair.leaf.der),
      context: makeContext(this.#optionsOf([pair]), `"${pair.certFile}"`),
    }));
    this.#default = firstOfEachKeyType(this.#single);
    const options = this.#optionsOf(this.#default.map(pairOf));
    const [only] = this.#single;
    this.byDefault =
      only !== undefined && !this.dependOnHost ? only.context : makeContext(options, 'the tls block');
    this.atFirst = this.#beginsWithDefault
      ? this.byDefault
      : makeContext({ ...(this.dependOnHost ? this.#optionsOf([]) : options), ca: [] }, 'the tls block');
  }

  /** Whether the default certificates cannot be set one by one, so that a connection must begin with them. */
  get #beginsWithDefault(): boolean {
    return setReplacesAll && this.#default.length > 1;
  }

  /** Whether the host that a client names makes a difference. */
  get dependOnHost(): boolean {
    return this.#single.length > 1;
  }

  /**
   * Gives the contexts to set for a host, one for each type of key and the first in the block last; the default ones where
   * the client names no host, or one that no certificate is for; none where the connection has begun with the right ones.
   */
  forHost(serverName: string | undefined): readonly SecureContext[] {
    const candidates =
      serverName === undefined
        ? []
        : this.#single.filter(({ x509 }) => x509.checkHost(serverName, { subject: 'never' }) !== undefined);
    const chosen = candidates.length === 0 ? this.#default : firstOfEachKeyType(candidates);
    const isDefault =
      chosen.length === this.#default.length && chosen.every((one) => this.#default.includes(one));
    if (this.#beginsWithDefault && isDefault) return [];
    return chosen.map(({ context }) => context).toReversed();
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
  // OpenSSL takes the last for the current one: that is to be the first in the block.
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
