// Lists the certificates in an authority's folder, as values for a table.
import { exists } from '../../files/files.ts';
import { given } from '../../given.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { formatSan } from '../../x509/name.ts';
import type { Pin } from '../../x509/pin.ts';
import { dayMs } from './authority.ts';
import type { PairFiles, PkiDirectory } from './directory.ts';
import { type DamagedLeaf, readLeaves } from './leaves.ts';
import { type AuthorityProfile, isAuthority, type LedgerEntry, placeOf } from './ledger.ts';
import type { ProfileName } from './profile.ts';

export interface ListedCertificate {
  /** `ca` for the root and those it replaced, `intermediate` for intermediates. */
  readonly name: string;
  readonly profile: ProfileName | AuthorityProfile | 'retired-authority' | 'unknown';
  /** In the form that parseSan reads: `dns:localhost`. */
  readonly sans: readonly string[];
  readonly keyType: string;
  /** The issuer's common name. */
  readonly issuer: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Whole days until notAfter, rounded down; negative when expired. */
  readonly daysLeft: number;
  /** The fraction of its lifetime that is left, 1 to 0. */
  readonly lifeLeft: number;
  /**
   * Whether it should be renewed: it is in the last third of its lifetime, or expires within the requested window. A leaf
   * that is not valid yet is due as well: it was issued while the clock was ahead.
   */
  readonly due: boolean;
  readonly pin: Pin;
  /** URLs of the OCSP responders and revocation lists that it names. */
  readonly ocspUrls: readonly string[];
  readonly crlUrls: readonly string[];
  readonly certificateFile: string;
  /** Absent when the private key is elsewhere (`issue --csr`). */
  readonly keyFile?: string;
}

export interface Listing {
  readonly certificates: readonly ListedCertificate[];
  /** Leaves without a row, because their files cannot be read. */
  readonly damaged: readonly DamagedLeaf[];
}

interface ListingOptions {
  readonly now?: () => Date;
  /** A certificate is due when it expires within this many milliseconds; default the last third of its lifetime. */
  readonly dueMs?: number;
}

/**
 * Reads every certificate of the folder: the root, intermediates, retired roots, then leaves by name. Throws when one of
 * the authorities cannot be read.
 */
export async function listCertificates(
  directory: PkiDirectory,
  options: ListingOptions = {},
): Promise<Listing> {
  await directory.recover();
  const [root, ...retired] = await directory.readBundle();
  const { entries } = await directory.ledger.read();
  const profiles = new Map(entries.map(({ serial, profile }) => [serial, profile]));
  const { now = () => new Date(), dueMs } = options;
  const at = now();
  const { authorityPair, intermediatePair } = directory;
  const authorities = [
    rowOf(root, existingFiles(authorityPair), 'authority', at, dueMs),
    ...(await directory.readIntermediates()).map((certificate, i) =>
      rowOf(
        certificate,
        i === 0 ? existingFiles(intermediatePair) : withoutKeyFile(intermediatePair),
        'intermediate',
        at,
        dueMs,
      ),
    ),
    ...retired.map((each) => rowOf(each, withoutKeyFile(authorityPair), 'retired-authority', at, dueMs)),
  ];
  const { chains, damaged } = await readLeaves(directory);
  const leaves = [...chains].map(([name, [certificate]]) => {
    const profile = profiles.get(certificate.serial) ?? profileByPurpose(certificate);
    return rowOf(certificate, existingFiles(directory.pair(name)), profile, at, dueMs);
  });
  return { certificates: [...authorities, ...leaves], damaged };
}

/** A certificate whose files were written into another folder, as the ledger knows it. */
export type ElsewhereCertificate = Pick<
  ListedCertificate,
  'name' | 'sans' | 'keyType' | 'serial' | 'notAfter' | 'daysLeft' | 'due'
> & { readonly profile: LedgerEntry['profile']; readonly folder: string };

