// Certificates as values (RFC 5280). It only reads them; sign.ts makes them.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { isBrokenAlgorithm, signatureAlgorithmName, verifySignature } from './algorithm.ts';
import { readMaterialOf, wrapDerErrors } from './decode.ts';
import {
  DerError,
  type DerValue,
  expectTag,
  readBitString,
  readChildren,
  readDer,
  readFlags,
  readHexInteger,
  readOid,
  readSmallInteger,
  readTime,
  tags,
} from './der.ts';
import { formatName, type NameAttribute, readName } from './distinguished-name.ts';
import { keyTypeOf } from './key.ts';
import { readGeneralNames, type San } from './name.ts';
import { type NameConstraints, readNameConstraints } from './name-constraints.ts';
import { writePem } from './pem.ts';
import { type Pin, pinOfSpki, sha256Hex } from './pin.ts';
import {
  addressExtensions,
  readListAddresses,
  readOcspAddresses,
  type StatusAddresses,
} from './status-addresses.ts';

const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof keyUsageNames)[number];

const purposeNames: Record<string, string> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'OCSPSigning',
  '2.5.29.37.0': 'anyExtendedKeyUsage',
};

const subjectAltName = '2.5.29.17';
const nameConstraints = '2.5.29.30';

/** The extensions that both Go's crypto/x509 and OpenSSL process. */
const knownExtensions = new Set([
  '2.5.29.14', // subjectKeyIdentifier
  '2.5.29.15', // keyUsage
  '2.5.29.17', // subjectAltName
  '2.5.29.19', // basicConstraints
  '2.5.29.30', // nameConstraints
  '2.5.29.31', // cRLDistributionPoints
  '2.5.29.32', // certificatePolicies
  '2.5.29.33', // policyMappings
  '2.5.29.35', // authorityKeyIdentifier
  '2.5.29.36', // policyConstraints
  '2.5.29.37', // extKeyUsage
  '2.5.29.54', // inhibitAnyPolicy
]);

/** A certificate. The constructor reads all fields, so that a malformed certificate fails here and not on later use. */
export class Certificate {
  readonly der: Buffer;
  /** 1 to 3; one without extensions is usually of version 1. */
  readonly version: number;
  /** Lower-case hex in whole bytes; OpenSSL prints the same in upper case. */
  readonly serial: string;
  readonly subject: readonly NameAttribute[];
  readonly issuer: readonly NameAttribute[];
  /** The encoded subject and issuer, for comparison. */
  readonly subjectDer: Buffer;
  readonly issuerDer: Buffer;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** `ecdsa-with-SHA256`, ...; an unknown one is named by its object identifier. */
  readonly signatureAlgorithm: string;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Buffer;
  readonly pin: Pin;
  readonly sans: readonly San[];
  /** Alternative names of other kinds, printed: `directoryName:CN=n1`. */
  readonly otherNames: readonly string[];
  /** The DER of the alternative names; undefined without the extension. */
  readonly sanDer: Buffer | undefined;
  /** Whether it has BasicConstraints. */
  readonly hasBasicConstraints: boolean;
  /** Whether BasicConstraints say that it is an authority. */
  readonly authority: boolean;
  readonly pathLength: number | undefined;
  /** Undefined when the extension is missing, which allows everything. */
  readonly keyUsage: readonly KeyUsage[] | undefined;
  /** `serverAuth`, `clientAuth`, ...; undefined when the extension is missing, which allows everything. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Lower-case hex. */
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
  /** Whether clients must be given an OCSP answer with it in the handshake (RFC 7633). */
  readonly mustStaple: boolean;
  /** Which names the certificates below it may have. */
  readonly nameConstraints: NameConstraints | undefined;
  /** The extension as it is, to copy it. */
  readonly nameConstraintsExtension: Extension | undefined;
  /** Where peers ask whether it is revoked. */
  readonly addresses: StatusAddresses;
  /** The certificate policies by object identifier; empty without the extension. */
  readonly policies: readonly string[];
  /** After how many more certificates a chain needs a valid policy (RFC 5280 section 4.2.1.11); undefined for never. */
  readonly requireExplicitPolicy: number | undefined;
  /** The object identifiers of unknown critical extensions: peers reject the certificate (RFC 5280 section 4.2). */
  readonly unknownCritical: readonly string[];

  readonly #signed: Buffer;
  readonly #algorithm: DerValue | undefined;
  readonly #signature: Buffer;
  #publicKey: KeyObject | undefined;

