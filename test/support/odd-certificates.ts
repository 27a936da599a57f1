// Writes certificates byte by byte, also such as no tool makes: malformed, with unusual extensions, out of shape. It uses
// none of the code under test.
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { writeDer } from './der.ts';

const sequence = (...parts: Buffer[]) => writeDer(0x30, ...parts);
const ascii = (text: string) => Buffer.from(text, 'latin1');
/** Writes hex digits. */
export const hex = (digits: string) => Buffer.from(digits.replaceAll(' ', ''), 'hex');

/** Writes an object identifier. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((number) => {
    const digits = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return writeDer(0x06, Buffer.from(bytes));
}

/** Writes an extension. */
export function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [hex('0101ff')] : []), writeDer(0x04, value));
}

/** BasicConstraints; `ca` undefined leaves the field out. */
export function basic(ca?: boolean, pathLength?: number): Buffer {
  const authority = ca === undefined ? [] : [Buffer.of(0x01, 1, ca ? 0xff : 0)];
  const length = pathLength === undefined ? [] : [Buffer.of(0x02, 1, pathLength)];
  return extension('2.5.29.19', sequence(...authority, ...length), true);
}

/** KeyUsage with these bits, 0 for digitalSignature. */
export function keyUsage(...bits: number[]): Buffer {
  const value = bits.reduce((all, bit) => all | (0x8000 >> bit), 0);
  const [high, low] = [value >> 8, value & 0xff];
  const bytes = low > 0 ? [7, high, low] : high > 0 ? [31 - Math.clz32(high & -high), high] : [0];
  return extension('2.5.29.15', writeDer(0x03, Buffer.from(bytes)), true);
}

const purposes: Readonly<Record<string, string>> = {
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
  code: '1.3.6.1.5.5.7.3.3',
  email: '1.3.6.1.5.5.7.3.4',
  any: '2.5.29.37.0',
  unknown: '1.2.3.4.5',
  gated: '1.3.6.1.4.1.311.10.3.3',
};

/** ExtendedKeyUsage with the named purposes. */
export function usage(...names: string[]): Buffer {
  return extension('2.5.29.37', sequence(...names.map((name) => oid(purposes[name] ?? name))));
}

/** A GeneralName: `dns:x`, `email:x`, `uri:x`, `ip:hex`, `dir:x`, `rid:1.2`, `other:x`. */
export function generalName(text: string): Buffer {
  const [kind = '', value = ''] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  switch (kind) {
    case 'email':
      return writeDer(0x81, ascii(value));
    case 'dns':
      return writeDer(0x82, ascii(value));
    case 'uri':
      return writeDer(0x86, ascii(value));
    case 'ip':
      return writeDer(0x87, hex(value));
    case 'dir':
      return writeDer(0xa4, name(value));
    case 'rid':
      return writeDer(0x88, oid(value).subarray(2));
    default:
      return writeDer(0xa0, oid('1.2.3.4'), writeDer(0xa0, writeDer(0x0c, ascii(value))));
  }
}

/** SubjectAltName. */
export const names = (...all: string[]) => extension('2.5.29.17', sequence(...all.map(generalName)));

/** NameConstraints with these general names; those that begin with `!` are excluded. */
export function constraints(...all: string[]): Buffer {
  const subtrees = (tag: number, some: readonly string[]) =>
    some.length === 0 ? [] : [writeDer(tag, ...some.map((one) => sequence(generalName(one))))];
  return extension(
    '2.5.29.30',
    sequence(
      ...subtrees(
        0xa0,
        all.filter((one) => !one.startsWith('!')),
      ),
      ...subtrees(
        0xa1,
        all.filter((one) => one.startsWith('!')).map((one) => one.slice(1)),
      ),
    ),
    true,
  );
}

/** A distinguished name with this common name in a string type, by default UTF8String. */
export function name(commonName: string | Buffer, stringTag = 0x0c): Buffer {
  if (commonName === '') return sequence();
  const value = writeDer(stringTag, Buffer.from(commonName as string));
  return sequence(writeDer(0x31, sequence(oid('2.5.4.3'), value)));
}

