// Reads the PEM files of a tls block as Go does (crypto/tls, X509KeyPair; crypto/x509, AppendCertsFromPEM), so that a file
// means the same to this broker and to nats-server. What Go skips without a word is reported here.
import { NatspkiError } from '../errors.ts';
import { Certificate } from '../x509/certificate.ts';
import {
  type Material,
  type MaterialKind,
  materialOf,
  readMaterial,
  readMaterialOf,
  wrapDerErrors,
} from '../x509/decode.ts';
import { DerError } from '../x509/der.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { foreignFormatError, foreignFormatOf, foreignFormatOfLabel } from '../x509/foreign-format.ts';
import { type GoVerdict, judgeAsGo } from '../x509/go-rules.ts';
import { looksLikePem, type PemBlock, type PemFlaw, readPem } from '../x509/pem.ts';

/** A part of a file that servers skip. */
export interface Skipped {
  /** One line that names the file. */
  readonly message: string;
  readonly hint?: string;
}

export interface ReadCertificate {
  readonly certificate: Certificate;
  readonly verdict: GoVerdict;
}

const flaws: Readonly<Record<PemFlaw, readonly [reason: string, command: (file: string) => string]>> = {
  'byte-order-mark': [
    'a byte order mark (BOM) stands before it',
    (file) => `sed -i 's/\\xEF\\xBB\\xBF//' ${file}`,
  ],
  'carriage-return': [
    'its lines end in a carriage return alone',
    (file) => `tr '\\r' '\\n' < ${file} > new.pem`,
  ],
  indented: ['its BEGIN line is indented', (file) => `sed -i 's/^[ \\t]*//' ${file}`],
  'same-line': ['BEGIN is on the same line as other text', (file) => `sed -i 's/-----BEGIN/\\n&/' ${file}`],
  'text-after-end': [
    'other text follows on its END line',
    (file) => `sed -i -E 's/-----END [A-Z0-9 ]+-----/&\\n/' ${file}`,
  ],
};

/**
 * Reads the certificates of a cert_file, the leaf first. Throws a NatspkiError when Go finds no certificate, or its first
 * block is one that Go skips: the next one would take its place.
 */
export function readServerChain(
  bytes: Buffer,
  file: string,
): { chain: [Certificate, ...Certificate[]]; skipped: Skipped[]; verdicts: GoVerdict[] } {
  const blocks = blocksOf(bytes, file, 'certificate').filter(mayBeCertificate);
  const seen = blocks.filter((block) => faultOf(block) === undefined);
  const [first] = blocks;
  if (first === undefined) readMaterialOf('certificate', bytes, file);
  if (first !== undefined && first !== seen[0]) throw refusal(first, file);
  const chain = wrapDerErrors('certificate', file, () => seen.map(({ der }) => new Certificate(der)));
  const [leaf] = chain as [Certificate];
  const verdicts = chain.map(judgeAsGo);
  const fault = verdicts[0]?.rejected ?? (isTlsKey(leaf) ? undefined : verdicts[0]?.unusable);
  if (fault !== undefined) {
    throw new NatspkiError(
      'unusable-certificate',
      `nats-server rejects certificate ${formatName(leaf.subject)} in "${file}": ${fault}`,
      { hint: 'natspki issue server NAME --san dns:HOST' },
    );
  }
  return { chain: chain as [Certificate, ...Certificate[]], skipped: skippedOf(blocks, file), verdicts };
}

/** Whether Go loads the key of a leaf, although some are of no use in TLS. */
function isTlsKey({ keyType }: Certificate): boolean {
  return keyType === 'secp224r1';
}