  /**
   * Reads DER; throws DerError.
   * @param publicKey the key in the certificate if the caller has it, to avoid decoding it again
   */
  constructor(der: Buffer, publicKey?: KeyObject) {
    this.der = der;
    this.#publicKey = publicKey;
    const [tbs, algorithm, signature] = readChildren(readDer(der));
    this.#algorithm = algorithm;
    this.#signature = readBitString(signature);
    const all = readChildren(tbs);
    this.#signed = (tbs as DerValue).raw;
    const explicit = all[0]?.tag === 0xa0;
    this.version = explicit ? readSmallInteger(readChildren(all[0], 0xa0)[0]) + 1 : 1;
    const fields = explicit ? all.slice(1) : all;
    const [serial, , issuer, validity, subject, spki] = fields;
    this.serial = readHexInteger(serial);
    this.signatureAlgorithm = signatureAlgorithmName(algorithm);
    this.subject = readName(subject);
    this.issuer = readName(issuer);
    this.subjectDer = (subject as DerValue).raw;
    this.issuerDer = (issuer as DerValue).raw;
    const [notBefore, notAfter] = readChildren(validity);
    this.notBefore = readTime(notBefore);
    this.notAfter = readTime(notAfter);
    expectTag(spki, tags.sequence);
    this.spki = spki.raw;
    this.pin = pinOfSpki(spki.raw);
    const extensions = readExtensions(fields.find(({ tag }) => tag === 0xa3));
    const read = <T>(oid: string, reader: (value: Buffer) => T): T | undefined => {
      const extension = extensions.get(oid);
      return extension === undefined ? undefined : reader(extension.value);
    };
    const constraints = read('2.5.29.19', readBasicConstraints);
    this.hasBasicConstraints = constraints !== undefined;
    this.authority = constraints?.authority ?? false;
    this.pathLength = constraints?.pathLength;
    this.sanDer = extensions.get(subjectAltName)?.value;
    const names = this.sanDer && readGeneralNames(this.sanDer);
    this.sans = names?.sans ?? [];
    this.otherNames = names?.others ?? [];
    this.nameConstraintsExtension = extensions.get(nameConstraints);
    this.nameConstraints = read(nameConstraints, readNameConstraints);
    this.keyUsage = read('2.5.29.15', (value) =>
      readFlags(readDer(value)).flatMap((flag) => keyUsageNames[flag] ?? []),
    );
    this.extendedKeyUsage = read('2.5.29.37', (value) =>
      readChildren(readDer(value)).map((purpose) => purposeNames[readOid(purpose)] ?? readOid(purpose)),
    );
    this.subjectKeyId = read('2.5.29.14', (value) => {
      const id = readDer(value);
      expectTag(id, tags.octetString);
      return id.content.toString('hex');
    });
    this.authorityKeyId = read('2.5.29.35', (value) =>
      readChildren(readDer(value))
        .find(({ tag }) => tag === 0x80)
        ?.content.toString('hex'),
    );
    this.addresses = {
      ocsp: read(addressExtensions.ocsp, readOcspAddresses) ?? [],
      crl: read(addressExtensions.crl, readListAddresses) ?? [],
    };
    this.mustStaple = hasStatusRequest(extensions.get('1.3.6.1.5.5.7.1.24')?.value);
    this.policies =
      read('2.5.29.32', (value) =>
        readChildren(readDer(value)).map((policy) => readOid(readChildren(policy)[0])),
      ) ?? [];
    this.requireExplicitPolicy = read('2.5.29.36', readExplicitPolicy);
    this.unknownCritical = [...extensions.keys()].filter(
      (oid) => extensions.get(oid)?.critical && !(knownExtensions.has(oid) && this.#processes(oid)),
    );
  }

  /** Go processes names and constraints of the kinds that it knows, and not an extension with others (parser.go). */
  #processes(oid: string): boolean {
    if (oid === subjectAltName) return this.sans.length > 0;
    return oid !== nameConstraints || this.nameConstraints?.hasOthers === false;
  }

  /** Whether it may sign certificates. */
  get signsCertificates(): boolean {
    return this.authority && this.keyUsage?.includes('keyCertSign') !== false;
  }

  /** The first common name, or the whole subject when there is none. */
  get commonName(): string {
    return this.subject.find(({ type }) => type === 'CN')?.value ?? formatName(this.subject);
  }

  get issuerCommonName(): string {
    return this.issuer.find(({ type }) => type === 'CN')?.value ?? formatName(this.issuer);
  }

  /** The SHA-256 of the whole certificate as lower-case hex. */
  get fingerprint(): string {
    return sha256Hex(this.der);
  }

