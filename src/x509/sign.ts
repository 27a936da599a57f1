// The making of certificates by the profile of RFC 5280, and the only importer of @peculiar/asn1-x509: the structures that
// @peculiar/x509 is made of, without its generator, which takes three times as long to load and to run. Loading even
// these is felt: import this file with `await import()`, and only to sign.
import { createHash, type KeyObject, sign as signNow } from 'node:crypto';
import { AsnAnyConverter, AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  type SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { NatspkiError } from '../errors.ts';
import { Certificate } from './certificate.ts';
import { readBitString, readChildren, readDer, tags, writeDer } from './der.ts';
import { keyTypeOf, keyTypes } from './key.ts';
import type { San } from './name.ts';

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

/** How an issuer signs: what its certificates say of it (RFC 5758, 8410, 4055), and what node calls the hash. */
interface Scheme {
  readonly algorithm: AlgorithmIdentifier;
  /** Null where the scheme has its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
}

/** Signs certificates with one issuer's key. Make one and keep it: what all its certificates share is prepared once. */
export class Signer {
  readonly #issuer: Name;
  readonly #authorityKeyId: Extension;
  readonly #scheme: Scheme;
  readonly #algorithmDer: Uint8Array;
  readonly #key: KeyObject;
  readonly #random: (size: number) => Buffer;
  readonly #alike = new Map<string, readonly Extension[]>();

  private constructor(issuer: Name, keyId: Buffer, key: KeyObject, random: (size: number) => Buffer) {
    this.#issuer = issuer;
    this.#authorityKeyId = extension(
      id_ce_authorityKeyIdentifier,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyId) }),
    );
    this.#scheme = schemeOf(key);
    this.#algorithmDer = new Uint8Array(AsnConvert.serialize(this.#scheme.algorithm));
    this.#key = key;
    this.#random = random;
  }

  /** @param random gives that many random bytes, for serial numbers */
  static of(issuer: Certificate, key: KeyObject, random: (size: number) => Buffer): Signer {
    const { subjectKeyId, spki, subjectDer } = issuer;
    const keyId = subjectKeyId === undefined ? keyIdOf(spki) : Buffer.from(subjectKeyId, 'hex');
    return new Signer(encoded<Name>(subjectDer), keyId, key, random);
  }

  /** Makes a self-signed authority. */
  static async selfSigned(
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
      const names = contents.sans.map(({ kind, value }) => new GeneralName({ [generalNames[kind]]: value }));
      extensions.push(extension(id_ce_subjectAltName, new SubjectAlternativeName(names)));
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
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature | encipherment), true),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage(purposes.map((purpose) => purposeIds[purpose]))),
    ];
    this.#alike.set(which, made);
    return made;
  }

  /** Signs a certificate of an authority. */
  async authority(contents: AuthorityContents): Promise<Certificate> {
    const constraints = new BasicConstraints({ cA: true, pathLenConstraint: contents.pathLength });
    return this.#certify(contents, [
      extension(id_ce_basicConstraints, constraints, true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign), true),
    ]);
  }

  #certify(contents: Contents, extensions: readonly Extension[]): Certificate {
    const spki = spkiOf(contents.publicKey);
    const subjectKeyId = extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdOf(spki)));
    const content = new TBSCertificate({
      version: Version.v3,
      serialNumber: serialNumber(this.#random),
      signature: this.#scheme.algorithm,
      issuer: this.#issuer,
      validity: new Validity({ notBefore: contents.notBefore, notAfter: contents.notAfter }),
      subject: subjectOf(contents),
      subjectPublicKeyInfo: encoded<SubjectPublicKeyInfo>(spki),
      extensions: new Extensions([...extensions, subjectKeyId, this.#authorityKeyId]),
    });
    const signed = new Uint8Array(AsnConvert.serialize(content));
    const signature = signNow(this.#scheme.hash, signed, this.#key);
    const bits = writeDer(tags.bitString, Buffer.of(0), signature);
    // The library's own Certificate would encode what was signed once more.
    return new Certificate(writeDer(tags.sequence, signed, this.#algorithmDer, bits), contents.publicKey);
  }
}

const purposeIds = { serverAuth: id_kp_serverAuth, clientAuth: id_kp_clientAuth } as const;

const generalNames = {
  dns: 'dNSName',
  ip: 'iPAddress',
  email: 'rfc822Name',
  uri: 'uniformResourceIdentifier',
} as const;

function extension(id: string, value: object, critical = false): Extension {
  return new Extension({ extnID: id, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** Has the library take over what is DER already, byte for byte, where it expects a structure of its own. */
function encoded<T>(der: Buffer): T {
  const convertible = { toASN: () => AsnAnyConverter.toASN(Uint8Array.from(der).buffer), fromASN: unread };
  return convertible as T;
}

function unread(): never {
  throw new Error('what is encoded is not read');
}

function subjectOf({ commonName, subjectDer }: Contents): Name {
  if (subjectDer !== undefined) return encoded<Name>(subjectDer);
  const value = new AttributeValue({ utf8String: commonName });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: '2.5.4.3', value })])]);
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** Identifies a key by the first 160 bits of the SHA-256 of its bits (RFC 7093 section 2, method 1). */
function keyIdOf(spki: Buffer): Buffer {
  const bits = readBitString(readChildren(readDer(spki))[1]);
  return createHash('sha256').update(bits).digest().subarray(0, 20);
}

/** Draws 159 random bits, the most that a positive number of 20 bytes has room for (RFC 5280 section 4.1.2.2). */
function serialNumber(random: (size: number) => Buffer): ArrayBuffer {
  const bytes = Uint8Array.from(random(20));
  bytes[0] = (bytes[0] as number) & 0x7f;
  // DER writes a number without the zeros in front of it, but for one that keeps it positive.
  let from = bytes.findIndex((byte) => byte !== 0);
  if (from === -1) from = bytes.length - 1;
  if (from > 0 && (bytes[from] as number) & 0x80) from--;
  return bytes.slice(from).buffer;
}

function schemeOf(key: KeyObject): Scheme {
  const scheme = (algorithm: string, hash: Scheme['hash'], parameters?: null): Scheme => ({
    algorithm: new AlgorithmIdentifier({ algorithm, ...(parameters === undefined ? {} : { parameters }) }),
    hash,
  });
  const type = keyTypeOf(key);
  switch (type) {
    case 'p256':
      return scheme('1.2.840.10045.4.3.2', 'sha256');
    case 'p384':
      return scheme('1.2.840.10045.4.3.3', 'sha384');
    case 'p521':
      return scheme('1.2.840.10045.4.3.4', 'sha512');
    case 'ed25519':
      return scheme('1.3.101.112', null);
    default:
      if (key.asymmetricKeyType === 'rsa') return scheme('1.2.840.113549.1.1.11', 'sha256', null);
      throw new NatspkiError(
        'wrong-key-type',
        `an authority cannot sign with a key of type ${type}, expected one of ${keyTypes.join(', ')}`,
      );
  }
}