/** Lists the certificates that `issue --out` has written last into other folders and that are neither revoked nor expired. */
export async function listElsewhere(
  directory: PkiDirectory,
  { now = () => new Date(), dueMs }: ListingOptions = {},
): Promise<ElsewhereCertificate[]> {
  const { entries, revocations } = await directory.ledger.read();
  const latest = new Map(
    entries.flatMap((entry) =>
      entry.folder === undefined ? [] : [[placeOf(entry), { ...entry, folder: entry.folder }]],
    ),
  );
  const at = now().getTime();
  return [...latest.values()].flatMap(({ name, profile, sans, keyType, serial, folder, ...times }) => {
    const notAfter = new Date(times.notAfter);
    const left = notAfter.getTime() - at;
    if (left <= 0 || revocations.has(serial)) return [];
    const due = left <= (dueMs ?? (notAfter.getTime() - Date.parse(times.notBefore)) / 3);
    const daysLeft = Math.floor(left / dayMs);
    return [{ name, profile, sans, keyType, serial, folder, notAfter, daysLeft, due }];
  });
}

/** A revoked certificate. */
export interface RevokedRow {
  readonly name: string;
  /** Absent, as notAfter, when the ledger does not have the certificate. */
  readonly profile?: LedgerEntry['profile'];
  /** Lower-case hex. */
  readonly serial: string;
  readonly revokedAt: Date;
  readonly reason?: string;
  readonly notAfter?: Date;
}

/** Lists the revoked certificates, the newest revocation first. */
export async function listRevoked(directory: PkiDirectory): Promise<RevokedRow[]> {
  await directory.recover();
  await directory.readBundle();
  const { entries, revocations } = await directory.ledger.read();
  const issued = new Map(entries.map((entry) => [entry.serial, entry]));
  return [...revocations.values()].reverse().map(({ name, revoked: serial, time, reason }) => {
    const entry = issued.get(serial);
    const notAfter = entry && new Date(entry.notAfter);
    return {
      name,
      serial,
      revokedAt: new Date(time),
      ...given({ profile: entry?.profile, reason, notAfter }),
    };
  });
}

/** Returns the files of a pair without the key file, for a key that is elsewhere. */
export function withoutKeyFile({ keyFile: _, ...files }: PairFiles): Omit<PairFiles, 'keyFile'> {
  return files;
}

/** Returns the files of a pair, without the key file if it does not exist. */
export function existingFiles(pair: PairFiles): Omit<PairFiles, 'keyFile'> & { keyFile?: string } {
  return exists(pair.keyFile) ? pair : withoutKeyFile(pair);
}

/** Returns the names of the readable leaves by serial number. */
export async function leavesBySerial(directory: PkiDirectory): Promise<Map<string, string>> {
  const { chains } = await readLeaves(directory);
  return new Map([...chains].map(([name, [{ serial }]]) => [serial, name]));
}

/** Returns whether a row is that of an authority, current or retired. */
export function isAnyAuthority(profile: ListedCertificate['profile']): boolean {
  return isAuthority(profile) || profile === 'retired-authority';
}

/** Returns the row of a certificate. */
export function rowOf(
  certificate: Certificate,
  files: Omit<PairFiles, 'keyFile'> & { keyFile?: string },
  profile: ListedCertificate['profile'],
  now: Date,
  dueMs?: number,
): ListedCertificate {
  const { notBefore, notAfter } = certificate;
  const life = notAfter.getTime() - notBefore.getTime();
  const left = notAfter.getTime() - now.getTime();
  return {
    name: files.name,
    profile,
    sans: certificate.sans.map(formatSan),
    keyType: certificate.keyType,
    issuer: certificate.issuerCommonName,
    serial: certificate.serial,
    notBefore,
    notAfter,
    daysLeft: Math.floor(left / dayMs),
    lifeLeft: Math.min(1, Math.max(0, left / life)),
    due: left <= (dueMs ?? life / 3) || (now < notBefore && !isAnyAuthority(profile)),
    pin: certificate.pin,
    ocspUrls: certificate.addresses.ocsp,
    crlUrls: certificate.addresses.crl,
    certificateFile: files.certificateFile,
    ...given({ keyFile: files.keyFile }),
  };
}

/** Guesses the profile from the extended key usage; route, gateway and leafnode certificates have the same. */
export function profileByPurpose({ extendedKeyUsage }: Certificate): ListedCertificate['profile'] {
  const server = extendedKeyUsage?.includes('serverAuth');
  const client = extendedKeyUsage?.includes('clientAuth');
  if (server === client) return 'unknown';
  return server ? 'server' : 'client';
}
