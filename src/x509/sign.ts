// Makes and signs all certificates and revocation lists (RFC 5280) and certificate requests (RFC 2986), with @peculiar/x509
// and @peculiar/webcrypto as its crypto provider. Both packages load slowly, so import this file dynamically.
import 'reflect-metadata';
import { createHash, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  Extension as AsnExtension,
  CertificateList,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  RevokedCertificate as ListEntry,
  NameConstraints,
  Time,
} from '@peculiar/asn1-x509';
import { Crypto } from '@peculiar/webcrypto';
import {
  AsnEcSignatureFormatter,
  AuthorityInfoAccessExtension,
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509Certificates,
  X509CrlGenerator,
} from '@peculiar/x509';
import { NatspkiError } from '../errors.ts';
import { Certificate, type Extension as ReadExtension, spkiBits } from './certificate.ts';
import { readDer } from './der.ts';
import { formatName, nameWith, readName, type SubjectAttributes } from './distinguished-name.ts';
import { keyTypeOf, keyTypes } from './key.ts';
import type { San } from './name.ts';
import type { NameConstraint } from './name-constraints.ts';
import { type RevokedCertificate, revocationReasons } from './revocation-list.ts';
import { noAddresses, type StatusAddresses } from './status-addresses.ts';

const crypto = new Crypto();
cryptoProvider.set(crypto);

/** What a certificate may be used for (RFC 5280 section 4.2.1.12). */
export type Purpose = 'serverAuth' | 'clientAuth';

interface Subject {
  readonly commonName: string;
  /** The whole subject (DER Name), copied byte for byte; used in place of the common name. */
  readonly subjectDer?: Buffer;
}

interface Contents extends Subject {
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface LeafContents extends Contents {
  readonly sans: readonly San[];
  readonly purposes: readonly Purpose[];
  /** Where peers ask whether it is revoked; default nowhere. */
  readonly addresses?: StatusAddresses;
}

export interface AuthorityContents extends Contents {
  /** The number of authorities allowed between it and a leaf. */
  readonly pathLength: number;
  /** The name constraints extension: those of another authority, copied byte for byte, or those of encodePermitted. */
  readonly nameConstraints?: ReadExtension | undefined;
}

export interface RevocationListContents {
  /** Greater than that of every earlier list of the issuer; at most 20 bytes (RFC 5280 section 5.2.3). */
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked: readonly RevokedCertificate[];
}

export interface RequestContents extends Subject {
  readonly sans: readonly San[];
}

/** Returns `size` random bytes. */
type Random = (size: number) => Buffer;

/** A private key in the form that the crypto provider needs. */
interface SigningKey {
  readonly key: webcrypto.CryptoKey;
  readonly algorithm: webcrypto.Algorithm;
}

/** Signs certificates with the key of one issuer. Reuse it: it imports the key and reads the name only once. */
export class Signer {
  readonly #issuer: Name;
  readonly #authorityKeyId: Extension;
  readonly #signingKey: SigningKey;
  readonly #random: Random;
  readonly #usages = new Map<string, readonly Extension[]>();

  private constructor(issuer: Name, keyId: string, signingKey: SigningKey, random: Random) {
    this.#issuer = issuer;
    this.#authorityKeyId = new AuthorityKeyIdentifierExtension(keyId);
    this.#signingKey = signingKey;
    this.#random = random;
  }

  /**
   * Makes the signer of an issuer. Throws `wrong-key-type` for a key that cannot sign, and `unwritable-name`.
   * @param random the source of serial numbers
   */
  static async of(issuer: Certificate, key: KeyObject, random: Random): Promise<Signer> {
    const { subjectKeyId, spki, subjectDer } = issuer;
    const signingKey = await importKey(key, 'an authority cannot sign');
    return new Signer(nameOf(subjectDer), subjectKeyId ?? keyIdOf(spki), signingKey, random);
  }