/** Reads the authorities of a ca_file. Throws a NatspkiError when Go finds none. */
export function readTrusted(
  bytes: Buffer,
  file: string,
): { authorities: ReadCertificate[]; skipped: Skipped[] } {
  const blocks = blocksOf(bytes, file, 'certificate').filter(mayBeCertificate);
  if (blocks.length === 0) readMaterialOf('certificate', bytes, file);
  const authorities: ReadCertificate[] = [];
  const skipped: Skipped[] = [];
  let refused: NatspkiError | undefined;
  for (const block of blocks) {
    if (faultOf(block) !== undefined || block.hasHeaders) {
      refused ??= refusal(block, file);
      skipped.push(skip(block, file));
      continue;
    }
    try {
      const certificate = new Certificate(block.der);
      const verdict = judgeAsGo(certificate);
      if (verdict.rejected === undefined) {
        authorities.push({ certificate, verdict });
        continue;
      }
      const message = `nats-server skips certificate ${formatName(certificate.subject)} in "${file}": ${verdict.rejected}`;
      refused ??= new NatspkiError('unusable-certificate', message, {
        hint: 'natspki rotate --ca adds a new authority next to it',
      });
      skipped.push({ message });
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      refused ??= new NatspkiError(
        'damaged-certificate',
        `"${file}" is damaged: a certificate in it cannot be read (${error.message})`,
      );
      skipped.push({
        message: `nats-server skips the certificate on line ${block.line} of "${file}": it cannot be read (${error.message})`,
      });
    }
  }
  if (authorities.length === 0 && refused !== undefined) throw refused;
  return { authorities, skipped };
}

/** Finds the private key of a key_file: the first of any kind. Throws a NatspkiError when Go finds none. */
export function readServerKey(bytes: Buffer, file: string): Material {
  const blocks = blocksOf(bytes, file, 'private-key').filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const seen = blocks.find(({ flaw }) => flaw === undefined);
  if (seen !== undefined) {
    const material = materialOf(seen);
    if (material !== undefined) return material;
    const format = foreignFormatOfLabel(seen.label);
    if (format !== undefined) throw foreignFormatError(file, format);
    throw new NatspkiError(
      'damaged-private-key',
      `"${file}" is damaged: the ${seen.label} block on line ${seen.line} is no private key`,
    );
  }
  const [skipped] = blocks;
  if (skipped !== undefined) throw refusal(skipped, file);
  return readMaterialOf('private-key', bytes, file)[0] as Material;
}

/** Reads the PEM blocks of a file; throws for a file in another format, and for DER. */
function blocksOf(bytes: Buffer, file: string, kind: MaterialKind): PemBlock[] {
  if (bytes.length > 0 && foreignFormatOf(bytes) === undefined && looksLikePem(bytes)) {
    return readPem(bytes, file);
  }
  // Throws for everything but DER.
  readMaterial(bytes, file);
  const tool = kind === 'private-key' ? 'pkey' : 'x509';
  throw new NatspkiError('foreign-format', `"${file}" is DER, and servers read PEM only`, {
    hint: `openssl ${tool} -inform DER -in "${file}" -out new.pem`,
  });
}

/** Whether the author of a file meant a block as a certificate. */
function mayBeCertificate({ label }: PemBlock): boolean {
  return ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE', 'PKCS7', 'CMS'].includes(label);
}

function skippedOf(blocks: readonly PemBlock[], file: string): Skipped[] {
  return blocks.filter((block) => faultOf(block) !== undefined).map((block) => skip(block, file));
}

/** Says why Go skips a block that was meant as a certificate or key, and how to mend it. */
function faultOf({ label, flaw }: PemBlock): readonly [string, (file: string) => string] | undefined {
  if (flaw !== undefined) return flaws[flaw];
  if (label === 'CERTIFICATE' || label.endsWith('PRIVATE KEY')) return undefined;
  const convert =
    label === 'X509 CERTIFICATE'
      ? (file: string) => `sed -i 's/X509 CERTIFICATE/CERTIFICATE/' ${file}`
      : foreignFormatOfLabel(label)?.convert;
  const name = label === 'PKCS7' ? 'PKCS#7' : `labeled ${label}`;
  return [
    `it is ${name}, expected CERTIFICATE`,
    convert ?? ((file) => `openssl x509 -in ${file} -out new.pem`),
  ];
}

function skip(block: PemBlock, file: string): Skipped {
  const [reason, command] = faultOf(block) ?? headers;
  return {
    message: `nats-server skips the ${block.label} block on line ${block.line} of "${file}": ${reason}`,
    hint: command(`"${file}"`),
  };
}

const headers = ['it has header lines', (file: string) => `openssl x509 -in ${file} -out new.pem`] as const;

function refusal(block: PemBlock, file: string): NatspkiError {
  const { message, hint } = skip(block, file);
  const isForeign = block.flaw === undefined && !block.hasHeaders;
  return new NatspkiError(isForeign ? 'foreign-format' : 'malformed-pem', message, hint ? { hint } : {});
}