  /** Undefined when OpenSSL cannot read the key. */
  get #readableKey(): KeyObject | undefined {
    try {
      return this.publicKey;
    } catch {
      return undefined;
    }
  }

  /** Throws when OpenSSL cannot read the key; keyType is `unknown` then. */
  get publicKey(): KeyObject {
    this.#publicKey ??= createPublicKey({ key: this.spki, format: 'der', type: 'spki' });
    return this.#publicKey;
  }

  /** The key type as in `--key-type`; `unknown` for a key that OpenSSL cannot read. */
  get keyType(): string {
    const key = this.#readableKey;
    return key === undefined ? 'unknown' : keyTypeOf(key);
  }

  get brokenSignatureAlgorithm(): boolean {
    return isBrokenAlgorithm(this.signatureAlgorithm);
  }

  /** Returns whether `issuer` signed this one: checks the name, the key identifiers if both have one, and the signature. */
  isSignedBy(issuer: Certificate): boolean {
    if (!this.issuerDer.equals(issuer.subjectDer)) return false;
    const id = this.authorityKeyId;
    if (id !== undefined && issuer.subjectKeyId !== undefined && id !== issuer.subjectKeyId) return false;
    return this.hasSignatureOf(issuer);
  }

  /** Returns whether the key of `issuer` verifies the signature, whatever the names say. */
  hasSignatureOf(issuer: Certificate): boolean {
    const key = issuer.#readableKey;
    return key !== undefined && verifySignature(this.#algorithm, key, this.#signed, this.#signature);
  }

  /** Returns whether a private or public key belongs to this certificate. */
  hasKey(key: KeyObject): boolean {
    return this.#readableKey?.equals(key.type === 'private' ? createPublicKey(key) : key) ?? false;
  }

  toPem(): string {
    return writePem('CERTIFICATE', this.der);
  }
}

/**
 * Reads all certificates in a file, PEM or DER, in the order of the file. Throws a NatspkiError that names the file when
 * there is none or one is damaged.
 * @param source the name of the file, for errors
 */
export function readCertificates(bytes: Buffer, source: string): [Certificate, ...Certificate[]] {
  const found = readMaterialOf('certificate', bytes, source);
  return wrapDerErrors('certificate', source, () => found.map(({ der }) => new Certificate(der))) as [
    Certificate,
    ...Certificate[],
  ];
}

/** Returns the bits of the public key in a SubjectPublicKeyInfo, which key identifiers and OCSP hash. */
export function spkiBits(spki: Buffer): Buffer {
  return readBitString(readChildren(readDer(spki))[1]);
}

/** Encodes certificates as PEM, one after the other: a chain or a bundle. */
export function toPem(certificates: readonly Certificate[]): string {
  return certificates.map((certificate) => certificate.toPem()).join('');
}

export interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/** Reads an Extensions field by object identifier; throws DerError for a repeated one (RFC 5280 section 4.2). */
export function readExtensions(field: DerValue | undefined): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  if (field === undefined) return extensions;
  for (const extension of readChildren(readChildren(field, field.tag)[0])) {
    const [id, ...rest] = readChildren(extension);
    const oid = readOid(id);
    const [first, second] = rest;
    const hasCritical = first?.tag === tags.boolean;
    const critical = hasCritical && first.content[0] !== 0;
    const value = hasCritical ? second : first;
    expectTag(value, tags.octetString);
    if (extensions.has(oid)) throw new DerError(`extension ${oid} occurs twice`);
    extensions.set(oid, { critical, value: value.content });
  }
  return extensions;
}

/** Reads a TLS feature extension; a malformed one counts as none, as in nats-server (hasOCSPStatusRequest). */
function hasStatusRequest(value: Buffer | undefined): boolean {
  try {
    return value !== undefined && readChildren(readDer(value)).some((each) => readSmallInteger(each) === 5);
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

function readExplicitPolicy(value: Buffer): number | undefined {
  const content = readChildren(readDer(value)).find(({ tag }) => tag === 0x80)?.content;
  if (content === undefined) return undefined;
  if (content.length !== 1 || (content[0] as number) > 0x7f)
    throw new DerError('a policy constraint is no small number');
  return content[0];
}

function readBasicConstraints(value: Buffer): { authority: boolean; pathLength: number | undefined } {
  const [first, second] = readChildren(readDer(value));
  const authority = first?.tag === tags.boolean && first.content[0] !== 0;
  return { authority, pathLength: second === undefined ? undefined : readSmallInteger(second) };
}