  /** Makes a self-signed authority; throws as `of` does. */
  static async selfSigned(contents: AuthorityContents, key: KeyObject, random: Random): Promise<Certificate> {
    const keyId = keyIdOf(spkiOf(contents.publicKey));
    const signingKey = await importKey(key, 'an authority cannot sign');
    return new Signer(subjectOf(contents), keyId, signingKey, random).authority(contents);
  }

  /** Signs a certificate of a server or a client. Throws `unwritable-name`. */
  async leaf(contents: LeafContents): Promise<Certificate> {
    const { sans, addresses = noAddresses } = contents;
    return this.#certify(contents, [
      ...this.#leafUsages(contents),
      ...alternativeNames(sans),
      ...addressesOf(addresses),
    ]);
  }

  /** Returns the extensions that leaves with the same purposes share. */
  #leafUsages({ publicKey, purposes }: LeafContents): readonly Extension[] {
    // RSA key exchange in TLS 1.2 encrypts to the server's key; clientAuth does not go with it (RFC 5280 section 4.2.1.12).
    const enciphers = publicKey.asymmetricKeyType === 'rsa' && purposes.includes('serverAuth');
    const shared = [enciphers, ...purposes].join(' ');
    const known = this.#usages.get(shared);
    if (known !== undefined) return known;
    const flags = KeyUsageFlags.digitalSignature | (enciphers ? KeyUsageFlags.keyEncipherment : 0);
    const made = [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(flags, true),
      new ExtendedKeyUsageExtension(purposes.map((purpose) => ExtendedKeyUsage[purpose])),
    ];
    this.#usages.set(shared, made);
    return made;
  }

  /**
   * Signs a certificate whose key answers for this issuer about revocations (RFC 6960 section 4.2.2.2). Clients do not check
   * whether it is revoked itself, so it has to be short-lived (section 4.2.2.2.1).
   */
  async responder(contents: Contents): Promise<Certificate> {
    return this.#certify(contents, [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.ocspSigning]),
      // id-pkix-ocsp-nocheck, whose value is NULL.
      new Extension('1.3.6.1.5.5.7.48.1.5', false, Uint8Array.of(0x05, 0)),
    ]);
  }

  /** Signs a certificate of an authority. Throws `unwritable-name`. */
  async authority(contents: AuthorityContents): Promise<Certificate> {
    return this.#certify(contents, [
      new BasicConstraintsExtension(true, contents.pathLength, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ...constraintsExtension(contents.nameConstraints),
    ]);
  }

  /** Signs a revocation list; returns its DER. */
  async revocationList(contents: RevocationListContents): Promise<Buffer> {
    const { number, thisUpdate, nextUpdate, revoked } = contents;
    const { key, algorithm } = this.#signingKey;
    // The generator takes quadratic time for its entries, and gives an entry without a reason an empty sequence of
    // extensions, which RFC 5280 section 5.1 forbids: add the entries to its empty list, and sign that again.
    const { rawData } = await X509CrlGenerator.create({
      issuer: this.#issuer,
      thisUpdate,
      nextUpdate,
      extensions: [this.#authorityKeyId, new Extension('2.5.29.20', false, derInteger(number))],
      signingKey: key,
      signingAlgorithm: algorithm,
    });
    if (revoked.length === 0) return Buffer.from(rawData);
    const list = AsnConvert.parse(rawData, CertificateList);
    list.tbsCertList.revokedCertificates = revoked.map(listEntry);
    const signed = AsnConvert.serialize(list.tbsCertList);
    const scheme = { ...algorithm, ...key.algorithm };
    const signature = await crypto.subtle.sign(scheme, key, signed);
    const ecSignature = new AsnEcSignatureFormatter().toAsnSignature(scheme, signature);
    // The serializer prefers the bytes that were parsed.
    const complete = { tbsCertList: list.tbsCertList, signatureAlgorithm: list.signatureAlgorithm };
    return Buffer.from(
      AsnConvert.serialize(new CertificateList({ ...complete, signature: ecSignature ?? signature })),
    );
  }

  async #certify(contents: Contents, extensions: readonly Extension[]): Promise<Certificate> {
    const { publicKey, notBefore, notAfter } = contents;
    const { key, algorithm } = this.#signingKey;
    const spki = spkiOf(publicKey);
    const { rawData } = await X509CertificateGenerator.create({
      serialNumber: serialNumber(this.#random),
      issuer: this.#issuer,
      subject: subjectOf(contents),
      notBefore,
      notAfter,
      publicKey: spki,
      extensions: [...extensions, new SubjectKeyIdentifierExtension(keyIdOf(spki)), this.#authorityKeyId],
      signingKey: key,
      signingAlgorithm: algorithm,
    });
    return new Certificate(Buffer.from(rawData), publicKey);
  }
}

/**
 * Makes a certificate request (PKCS#10, DER) for the public half of a private key, signed with that key. Throws
 * `wrong-key-type` for a key that cannot sign, and `unwritable-name`.
 */
export async function makeRequest(contents: RequestContents, privateKey: KeyObject): Promise<Buffer> {
  const { key, algorithm } = await importKey(privateKey, 'a certificate request cannot be signed');
  const spki = spkiOf(createPublicKey(privateKey));
  const { rawData } = await Pkcs10CertificateRequestGenerator.create({
    name: subjectOf(contents),
    keys: {
      privateKey: key,
      publicKey: await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
    },
    signingAlgorithm: algorithm,
    extensions: alternativeNames(contents.sans),
  });
  return Buffer.from(rawData);
}

/** Makes the name constraints extension, critical, that permits nothing else of the kinds that are given. */
export function encodePermitted(permitted: readonly NameConstraint[]): ReadExtension {
  const fields = {
    dns: 'dNSName',
    ip: 'iPAddress',
    email: 'rfc822Name',
    uri: 'uniformResourceIdentifier',
  } as const;
  const subtrees = permitted.map(
    ({ kind, value }) => new GeneralSubtree({ base: new GeneralName({ [fields[kind]]: value }) }),
  );
  const constraints = new NameConstraints({ permittedSubtrees: new GeneralSubtrees(subtrees) });
  return { critical: true, value: Buffer.from(AsnConvert.serialize(constraints)) };
}

function constraintsExtension(extension: ReadExtension | undefined): Extension[] {
  return extension === undefined ? [] : [new Extension('2.5.29.30', extension.critical, extension.value)];
}

/** Encodes certificates as a certs-only message: CMS SignedData without a signer (RFC 5272 section 4.1), DER. */
export function certsOnly(certificates: readonly Certificate[]): Buffer {
  const list = new X509Certificates(certificates.map(({ der }) => new X509Certificate(der)));
  return Buffer.from(list.export('raw'));
}

/** Encodes a subject as a DER Name, `C=CH,O=Example,CN=n1`. */
export function encodeSubject(attributes: SubjectAttributes, commonName: string): Buffer {
  const parts = nameWith(attributes, commonName).map(({ type, value }) => ({
    // X.520 has PrintableString for the country.
    [type]: [type === 'C' ? { printableString: value } : { utf8String: value }],
  }));
  return Buffer.from(new Name(parts).toArrayBuffer());
}

/** The kinds of names as @peculiar/x509 names them. */
const generalNames = { dns: 'dns', ip: 'ip', email: 'email', uri: 'url' } as const;

/** Returns the extension for alternative names; nothing when there are none. */
function alternativeNames(sans: readonly San[]): Extension[] {
  if (sans.length === 0) return [];
  return [
    new SubjectAlternativeNameExtension(sans.map(({ kind, value }) => ({ type: generalNames[kind], value }))),
  ];
}

function addressesOf({ ocsp, crl }: StatusAddresses): Extension[] {
  return [
    ...(ocsp.length === 0 ? [] : [new AuthorityInfoAccessExtension({ ocsp: [...ocsp] })]),
    ...(crl.length === 0 ? [] : [new CRLDistributionPointsExtension([...crl])]),
  ];
}

function subjectOf({ commonName, subjectDer }: Subject): Name {
  return subjectDer === undefined ? new Name([{ CN: [{ utf8String: commonName }] }]) : nameOf(subjectDer);
}

/**
 * Copies a DER Name. Throws `unwritable-name` when @peculiar/x509 would encode it differently, as it does for text that is
 * not valid in its string type: peers compare names byte for byte.
 */
function nameOf(der: Buffer): Name {
  const name = new Name(der);
  if (der.equals(Buffer.from(name.toArrayBuffer()))) return name;
  const printed = formatName(readName(readDer(der)));
  throw new NatspkiError(
    'unwritable-name',
    `the distinguished name "${printed}" has text that is not valid in its string type`,
  );
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** Returns the key identifier in hex: the first 160 bits of the SHA-256 of the key (RFC 7093 section 2, method 1). */
function keyIdOf(spki: Buffer): string {
  return createHash('sha256').update(spkiBits(spki)).digest('hex').slice(0, 40);
}

function listEntry({ serial, revokedAt, reason }: RevokedCertificate): ListEntry {
  const code = revocationReasons.indexOf(reason as (typeof revocationReasons)[number]);
  return new ListEntry({
    userCertificate: integerContent(serial).buffer,
    revocationDate: new Time(revokedAt),
    // `unspecified` is left out (RFC 5280 section 5.3.1).
    ...(code > 0 && {
      crlEntryExtensions: [
        new AsnExtension({ extnID: '2.5.29.21', extnValue: new OctetString(Uint8Array.of(0x0a, 1, code)) }),
      ],
    }),
  });
}

/** Encodes a positive INTEGER of less than 128 bytes. */
function derInteger(value: bigint): Uint8Array<ArrayBuffer> {
  const content = integerContent(value.toString(16));
  return Uint8Array.from([0x02, content.length, ...content]);
}

/** Returns the content of an INTEGER from hex; a first byte with its high bit set would make it negative. */
function integerContent(hex: string): Uint8Array<ArrayBuffer> {
  const whole = hex.length % 2 === 1 ? `0${hex}` : /^[89a-f]/.test(hex) ? `00${hex}` : hex;
  return Uint8Array.from(Buffer.from(whole, 'hex'));
}

/** Returns 159 random bits as hex, the maximum for a positive number of 20 bytes (RFC 5280 section 4.1.2.2). */
function serialNumber(random: Random): string {
  const bytes = Buffer.from(random(20));
  bytes[0] = (bytes[0] as number) & 0x7f;
  return bytes.toString('hex');
}

/**
 * Imports a private key; throws `wrong-key-type` for one that cannot sign.
 * @param refusal what cannot be done with such a key, for the error
 */
async function importKey(key: KeyObject, refusal: string): Promise<SigningKey> {
  const algorithm = algorithmOf(key);
  if (algorithm === undefined) {
    throw new NatspkiError(
      'wrong-key-type',
      `${refusal} with a key of type ${keyTypeOf(key)}, expected one of ${keyTypes.join(', ')}`,
    );
  }
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  return { key: await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']), algorithm };
}

/** Returns the signature algorithm of a key and its hash (RFC 5758, 8410, 4055); undefined for a key that cannot sign. */
function algorithmOf(
  key: KeyObject,
): (webcrypto.Algorithm & { namedCurve?: string; hash?: string }) | undefined {
  switch (keyTypeOf(key)) {
    case 'p256':
      return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    case 'p384':
      return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
    case 'p521':
      return { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' };
    case 'ed25519':
      return { name: 'Ed25519' };
    default:
      return key.asymmetricKeyType === 'rsa' ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } : undefined;
  }
}
