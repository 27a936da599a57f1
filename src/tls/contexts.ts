// Creates OpenSSL contexts from verified material and the parameters of its tls block: a default context, and further
// ones for the hosts of a block with several certificates.

import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { NatspkiError } from '../errors.ts';
import { given } from '../given.ts';
import type { TlsBlock } from './block.ts';
import { findCurve, opensslCiphers, secureVersion } from './ciphers.ts';
import type { VerifiedPair } from './pair.ts';

/** No tickets, because no session is resumed; no renegotiation, which could replace a verified client by another one. */
const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

/** Since version 24, Node drops the certificates of other key types when one is set. */
const setReplacesAll = Number.parseInt(process.versions.node, 10) >= 24;

/** The contexts of one block. */
export class Contexts {
  /**
   * The context that a server connection starts with, before the final one is set. If possible it trusts no authorities:
   * OpenSSL would use them to extend the chain that the server sends, up to a root that no client needs. It contains the
   * certificate of a block with a single one. For several it contains none, because setting those of one host could leave
   * the others in place.
   */
  readonly atFirst: SecureContext;
  /** For a client that names no host, or a host without a certificate; and for connections to other servers. */
  readonly byDefault: SecureContext;
  readonly #single: readonly SingleContext[];
  readonly #default: readonly SingleContext[];
  readonly #optionsOf: (pairs: readonly VerifiedPair[]) => SecureContextOptions;

  /** @param trust authorities as PEM; undefined trusts none. Throws a NatspkiError for anything that OpenSSL rejects. */
  constructor(block: TlsBlock, pairs: readonly VerifiedPair[], trust: readonly string[] | undefined) {
    this.#optionsOf = (some) => ({ ...optionsOf(block, some, trust), ...preferring(pairs) });
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

  /** Whether the default certificates cannot be set one by one, so that a connection must start with them. */
  get #beginsWithDefault(): boolean {
    return setReplacesAll && this.#default.length > 1;
  }

  /** Whether the certificate depends on the host that a client names. */
  get dependOnHost(): boolean {
    return this.#single.length > 1;
  }

  /**
   * Returns the contexts to set for a host, one for each key type, with the first of the block last. Returns the default
   * ones when the client names no host, or one without a certificate. Returns none when the connection already started
   * with the right ones.
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
  // OpenSSL makes the last certificate the current one, which must be the first of the block.
  const loaded = pairs.toReversed();
  return {
    cert: loaded.map(({ chain }) => chain.map((certificate) => certificate.toPem()).join('')),
    key: loaded.map(({ key }) => key.export({ type: 'pkcs8', format: 'pem' }) as string),
    // Without an array, Node would load its own list of authorities, which takes 50 ms the first time.
    ca: [...(trust ?? [])],
    // As in Go, everything in the ca_file is trusted, including an intermediate authority or a single leaf certificate.
    allowPartialTrustChain: true,
    ciphers: opensslCiphers(block.cipherSuites, block.minVersion),
    honorCipherOrder: true,
    minVersion: secureVersion(block.minVersion),
    secureOptions,
    ...given({ ecdhCurve: groups?.join(':') }),
  };
}

const ecdsa = ['ecdsa_secp256r1_sha256', 'ecdsa_secp384r1_sha384', 'ecdsa_secp521r1_sha512'];
const rsa = [256, 384, 512].flatMap((bits) => [
  `rsa_pss_rsae_sha${bits}`,
  `rsa_pss_pss_sha${bits}`,
  `rsa_pkcs1_sha${bits}`,
]);

/**
 * Makes OpenSSL prefer the key type of the first pair, as Go does (crypto/tls, getCertificate). By itself it prefers ECDSA to
 * Ed25519, and that to RSA. The other types follow, for clients that do not support the first one.
 */
function preferring(pairs: readonly VerifiedPair[]): SecureContextOptions {
  const [first, ...others] = pairs.map(({ key }) => key.asymmetricKeyType);
  if (others.every((type) => type === first) || first === 'ec') return {};
  const own = first === 'rsa' ? rsa : ['ed25519'];
  return { sigalgs: [...new Set([...own, ...ecdsa, 'ed25519', ...rsa])].join(':') };
}

function pairOf({ pair }: SingleContext): VerifiedPair {
  return pair;
}

function makeContext(options: SecureContextOptions, what: string): SecureContext {
  try {
    return createSecureContext(options);
  } catch (cause) {
    const reason = (cause as Error).message.split(':').at(-1)?.trim();
    throw new NatspkiError('tls-refused', `OpenSSL rejects ${what}: ${reason}`, { cause });
  }
}

/** Keeps the first certificate of each key type: OpenSSL has one slot per type, and picks one that the client supports. */
function firstOfEachKeyType(candidates: readonly SingleContext[]): SingleContext[] {
  const type = ({ pair }: SingleContext) => pair.key.asymmetricKeyType;
  return candidates.filter(
    (one, index) => candidates.findIndex((other) => type(other) === type(one)) === index,
  );
}