/** A certificate with its private key. */
export interface Odd {
  readonly der: Buffer;
  readonly key: KeyObject;
  readonly subject: Buffer;
}

export interface OddOptions {
  /** Self-signed without one. */
  readonly issuer?: Odd;
  /** The common name, or the whole name. */
  readonly subject?: string | Buffer;
  /** Replaces the name of the issuer. */
  readonly issuerName?: Buffer;
  readonly key?: KeyObject;
  readonly extensions?: readonly Buffer[];
  /** Days from now, or an encoded time. */
  readonly from?: number | Buffer;
  readonly until?: number | Buffer;
  /** The content of the INTEGER. */
  readonly serial?: Buffer;
  readonly hash?: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly version?: number;
  /** Replaces the signature algorithm outside. */
  readonly outerAlgorithm?: Buffer;
}

/** Makes a private key on P-256. */
export const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

let made = 0;

/** Makes a certificate, by default of a client that every server accepts. */
export function makeOdd(options: OddOptions = {}): Odd {
  made++;
  const { issuer, key = newKey(), extensions = [basic(), usage('client')], version = 3 } = options;
  const { from = -1, until = 1, hash = 'sha256', serial = Buffer.of(0x10, made >> 8, made & 0xff) } = options;
  const { subject = `odd ${made}` } = options;
  const subjectDer = Buffer.isBuffer(subject) ? subject : name(subject);
  const signer = issuer?.key ?? key;
  const algorithm = algorithmOf(signer, hash);
  const tbs = sequence(
    ...(version === 1 ? [] : [writeDer(0xa0, Buffer.of(0x02, 1, version - 1))]),
    writeDer(0x02, serial),
    algorithm,
    options.issuerName ?? issuer?.subject ?? subjectDer,
    sequence(time(from), time(until)),
    subjectDer,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [writeDer(0xa3, sequence(...extensions))]),
  );
  const isEdwards = signer.asymmetricKeyType === 'ed25519' || signer.asymmetricKeyType === 'ed448';
  const signature = sign(isEdwards ? null : hash, tbs, signer);
  const der = sequence(
    tbs,
    options.outerAlgorithm ?? algorithm,
    writeDer(0x03, Buffer.concat([Buffer.of(0), signature])),
  );
  return { der, key, subject: subjectDer };
}

function time(value: number | Buffer): Buffer {
  if (Buffer.isBuffer(value)) return value;
  const at = new Date(Date.now() + value * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '');
  return at < '2050' ? writeDer(0x17, ascii(at.slice(2))) : writeDer(0x18, ascii(at));
}

/** Writes the AlgorithmIdentifier of a signature. */
export function algorithmOf(key: KeyObject, hash: NonNullable<OddOptions['hash']>): Buffer {
  switch (key.asymmetricKeyType) {
    case 'ec': {
      const ids = { sha1: '1.2.840.10045.4.1', sha256: '1.2.840.10045.4.3.2' } as const;
      const longer = { sha384: '1.2.840.10045.4.3.3', sha512: '1.2.840.10045.4.3.4' } as const;
      return sequence(oid({ ...ids, ...longer }[hash]));
    }
    case 'rsa': {
      const last = { sha1: 5, sha256: 11, sha384: 12, sha512: 13 }[hash];
      return sequence(oid(`1.2.840.113549.1.1.${last}`), hex('0500'));
    }
    case 'dsa':
      return sequence(oid('2.16.840.1.101.3.4.3.2'));
    default:
      return sequence(oid(key.asymmetricKeyType === 'ed448' ? '1.3.101.113' : '1.3.101.112'));
  }
}

/** Writes certificates as PEM. */
export function pemOf(...certificates: readonly { readonly der: Buffer }[]): string {
  return certificates
    .map(({ der }) => {
      const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
    })
    .join('');
}
