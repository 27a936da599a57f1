// What is in an authority's folder, as values for a table.
import { exists } from '../../files/files.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { formatSan } from '../../x509/name.ts';
import type { Pin } from '../../x509/pin.ts';
import { dayMs } from './authority.ts';
import type { PairFiles, PkiDirectory } from './directory.ts';
import { type DamagedLeaf, readLeaves } from './leaves.ts';
import { type AuthorityProfile, isAuthority } from './ledger.ts';
import type { ProfileName } from './profile.ts';

export interface ListedCertificate {
  /** `ca` for the root and those it succeeded, `intermediate` for what signs below it. */
  readonly name: string;
  readonly profile: ProfileName | AuthorityProfile | 'retired-authority' | 'unknown';
  /** As parseSan reads them: `dns:localhost`. */
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
  /** How much of its life is left, 1 to 0. */
  readonly lifeLeft: number;
  /**
   * Whether it should be renewed: in the last third of its life, or within the window asked for; a leaf also when its life
   * has not begun, because it was issued while the clock was ahead.
   */
  readonly due: boolean;
  readonly pin: Pin;
  readonly certificateFile: string;
  /** Absent when the key stays where it was made (`issue --csr`). */
  readonly keyFile?: string;
}

export interface Listing {
  readonly certificates: readonly ListedCertificate[];
  /** Leaves that have no row, because their files cannot be read. */
  readonly damaged: readonly DamagedLeaf[];
}

interface ListingOptions {
  readonly now?: () => Date;
  /** What is due: expires within this many milliseconds; default the last third of its life. */
  readonly dueMs?: number;
}

/**
 * Reads every certificate of the folder: the root, what signs below it, those that the root succeeded, then leaves by
 * name; throws where one of the authorities cannot be read.
 */
export async function listCertificates(
  directory: PkiDirectory,
  options: ListingOptions = {},
): Promise<Listing> {
  await directory.settle();
  const [root, ...retired] = await directory.readBundle();
  const { entries } = await directory.ledger.read();
  const profiles = new Map(entries.map(({ serial, profile }) => [serial, profile]));
  const { now = () => new Date(), dueMs } = options;
  const at = now();
  const { authorityPair, intermediatePair } = directory;
  const authorities = [
    describe(root, present(authorityPair), 'authority', at, dueMs),
    ...(await directory.readIntermediates()).map((certificate, i) =>
      describe(
        certificate,
        i === 0 ? present(intermediatePair) : withoutKey(intermediatePair),
        'intermediate',
        at,
        dueMs,
      ),
    ),
    ...retired.map((each) => describe(each, withoutKey(authorityPair), 'retired-authority', at, dueMs)),
  ];
  const { chains, damaged } = await readLeaves(directory);
  const leaves = [...chains].map(([name, [certificate]]) => {
    const profile = profiles.get(certificate.serial) ?? profileByPurpose(certificate);
    return describe(certificate, present(directory.pair(name)), profile, at, dueMs);
  });
  return { certificates: [...authorities, ...leaves], damaged };
}

/** Names the files of a pair without its key, for one whose key is elsewhere. */
export function withoutKey({ keyFile: _, ...files }: PairFiles): Omit<PairFiles, 'keyFile'> {
  return files;
}

/** Names the files of a pair, without its key where that is not there. */
export function present(pair: PairFiles): Omit<PairFiles, 'keyFile'> & { keyFile?: string } {
  return exists(pair.keyFile) ? pair : withoutKey(pair);
}

/** Gives the names of the leaves that can be read, by their serial numbers. */
export async function leavesBySerial(directory: PkiDirectory): Promise<Map<string, string>> {
  const { chains } = await readLeaves(directory);
  return new Map([...chains].map(([name, [{ serial }]]) => [serial, name]));
}

/** Tells the rows of what signs others from those of leaves. */
export function signsOthers(profile: ListedCertificate['profile']): boolean {
  return isAuthority(profile) || profile === 'retired-authority';
}

/** Makes the row of one certificate. */
export function describe(
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
    due: left <= (dueMs ?? life / 3) || (now < notBefore && !signsOthers(profile)),
    pin: certificate.pin,
    certificateFile: files.certificateFile,
    ...(files.keyFile === undefined ? {} : { keyFile: files.keyFile }),
  };
}

/** Tells a profile by what a certificate may do; those for both directions look alike. */
function profileByPurpose({ extendedKeyUsage }: Certificate): ListedCertificate['profile'] {
  const server = extendedKeyUsage?.includes('serverAuth');
  const client = extendedKeyUsage?.includes('clientAuth');
  if (server === client) return 'unknown';
  return server ? 'server' : 'client';
}
