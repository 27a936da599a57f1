// Decodes a file of X.509 material, PEM or DER, into certificates, requests, keys and revocation lists by kind. It does not
// read their contents.
import { NatspkiError } from '../errors.ts';
import { DerError, type DerValue, readChildren, readDer, tags } from './der.ts';
import { foreignFormatError, foreignFormatOf, foreignFormatOfLabel } from './foreign-format.ts';
import { looksLikePem, type PemBlock, readPem } from './pem.ts';

export type MaterialKind = 'certificate' | 'request' | 'revocation-list' | 'public-key' | 'private-key';

export interface Material {
  readonly kind: MaterialKind;
  /** The encoding of a key: SubjectPublicKeyInfo, PKCS#8, PKCS#1 (RSA) or SEC 1 (EC); `x509` for everything else. */
  readonly form: 'spki' | 'pkcs8' | 'pkcs1' | 'sec1' | 'x509';
  /** `pkcs8`: PBES2 and similar, which natspki can open; `pem`: PEM headers (RFC 1421), which it cannot. */
  readonly encryption?: 'pkcs8' | 'pem';
  readonly der: Buffer;
}

const byLabel: Record<string, Omit<Material, 'der'>> = {
  CERTIFICATE: { kind: 'certificate', form: 'x509' },
  'X509 CERTIFICATE': { kind: 'certificate', form: 'x509' },
  'CERTIFICATE REQUEST': { kind: 'request', form: 'x509' },
  'NEW CERTIFICATE REQUEST': { kind: 'request', form: 'x509' },
  'X509 CRL': { kind: 'revocation-list', form: 'x509' },
  CRL: { kind: 'revocation-list', form: 'x509' },
  'PUBLIC KEY': { kind: 'public-key', form: 'spki' },
  'RSA PUBLIC KEY': { kind: 'public-key', form: 'pkcs1' },
  'PRIVATE KEY': { kind: 'private-key', form: 'pkcs8' },
  'ENCRYPTED PRIVATE KEY': { kind: 'private-key', form: 'pkcs8', encryption: 'pkcs8' },
  'RSA PRIVATE KEY': { kind: 'private-key', form: 'pkcs1' },
  'EC PRIVATE KEY': { kind: 'private-key', form: 'sec1' },
};

const kindNames: Record<MaterialKind, string> = {
  certificate: 'a certificate',
  request: 'a certificate request',
  'revocation-list': 'a revocation list',
  'public-key': 'a public key',
  'private-key': 'a private key',
};

/**
 * Reads all material in a file, in the order of the file; skips PEM blocks of other kinds. Throws a NatspkiError that names
 * the file when there is none, or a block is damaged, and `foreign-format` for a known format that is not read.
 * @param source the name of the file, for errors
 */
export function readMaterial(bytes: Buffer, source: string): Material[] {
  if (bytes.length === 0) throw new NatspkiError('empty-file', `"${source}" is empty`);
  const format = foreignFormatOf(bytes);
  if (format !== undefined) throw foreignFormatError(source, format);
  if (!looksLikePem(bytes)) return [fromDer(bytes, source)];
  const blocks = readPem(bytes, source);
  const found = blocks.flatMap((block) => materialOf(block) ?? []);
  if (found.length > 0) return found;
  for (const { label } of blocks) {
    const format = foreignFormatOfLabel(label);
    if (format !== undefined) throw foreignFormatError(source, format);
  }
  throw new NatspkiError('no-material', `no certificate, request, key or revocation list in "${source}"`);
}

/** Reads all material of one kind in a file; throws `wrong-material`, which names the kinds found, when there is none. */
export function readMaterialOf(kind: MaterialKind, bytes: Buffer, source: string): Material[] {
  const found = readMaterial(bytes, source);
  const wanted = found.filter((material) => material.kind === kind);
  if (wanted.length > 0) return wanted;
  throw wrongMaterial(source, found, kindNames[kind]);
}

/** Returns the error for a file with other material than expected. */
export function wrongMaterial(source: string, found: readonly Material[], expected: string): NatspkiError {
  const kinds = [...new Set(found.map((material) => kindNames[material.kind]))].join(' and ');
  return new NatspkiError('wrong-material', `"${source}" holds ${kinds}, expected ${expected}`);
}

/** Runs a reader of DER; turns a DerError into an error `damaged-...` that names the file. */
export function wrapDerErrors<T>(kind: MaterialKind, source: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw damaged(kind, source, error);
  }
}

/** As wrapDerErrors, for a reader that works in slices. */
export async function wrapDerErrorsLater<T>(
  kind: MaterialKind,
  source: string,
  read: () => Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw damaged(kind, source, error);
  }
}

function damaged(kind: MaterialKind, source: string, error: unknown): unknown {
  if (!(error instanceof DerError)) return error;
  return new NatspkiError(
    `damaged-${kind}`,
    `"${source}" is damaged: ${kindNames[kind]} in it cannot be read (${error.message})`,
    { cause: error },
  );
}

/** Reads one PEM block; undefined for one of an unknown kind. */
export function materialOf({ label, der, encrypted }: PemBlock): Material | undefined {
  const byContent = label.endsWith('PRIVATE KEY') && !encrypted ? keyForm(der) : undefined;
  const known = byContent ?? byLabel[label];
  if (known === undefined) return undefined;
  return encrypted ? { ...known, encryption: 'pem' as const, der } : { ...known, der };
}

/** Tells private keys apart by their content, as Go does, which ignores the first words of the label. */
function keyForm(der: Buffer): Omit<Material, 'der'> | undefined {
  try {
    const known = classify(readChildren(readDer(der)));
    return known?.kind === 'private-key' ? known : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function fromDer(bytes: Buffer, source: string): Material {
  try {
    const known = classify(readChildren(readDer(bytes)));
    if (known !== undefined) return { ...known, der: bytes };
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    if (bytes[0] === tags.sequence) {
      throw new NatspkiError('damaged-der', `"${source}" is neither PEM nor whole DER: ${error.message}`);
    }
  }
  throw new NatspkiError(
    'no-material',
    `"${source}" is neither PEM nor DER of a certificate, request or key`,
  );
}

/** Determines the kind of DER from the types of the outermost values. */
function classify(outer: DerValue[]): Omit<Material, 'der'> | undefined {
  const { sequence, integer, bitString, octetString } = tags;
  const shape = outer.map(({ tag }) => tag);
  const is = (...expected: number[]) => expected.every((tag, i) => shape[i] === tag);
  if (is(sequence, sequence, bitString)) return classifySigned(outer);
  if (is(sequence, bitString)) return byLabel['PUBLIC KEY'];
  if (is(sequence, octetString)) return byLabel['ENCRYPTED PRIVATE KEY'];
  if (is(integer, sequence, octetString)) return byLabel['PRIVATE KEY'];
  if (is(integer, octetString)) return byLabel['EC PRIVATE KEY'];
  if (is(integer, integer, integer)) return byLabel['RSA PRIVATE KEY'];
  if (is(integer, integer)) return byLabel['RSA PUBLIC KEY'];
  return undefined;
}

/** Distinguishes the three signed kinds: certificates, requests and revocation lists. */
function classifySigned(outer: DerValue[]): Omit<Material, 'der'> | undefined {
  const shape = readChildren(outer[0]).map(({ tag }) => tag);
  if (shape.length === 4 && shape[0] === tags.integer && shape[3] === 0xa0)
    return byLabel['CERTIFICATE REQUEST'];
  if (shape.slice(2, 4).some((tag) => tag === tags.utcTime || tag === tags.generalizedTime))
    return byLabel.CRL;
  return byLabel.CERTIFICATE;
}
