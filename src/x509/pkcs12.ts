// PKCS#12 files (RFC 7292): a private key with its certificates under a password, as browsers, Windows and Java key stores
// want them. Works on bytes; reads and writes no files. The packages load slowly, so import this file dynamically.
import { createHash, createPrivateKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { ContentInfo, EncryptedContent, EncryptedContentInfo } from '@peculiar/asn1-cms';
import {
  AuthenticatedSafe,
  CertBag,
  id_certBag,
  id_keyBag,
  id_pkcs8ShroudedKeyBag,
  id_SafeContents,
  id_x509Certificate,
  MacData,
  PFX,
  PKCS12Attribute,
  SafeBag,
  SafeContents,
} from '@peculiar/asn1-pfx';
import { EncryptedData as EncryptedBytes, EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { AsnConvert, AsnProp, AsnPropTypes, AsnType, AsnTypeTypes, OctetString } from '@peculiar/asn1-schema';
import { NatspkiError } from '../errors.ts';
import { Certificate } from './certificate.ts';
import { decrypt, encrypt, expectedMac, macOf, type Protection } from './pkcs12-cipher.ts';

/** As many as for the key of an authority. Java and Windows use 10,000 and 2,000. */
const usualRounds = 600_000;
/** Fewer: the old scheme needs seven derivations for a file, and its ciphers are the weaker part. */
const legacyRounds = 50_000;

const contentTypes = { data: '1.2.840.113549.1.7.1', encryptedData: '1.2.840.113549.1.7.6' };
const attributes = {
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  /** Java takes a certificate with this attribute for a trusted authority (sun.security.pkcs12.PKCS12KeyStore). */
  trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
};
/** anyExtendedKeyUsage as an OBJECT IDENTIFIER. */
const anyUsage = Buffer.from('0604551d2500', 'hex');

/** EncryptedData (RFC 5652 section 8). */
class EncryptedData {
  version = 0;
  encryptedContentInfo = new EncryptedContentInfo();
}
AsnProp({ type: AsnPropTypes.Integer })(EncryptedData.prototype, 'version');
AsnProp({ type: EncryptedContentInfo })(EncryptedData.prototype, 'encryptedContentInfo');
AsnType({ type: AsnTypeTypes.Sequence })(EncryptedData);

/** A BMPString in a friendlyName attribute. */
class FriendlyName {
  value = '';
}
AsnProp({ type: AsnPropTypes.BmpString })(FriendlyName.prototype, 'value');
AsnType({ type: AsnTypeTypes.Choice })(FriendlyName);

/** What is written into a file. */
export interface Pkcs12Contents {
  /** The name that programs show; Java's alias. */
  readonly name: string;
  readonly key: KeyObject;
  /** The certificate of the key, followed by its intermediates. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** Roots; Java trusts them. */
  readonly authorities: readonly Certificate[];
}

/** What is found in a file. */
export interface FoundInPkcs12 {
  readonly keys: readonly { readonly key: KeyObject; readonly name: string | undefined }[];
  /** In the order of the file. */
  readonly certificates: readonly { readonly certificate: Certificate; readonly name: string | undefined }[];
}

/**
 * Writes a file that is encrypted with AES-256 and authenticated with SHA-256; with `legacy`, with 3DES and SHA-1, for
 * programs that know nothing else.
 */
export async function writePkcs12(
  contents: Pkcs12Contents,
  password: string,
  { legacy = false, rounds }: { legacy?: boolean; rounds?: number } = {},
): Promise<Buffer> {
  const usual = legacy ? legacyRounds : usualRounds;
  const protection: Protection = { password, legacy, rounds: rounds ?? usual };
  const { name, key, chain, authorities } = contents;
  const [leaf, ...intermediates] = chain;
  const keyId = attribute(
    attributes.localKeyId,
    AsnConvert.serialize(new OctetString(createHash('sha1').update(leaf.der).digest())),
  );
  const certificates = new SafeContents([
    certificateBag(leaf, [friendlyName(name), keyId]),
    ...intermediates.map((each) => certificateBag(each, [friendlyName(each.commonName)])),
    ...authorities.map((each) =>
      certificateBag(each, [friendlyName(each.commonName), attribute(attributes.trustedKeyUsage, anyUsage)]),
    ),
  ]);
  const encryptedKey = await encrypt(key.export({ type: 'pkcs8', format: 'der' }), protection);
  const shrouded = new EncryptedPrivateKeyInfo({
    encryptionAlgorithm: encryptedKey.algorithm,
    encryptedData: new EncryptedBytes(encryptedKey.data),
  });
  const keys = new SafeContents([
    new SafeBag({
      bagId: id_pkcs8ShroudedKeyBag,
      bagValue: AsnConvert.serialize(shrouded),
      bagAttributes: [friendlyName(name), keyId],
    }),
  ]);
  const safe = new AuthenticatedSafe([
    await encryptedContent(AsnConvert.serialize(certificates), protection),
    dataContent(AsnConvert.serialize(keys)),
  ]);
  const content = AsnConvert.serialize(safe);
  const { digestAlgorithm, digest, salt } = await macOf(Buffer.from(content), protection);
  const macData = new MacData({ macSalt: new OctetString(salt), iterations: protection.rounds });
  Object.assign(macData.mac.digestAlgorithm, { algorithm: digestAlgorithm, parameters: null });
  macData.mac.digest = new OctetString(digest);
  return Buffer.from(AsnConvert.serialize(new PFX({ authSafe: dataContent(content), macData })));
}

/**
 * Reads the keys and certificates of a file. Throws `wrong-passphrase`, `unsupported-encryption`, `damaged-pkcs12`, or the
 * error of a certificate in it.
 * @param source the name of the file, for errors
 */
export async function readPkcs12(bytes: Buffer, password: string, source: string): Promise<FoundInPkcs12> {
  const file = parse(bytes, PFX, source);
  if (file.authSafe.contentType !== contentTypes.data)
    throw damaged(source, 'it is signed with a public key');
  const content = Buffer.from(parse(file.authSafe.content, OctetString, source).buffer);
  await checkMac(file.macData, content, password, source);
  const bags: SafeBag[] = [];
  for (const each of parse(content, AuthenticatedSafe, source)) {
    bags.push(...parse(await opened(each, password, source), SafeContents, source));
  }
  const keys: FoundInPkcs12['keys'][number][] = [];
  const certificates: FoundInPkcs12['certificates'][number][] = [];
  for (const bag of bags) {
    const name = nameOf(bag);
    if (bag.bagId === id_certBag) {
      const { certId, certValue } = parse(bag.bagValue, CertBag, source);
      if (certId !== id_x509Certificate) continue;
      const der = Buffer.from(parse(certValue, OctetString, source).buffer);
      certificates.push({ certificate: attempt(source, () => new Certificate(der)), name });
    } else if (bag.bagId === id_keyBag) {
      keys.push({ key: privateKey(Buffer.from(bag.bagValue), source), name });
    } else if (bag.bagId === id_pkcs8ShroudedKeyBag) {
      const { encryptionAlgorithm: algorithm, encryptedData } = parse(
        bag.bagValue,
        EncryptedPrivateKeyInfo,
        source,
      );
      const data = Buffer.from(encryptedData.buffer);
      keys.push({ key: privateKey(await unlock({ algorithm, data }, password, source), source), name });
    } else if (bag.bagId === id_SafeContents) {
      throw damaged(source, 'it nests its contents, which no known program does');
    }
  }
  return { keys, certificates };
}

async function checkMac(macData: MacData, content: Buffer, password: string, source: string): Promise<void> {
  const { mac, macSalt, iterations } = macData;
  // A file without a MAC, such as those of `openssl pkcs12 -nomac`: its encryption reveals a wrong password.
  if (mac.digest.byteLength === 0) return;
  const found = {
    digestAlgorithm: mac.digestAlgorithm.algorithm,
    digest: Buffer.from(mac.digest.buffer),
    salt: Buffer.from(macSalt.buffer),
    rounds: iterations,
  };
  const expected = await expectedMac(content, found, password, source);
  if (expected.length !== found.digest.length || !timingSafeEqual(expected, found.digest)) {
    throw wrongPassword(source);
  }
}

/** Returns the SafeContents of one part, decrypted. */
async function opened(
  { contentType, content }: ContentInfo,
  password: string,
  source: string,
): Promise<Buffer> {
  if (contentType === contentTypes.data) return Buffer.from(parse(content, OctetString, source).buffer);
  if (contentType !== contentTypes.encryptedData) {
    throw damaged(source, 'a part of it is encrypted with a public key');
  }
  const { contentEncryptionAlgorithm: algorithm, encryptedContent } = parse(
    content,
    EncryptedData,
    source,
  ).encryptedContentInfo;
  const parts =
    encryptedContent?.constructedValue ?? (encryptedContent?.value ? [encryptedContent.value] : []);
  const data = Buffer.concat(parts.map(({ buffer }) => Buffer.from(buffer)));
  return unlock({ algorithm, data }, password, source);
}

async function unlock(...[encrypted, password, source]: Parameters<typeof decrypt>): Promise<Buffer> {
  try {
    return await decrypt(encrypted, password, source);
  } catch (error) {
    throw error instanceof NatspkiError ? error : wrongPassword(source, error);
  }
}

function privateKey(der: Buffer, source: string): KeyObject {
  return attempt(source, () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

function parse<T>(bytes: ArrayBuffer | Uint8Array, type: new () => T, source: string): T {
  return attempt(source, () => AsnConvert.parse(bytes, type));
}

function attempt<T>(source: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw damaged(source, (error as Error).message, error);
  }
}

function damaged(source: string, why: string, cause?: unknown): NatspkiError {
  return new NatspkiError('damaged-pkcs12', `the PKCS#12 file "${source}" cannot be read: ${why}`, {
    hint: `openssl pkcs12 -in "${source}" -nodes -out new.pem`,
    cause,
  });
}

function wrongPassword(source: string, cause?: unknown): NatspkiError {
  return new NatspkiError('wrong-passphrase', `wrong password for "${source}"`, { cause });
}

function nameOf({ bagAttributes = [] }: SafeBag): string | undefined {
  const value = bagAttributes.find(({ attrId }) => attrId === attributes.friendlyName)?.attrValues[0];
  try {
    return value === undefined ? undefined : AsnConvert.parse(value, FriendlyName).value || undefined;
  } catch {
    // A name is only a suggestion.
    return undefined;
  }
}

function friendlyName(value: string): PKCS12Attribute {
  return attribute(
    attributes.friendlyName,
    AsnConvert.serialize(Object.assign(new FriendlyName(), { value })),
  );
}

function attribute(attrId: string, value: ArrayBuffer | Buffer): PKCS12Attribute {
  const attrValues = [Buffer.isBuffer(value) ? new Uint8Array(value).buffer : value];
  // The constructor ignores what it is given.
  return Object.assign(new PKCS12Attribute(), { attrId, attrValues });
}

function certificateBag({ der }: Certificate, bagAttributes: PKCS12Attribute[]): SafeBag {
  const bag = new CertBag({
    certId: id_x509Certificate,
    certValue: AsnConvert.serialize(new OctetString(der)),
  });
  return new SafeBag({ bagId: id_certBag, bagValue: AsnConvert.serialize(bag), bagAttributes });
}

function dataContent(content: ArrayBuffer): ContentInfo {
  return new ContentInfo({
    contentType: contentTypes.data,
    content: AsnConvert.serialize(new OctetString(content)),
  });
}

async function encryptedContent(plain: ArrayBuffer, protection: Protection): Promise<ContentInfo> {
  const { algorithm, data } = await encrypt(new Uint8Array(plain), protection);
  const encryptedContentInfo = new EncryptedContentInfo({
    contentType: contentTypes.data,
    contentEncryptionAlgorithm: algorithm,
    encryptedContent: new EncryptedContent({ value: new OctetString(data) }),
  });
  return new ContentInfo({
    contentType: contentTypes.encryptedData,
    content: AsnConvert.serialize(Object.assign(new EncryptedData(), { encryptedContentInfo })),
  });
}
