// Reads certificate revocation lists (RFC 5280 section 5), and verifies who signed them. sign.ts makes them.
import { signatureAlgorithmName, verifySignature } from './algorithm.ts';
import { type Certificate, type Extension, readExtensions } from './certificate.ts';
import { readMaterialOf, wrapDerErrors } from './decode.ts';
import {
  DerError,
  type DerValue,
  expectTag,
  readBitString,
  readChildren,
  readDer,
  readHexInteger,
  readSmallInteger,
  readTime,
  tags,
} from './der.ts';
import { type NameAttribute, readName } from './distinguished-name.ts';

export interface RevokedCertificate {
  /** Lower-case hex. */
  readonly serial: string;
  readonly revokedAt: Date;
  /** As in RFC 5280 section 5.3.1: `keyCompromise`; absent when the list gives none. */
  readonly reason?: string;
}

/** The reasons of RFC 5280 section 5.3.1 by their codes; code 7 is not used. */
export const revocationReasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  '',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const;

const oids = { number: '2.5.29.20', reason: '2.5.29.21', authorityKeyId: '2.5.29.35' } as const;

/** Extensions that change no meaning of a list for its reader. */
const knownExtensions: ReadonlySet<string> = new Set([oids.number, oids.authorityKeyId]);
/** The extensions of an entry that are read; invalidityDate says nothing that matters here. */
const knownEntryExtensions: ReadonlySet<string> = new Set([oids.reason, '2.5.29.24']);

/** The header of a revocation list: its issuer, number and times. */
export class RevocationListHead {
  readonly der: Buffer;
  readonly issuer: readonly NameAttribute[];
  /** The encoded issuer, for comparison. */
  readonly issuerDer: Buffer;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  readonly signatureAlgorithm: string;
  /** The number of the list, which grows with each one of an issuer; undefined when it has none. */
  readonly number: bigint | undefined;
  /** Lower-case hex. */
  readonly authorityKeyId: string | undefined;
  /** The SEQUENCE of entries; undefined in a list without revocations. */
  protected readonly entries: DerValue | undefined;
  /** The object identifiers of unknown critical extensions of the list itself. */
  protected readonly unknownInHead: readonly string[];

  readonly #signed: Buffer;
  readonly #algorithm: DerValue | undefined;
  readonly #signature: Buffer;

  /** Reads DER; throws DerError. */
  constructor(der: Buffer) {
    this.der = der;
    const [tbs, algorithm, signature] = readChildren(readDer(der));
    this.#algorithm = algorithm;
    this.#signature = readBitString(signature);
    const all = readChildren(tbs);
    this.#signed = (tbs as DerValue).raw;
    const isNumbered = all[0]?.tag === tags.integer;
    if (isNumbered && readSmallInteger(all[0]) !== 1) throw new DerError('unknown version');
    const [inner, issuer, thisUpdate, ...rest] = isNumbered ? all.slice(1) : all;
    expectTag(inner, tags.sequence);
    expectTag(algorithm, tags.sequence);
    if (!inner.raw.equals(algorithm.raw)) throw new DerError('two different signature algorithms');
    this.signatureAlgorithm = signatureAlgorithmName(algorithm);
    this.issuer = readName(issuer);
    this.issuerDer = (issuer as DerValue).raw;
    this.thisUpdate = readTime(thisUpdate);
    this.nextUpdate = isTime(rest[0]) ? readTime(rest.shift()) : undefined;
    this.entries = rest[0]?.tag === tags.sequence ? rest.shift() : undefined;
    const extensions = readExtensions(rest[0]?.tag === 0xa0 ? rest.shift() : undefined);
    if (rest.length > 0) throw new DerError('unknown fields');
    const number = extensions.get(oids.number);
    this.number = number && BigInt(`0x${readHexInteger(readDer(number.value))}`);
    const keyId = extensions.get(oids.authorityKeyId);
    this.authorityKeyId =
      keyId &&
      readChildren(readDer(keyId.value))
        .find(({ tag }) => tag === 0x80)
        ?.content.toString('hex');
    this.unknownInHead = unknownCriticalOf(extensions, knownExtensions);
  }

  /** Returns whether `issuer` signed this list and may: checks the name, the key identifiers, the usage and the signature. */
  isSignedBy(issuer: Certificate): boolean {
    if (!this.issuerDer.equals(issuer.subjectDer)) return false;
    const [id, own] = [this.authorityKeyId, issuer.subjectKeyId];
    if (id !== undefined && own !== undefined && id !== own) return false;
    if (!issuer.authority || issuer.keyUsage?.includes('cRLSign') === false) return false;
    try {
      return verifySignature(this.#algorithm, issuer.publicKey, this.#signed, this.#signature);
    } catch {
      // OpenSSL cannot read the key.
      return false;
    }
  }
}

/** A revocation list. The constructor reads all fields, so that a malformed list fails here and not on later use. */
export class RevocationList extends RevocationListHead {
  readonly revoked: readonly RevokedCertificate[];
  /**
   * The object identifiers of unknown critical extensions, of the list or of an entry: it may be partial or of several
   * issuers, and must not be relied on (RFC 5280 section 5.2).
   */
  readonly unknownCritical: readonly string[];

  /** Reads DER; throws DerError. */
  constructor(der: Buffer) {
    super(der);
    const unknown = new Set(this.unknownInHead);
    const entries = this.entries === undefined ? [] : readChildren(this.entries);
    this.revoked = entries.map((entry) => readEntry(entry, unknown));
    this.unknownCritical = [...unknown];
  }
}

/**
 * Reads a revocation list; throws `damaged-revocation-list`.
 * @param source the name of the file, for errors
 */
export function readRevocationList(der: Buffer, source: string): RevocationList {
  return wrapDerErrors('revocation-list', source, () => new RevocationList(der));
}

/**
 * Reads all revocation lists in a file, PEM or DER, in the order of the file. Throws a NatspkiError that names the file
 * when there is none or one is damaged.
 */
export function readRevocationLists(bytes: Buffer, source: string): RevocationList[] {
  return readMaterialOf('revocation-list', bytes, source).map(({ der }) => readRevocationList(der, source));
}

function isTime(value: DerValue | undefined): boolean {
  return value?.tag === tags.utcTime || value?.tag === tags.generalizedTime;
}

function unknownCriticalOf(extensions: ReadonlyMap<string, Extension>, known: ReadonlySet<string>): string[] {
  return [...extensions].flatMap(([oid, { critical }]) => (critical && !known.has(oid) ? [oid] : []));
}

/** Reads one entry; throws DerError. @param unknown receives the unknown critical extensions of the entry */
export function readEntry(entry: DerValue, unknown: Set<string>): RevokedCertificate {
  const [serial, revokedAt, field, ...rest] = readChildren(entry);
  if (rest.length > 0) throw new DerError('unknown fields of an entry');
  const facts = { serial: readHexInteger(serial), revokedAt: readTime(revokedAt) };
  if (field === undefined) return facts;
  // In an entry, unlike in a certificate, no context tag surrounds the extensions.
  const extensions = readExtensions({ tag: tags.sequence, raw: field.raw, content: field.raw });
  for (const oid of unknownCriticalOf(extensions, knownEntryExtensions)) unknown.add(oid);
  const reason = extensions.get(oids.reason);
  if (reason === undefined) return facts;
  const code = readDer(reason.value);
  expectTag(code, 0x0a);
  const number = code.content[0];
  return { ...facts, reason: revocationReasons[number ?? 0] || String(number) };
}
