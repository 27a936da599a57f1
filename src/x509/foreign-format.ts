// Names the formats that hold certificates and keys and that neither servers nor this program read, with a command that
// converts them. Looks at the first bytes and at PEM labels only.
import { NatspkiError } from '../errors.ts';

interface ForeignFormat {
  readonly name: string;
  /** A command that writes `new.pem`, given the quoted name of the file. */
  readonly convert: (file: string) => string;
}

const utf16 = (encoding: string): ForeignFormat => ({
  name: 'text in UTF-16',
  convert: (file) => `iconv -f ${encoding} -t ASCII ${file} > new.pem`,
});

const pkcs12: ForeignFormat = {
  name: 'PKCS#12',
  convert: (file) => `openssl pkcs12 -in ${file} -nodes -out new.pem`,
};

const pkcs7 = (form: 'PEM' | 'DER'): ForeignFormat => ({
  name: 'PKCS#7',
  convert: (file) => `openssl pkcs7 -inform ${form} -print_certs -in ${file} -out new.pem`,
});

const keyStore: ForeignFormat = {
  name: 'a Java key store',
  convert: (file) =>
    `keytool -importkeystore -srckeystore ${file} -destkeystore new.p12 -deststoretype PKCS12`,
};

const byLabel: Readonly<Record<string, ForeignFormat>> = {
  PKCS7: pkcs7('PEM'),
  CMS: { name: 'CMS', convert: (file) => `openssl pkcs7 -print_certs -in ${file} -out new.pem` },
  'TRUSTED CERTIFICATE': {
    name: 'a TRUSTED CERTIFICATE',
    convert: (file) => `openssl x509 -in ${file} -out new.pem`,
  },
  'OPENSSH PRIVATE KEY': {
    name: 'an OpenSSH key',
    convert: (file) => `ssh-keygen -p -m PKCS8 -N "" -f ${file}`,
  },
};

/** Names the format of a PEM block by its label; undefined for one that is read, or unknown. */
export function foreignFormatOfLabel(label: string): ForeignFormat | undefined {
  return byLabel[label];
}

/** Names the format of a whole file by its first bytes; undefined for PEM, DER and what is unknown. */
export function foreignFormatOf(bytes: Buffer): ForeignFormat | undefined {
  const head = bytes.subarray(0, 24).toString('hex');
  if (/^fffe|^feff/.test(head)) return utf16('UTF-16');
  if (bytes.includes(Buffer.from('-----BEGIN ', 'utf16le'))) {
    // Every other byte is zero: in little-endian the odd ones.
    const at = bytes.indexOf(Buffer.from('-----BEGIN', 'utf16le'));
    return utf16(at % 2 === 0 ? 'UTF-16LE' : 'UTF-16BE');
  }
  if (/^feedfeed|^cececece/.test(head)) return keyStore;
  // A SEQUENCE with a length in any form, BER included, and what it begins with.
  const content = /^30(?:80|[0-7].|81..|82.{4}|83.{6}|84.{8})(.*)$/.exec(head)?.[1] ?? '';
  if (content.startsWith('02010330')) return pkcs12;
  if (content.startsWith('06092a864886f70d010702')) return pkcs7('DER');
  return undefined;
}

/** Returns whether a file begins as PKCS#12 does. */
export function isPkcs12(bytes: Buffer): boolean {
  return foreignFormatOf(bytes) === pkcs12;
}

/** Makes the error for a file, or the only block of it, in a format that is not read. */
export function foreignFormatError(source: string, format: ForeignFormat): NatspkiError {
  return new NatspkiError('foreign-format', `"${source}" is ${format.name}, expected PEM`, {
    hint: format.convert(`"${source}"`),
  });
}
