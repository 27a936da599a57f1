// The making of certificates by the profile of RFC 5280, and the only importer of @peculiar/x509. Loading that costs
// more than most commands take: import this file with `await import()`, and only to sign.
import 'reflect-metadata';
import { createHash, type KeyObject, sign as signNow } from 'node:crypto';
import { Crypto, type CryptoKey } from '@peculiar/webcrypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { NatspkiError } from '../errors.ts';
import { Certificate } from './certificate.ts';
import { readBitString, readChildren, readDer } from './der.ts';
import { keyTypeOf, keyTypes } from './key.ts';
import type { San } from './name.ts';

cryptoProvider.set(new Crypto());

/** What a certificate may be used for (RFC 5280 section 4.2.1.12). */
export type Purpose = 'serverAuth' | 'clientAuth';

interface Contents {
  readonly commonName: string;
  /** The whole subject (DER Name) in place of the common name alone, for one that is taken over. */
  readonly subjectDer?: Buffer;
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface LeafContents extends Contents {
  readonly sans: readonly San[];
  readonly purposes: readonly Purpose[];
}

export interface AuthorityContents extends Contents {
  /** How many authorities may stand between it and a leaf. */
  readonly pathLength: number;
}

/** In the words of WebCrypto; no hash where the scheme has its own. */
interface SigningAlgorithm {
  readonly name: string;
  readonly namedCurve?: string;
  readonly hash?: 'SHA-256' | 'SHA-384' | 'SHA-512';
}

/** Signs certificates with one issuer's key. Make one and keep it: what all its certificates share is prepared once. */
export class Signer {
  readonly #issuer: Name;
  readonly #authorityKeyId: AuthorityKeyIdentifierExtension;
  readonly #algorithm: SigningAlgorithm;
  readonly #provider: Crypto;
  readonly #random: (size: number) => Buffer;
  readonly #alike = new Map<string, readonly Extension[]>();

  private constructor(issuer: Name, keyId: string, key: KeyObject, random: (size: number) => Buffer) {
    this.#issuer = issuer;
    this.#authorityKeyId = new AuthorityKeyIdentifierExtension(keyId);
    this.#algorithm = signingAlgorithmOf(key);
    this.#provider = providerFor(key, this.#algorithm);
    this.#random = random;
  }

  /** @param random gives that many random bytes, for serial numbers */
  static of(issuer: Certificate, key: KeyObject, random: (size: number) => Buffer): Signer {
    const keyId = issuer.subjectKeyId ?? keyIdOf(issuer.spki);
    return new Signer(new Name(issuer.subjectDer), keyId, key, random);
  }

  /** Makes a self-signed authority. */
  static selfSigned(
    contents: AuthorityContents,
    key: KeyObject,
    random: (size: number) => Buffer,
  ): Promise<Certificate> {
    const keyId = keyIdOf(spkiOf(contents.publicKey));
    return new Signer(subjectOf(contents), keyId, key, random).authority(contents);
  }

  /** Signs a certificate of a server or a client. */
  async leaf(contents: LeafContents): Promise<Certificate> {
    const extensions = [...this.#leafExtensions(contents)];
    if (contents.sans.length > 0) {
      const names = contents.sans.map(({ kind, value }) => ({ type: generalNameTypes[kind], value }));
      extensions.push(new SubjectAlternativeNameExtension(names));
    }
    return this.#certify(contents, extensions);
  }

  /** Gives what many leaves have alike, made once. */
  #leafExtensions({ publicKey, purposes }: LeafContents): readonly Extension[] {
    // The key exchange of TLS 1.2 with RSA encrypts with the key.
    const encipherment = publicKey.asymmetricKeyType === 'rsa' ? KeyUsageFlags.keyEncipherment : 0;
    const which = [encipherment, ...purposes].join(' ');
    const known = this.#alike.get(which);
    if (known !== undefined) return known;
    const made = [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | encipherment, true),
      new ExtendedKeyUsageExtension(purposes.map((purpose) => ExtendedKeyUsage[purpose])),
    ];
    this.#alike.set(which, made);
    return made;
  }

  /** Signs a certificate of an authority. */
  async authority(contents: AuthorityContents): Promise<Certificate> {
    return this.#certify(contents, [
      new BasicConstraintsExtension(true, contents.pathLength, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ]);
  }

  async #certify(contents: Contents, extensions: Extension[]): Promise<Certificate> {
    const spki = spkiOf(contents.publicKey);
    const made = await X509CertificateGenerator.create(
      {
        serialNumber: serialNumber(this.#random),
        subject: subjectOf(contents),
        issuer: this.#issuer,
        notBefore: contents.notBefore,
        notAfter: contents.notAfter,
        publicKey: spki,
        signingAlgorithm: this.#algorithm,
        // The key itself is in the provider; the library reads only the algorithm here.
        signingKey: { algorithm: this.#algorithm } as unknown as CryptoKey,
        extensions: [...extensions, new SubjectKeyIdentifierExtension(keyIdOf(spki)), this.#authorityKeyId],
      },
      this.#provider,
    );
    return new Certificate(Buffer.from(made.rawData), contents.publicKey);
  }
}

const generalNameTypes = { dns: 'dns', ip: 'ip', email: 'email', uri: 'url' } as const;

function subjectOf(contents: Contents): Name {
  if (contents.subjectDer !== undefined) return new Name(contents.subjectDer);
  return new Name([{ CN: [{ utf8String: contents.commonName }] }]);
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** Identifies a key by the first 160 bits of the SHA-256 of its bits (RFC 7093 section 2, method 1). */
function keyIdOf(spki: Buffer): string {
  const bits = readBitString(readChildren(readDer(spki))[1]);
  return createHash('sha256').update(bits).digest('hex').slice(0, 40);
}

/** Draws 159 random bits, the most that a positive number of 20 bytes has room for (RFC 5280 section 4.1.2.2). */
function serialNumber(random: (size: number) => Buffer): string {
  const bytes = random(20);
  bytes[0] = (bytes[0] as number) & 0x7f;
  return bytes.toString('hex');
}

function signingAlgorithmOf(key: KeyObject): SigningAlgorithm {
  const type = keyTypeOf(key);
  switch (type) {
    case 'p256':
      return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    case 'p384':
      return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
    case 'p521':
      return { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' };
    case 'ed25519':
      return { name: 'Ed25519' };
    default:
      if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
      throw new NatspkiError(
        'wrong-key-type',
        `an authority cannot sign with a key of type ${type}, expected one of ${keyTypes.join(', ')}`,
      );
  }
}

/**
 * Makes the library's crypto provider sign with a key of node's: its own way parses the key again for every signature,
 * which is half the cost of a leaf.
 */
function providerFor(key: KeyObject, algorithm: SigningAlgorithm): Crypto {
  const provider = new Crypto();
  const digest = algorithm.hash?.replace('-', '').toLowerCase() ?? null;
  provider.subtle.sign = async (_algorithm: unknown, _key: unknown, data: Uint8Array) => {
    // WebCrypto's form of an ECDSA signature is the two numbers side by side.
    const signature = signNow(digest, data, { key, dsaEncoding: 'ieee-p1363' });
    return Uint8Array.from(signature).buffer;
  };
  return provider;
}
