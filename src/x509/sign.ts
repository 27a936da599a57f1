// The making of certificates by the profile of RFC 5280, in the DER that der.ts writes. @peculiar/x509 makes the same ones,
// byte for byte (sign-compared.test.ts), and takes longer to load than a small command takes from start to end.
import { createHash, type KeyObject, sign as signNow } from 'node:crypto';
import { NatspkiError } from '../errors.ts';
import { Certificate } from './certificate.ts';
import {
  readBitString,
  readChildren,
  readDer,
  tags,
  writeDer,
  writeFlags,
  writeInteger,
  writeOid,
  writeTime,
} from './der.ts';
import { writeCommonName } from './distinguished-name.ts';
import { keyTypeOf, keyTypes } from './key.ts';
import { type San, writeGeneralNames } from './name.ts';

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

/** How an issuer signs. */
interface Scheme {
  /** What its certificates say of it: a DER AlgorithmIdentifier (RFC 5758, 8410, 4055). */
  readonly algorithm: Buffer;
  /** What node calls the hash; null where the scheme has its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
}

/** Signs certificates with one issuer's key. Make one and keep it: what all its certificates share is written once. */
export class Signer {
  /** A DER Name. */
  readonly #issuer: Buffer;
  readonly #authorityKeyId: Buffer;
  readonly #scheme: Scheme;
  readonly #key: KeyObject;
  readonly #random: (size: number) => Buffer;
  readonly #alike = new Map<string, Buffer>();

  private constructor(issuer: Buffer, keyId: Buffer, key: KeyObject, random: (size: number) => Buffer) {
    this.#issuer = issuer;
    this.#authorityKeyId = extension('2.5.29.35', sequence(writeDer(context(0), keyId)));
    this.#scheme = schemeOf(key);
    this.#key = key;
    this.#random = random;
  }

  /** @param random gives that many random bytes, for serial numbers */
  static of(issuer: Certificate, key: KeyObject, random: (size: number) => Buffer): Signer {
    const { subjectKeyId, spki, subjectDer } = issuer;
    const keyId = subjectKeyId === undefined ? keyIdOf(spki) : Buffer.from(subjectKeyId, 'hex');
    return new Signer(subjectDer, keyId, key, random);
  }

  /** Makes a self-signed authority. */
  static selfSigned(
    contents: AuthorityContents,
    key: KeyObject,
    random: (size: number) => Buffer,
  ): Certificate {
    const keyId = keyIdOf(spkiOf(contents.publicKey));
    return new Signer(subjectOf(contents), keyId, key, random).authority(contents);
  }

  /** Signs a certificate of a server or a client. */
  leaf(contents: LeafContents): Certificate {
    const { sans } = contents;
    const names = sans.length === 0 ? [] : [extension('2.5.29.17', writeGeneralNames(sans))];
    return this.#certify(contents, [this.#leafExtensions(contents), ...names]);
  }

  /** Gives what many leaves have alike, written once. */
  #leafExtensions({ publicKey, purposes }: LeafContents): Buffer {
    const usages: number[] = [usageBits.digitalSignature];
    // RSA key exchange in TLS 1.2 encrypts to the server's key; clientAuth does not go with it (RFC 5280 section 4.2.1.12).
    if (publicKey.asymmetricKeyType === 'rsa' && purposes.includes('serverAuth')) {
      usages.push(usageBits.keyEncipherment);
    }
    const which = [...usages, ...purposes].join(' ');
    const known = this.#alike.get(which);
    if (known !== undefined) return known;
    const made = Buffer.concat([
      extension('2.5.29.19', sequence(), true),
      extension('2.5.29.15', writeFlags(usages), true),
      extension('2.5.29.37', sequence(...purposes.map((purpose) => writeOid(purposeIds[purpose])))),
    ]);
    this.#alike.set(which, made);
    return made;
  }

  /** Signs a certificate of an authority. */
  authority(contents: AuthorityContents): Certificate {
    const constraints = sequence(yes, writeInteger(contents.pathLength));
    return this.#certify(contents, [
      extension('2.5.29.19', constraints, true),
      extension('2.5.29.15', writeFlags([usageBits.keyCertSign, usageBits.cRLSign]), true),
    ]);
  }

  #certify(contents: Contents, extensions: readonly Buffer[]): Certificate {
    const { publicKey, notBefore, notAfter } = contents;
    const { algorithm, hash } = this.#scheme;
    const spki = spkiOf(publicKey);
    const subjectKeyId = extension('2.5.29.14', writeDer(tags.octetString, keyIdOf(spki)));
    const signed = sequence(
      version3,
      serialNumber(this.#random),
      algorithm,
      this.#issuer,
      sequence(writeTime(notBefore), writeTime(notAfter)),
      subjectOf(contents),
      spki,
      writeDer(constructed(3), sequence(...extensions, subjectKeyId, this.#authorityKeyId)),
    );
    const signature = writeDer(tags.bitString, Buffer.of(0), signNow(hash, signed, this.#key));
    return new Certificate(sequence(signed, algorithm, signature), publicKey);
  }
}

/** RFC 5280 section 4.2.1.12. */
const purposeIds = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const;

/** The numbers of the bits (RFC 5280 section 4.2.1.3). */
const usageBits = { digitalSignature: 0, keyEncipherment: 2, keyCertSign: 5, cRLSign: 6 } as const;

const context = (number: number) => 0x80 | number;
const constructed = (number: number) => 0xa0 | number;
const sequence = (...parts: Buffer[]) => writeDer(tags.sequence, ...parts);
const yes = writeDer(tags.boolean, Buffer.of(0xff));
const version3 = writeDer(constructed(0), writeInteger(2));

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(writeOid(id), ...(critical ? [yes] : []), writeDer(tags.octetString, value));
}

function subjectOf({ commonName, subjectDer }: Contents): Buffer {
  return subjectDer ?? writeCommonName(commonName);
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
function serialNumber(random: (size: number) => Buffer): Buffer {
  const bytes = Buffer.from(random(20));
  bytes[0] = (bytes[0] as number) & 0x7f;
  // DER writes a number without the zeros in front of it, but for one that keeps it positive.
  let from = bytes.findIndex((byte) => byte !== 0);
  if (from === -1) from = bytes.length - 1;
  if (from > 0 && (bytes[from] as number) & 0x80) from--;
  return writeDer(tags.integer, bytes.subarray(from));
}

function schemeOf(key: KeyObject): Scheme {
  const scheme = (id: string, hash: Scheme['hash'], ...parameters: Buffer[]): Scheme => ({
    algorithm: sequence(writeOid(id), ...parameters),
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
      if (key.asymmetricKeyType === 'rsa') {
        return scheme('1.2.840.113549.1.1.11', 'sha256', writeDer(tags.null));
      }
      throw new NatspkiError(
        'wrong-key-type',
        `an authority cannot sign with a key of type ${type}, expected one of ${keyTypes.join(', ')}`,
      );
  }
}
