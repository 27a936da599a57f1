// Revokes leaf certificates: finds the keys to lock out and the keys of the same profile that stay, and records it in the
// ledger. nats-server reads no revocation list, so the caller locks the keys out; lists.ts writes the list for others.
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import { nearest } from '../../suggest.ts';
import type { Pin } from '../../x509/pin.ts';
import { checkName, type PkiDirectory } from '../store/directory.ts';
import type { LedgerEntry, Revocation } from '../store/ledger.ts';
import {
  isAnyAuthority,
  type ListedCertificate,
  leavesBySerial,
  listCertificates,
} from '../store/listing.ts';
import type { ProfileName } from '../store/profile.ts';

/** The profiles whose certificates a server accepts from its peers. */
export type PeerProfile = Exclude<ProfileName, 'server'>;

const peerProfiles: readonly PeerProfile[] = ['client', 'route', 'gateway', 'leafnode'];

export interface RevokedCertificate {
  readonly name: string;
  readonly profile: ProfileName;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notAfter: Date;
  readonly pin: Pin;
  /** Whether it names an OCSP responder. */
  readonly ocsp: boolean;
}

/** The reasons for which a leaf can be revoked for good (RFC 5280 section 5.3.1). */
export const leafReasons = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
] as const;
export type LeafReason = (typeof leafReasons)[number];

/** The pin of a certificate that stays valid. */
export interface NamedPin {
  readonly name: string;
  readonly pin: Pin;
}

export interface RevocationPlan {
  /** All unexpired certificates issued under the names: servers accept one that `rotate` replaced until it expires. */
  readonly certificates: readonly RevokedCertificate[];
  /** The keys to lock out. */
  readonly out: ReadonlySet<Pin>;
  /** The keys of all other unexpired certificates, by profile; empty for a profile that has none. */
  readonly others: ReadonlyMap<PeerProfile, readonly NamedPin[]>;
  readonly notices: readonly string[];
}

interface RevokeOptions {
  readonly directory: PkiDirectory;
  readonly names: readonly string[];
  /** Spares the newest certificate of each name: only those that it replaced are revoked. */
  readonly replaced?: boolean;
  readonly now?: () => Date;
}

/**
 * Plans a revocation and changes nothing. Throws `no-certificate` for a name without an unexpired certificate, and with
 * `replaced` for one without an unexpired certificate that was replaced.
 */
export async function planRevocation(options: RevokeOptions): Promise<RevocationPlan> {
  const { directory, now = () => new Date() } = options;
  await directory.recover();
  directory.refuseMember();
  await directory.readBundle();
  return plan(options, now());
}

/**
 * Records the revocation in the ledger and moves the pairs to the archive, so that nothing renews them. A certificate that
 * was revoked before is locked out again, without a second record. Throws as planRevocation does.
 * @param lockOut locks the keys out of servers; nothing is recorded when it throws
 */
export async function revokeCertificates(
  options: RevokeOptions & {
    readonly lockOut: (plan: RevocationPlan) => Promise<void>;
    /** Returns whether a configuration names a file: the pair then stays, so that the server still starts. */
    readonly isInUse?: (file: string) => boolean;
    readonly reason?: LeafReason;
  },
): Promise<RevocationPlan> {
  const { directory, names, replaced = false, lockOut, isInUse = () => false, reason } = options;
  const { now: clock = () => new Date() } = options;
  await planRevocation(options);
  return directory.exclusive(async () => {
    const now = clock();
    const planned = await plan(options, now);
    await lockOut(planned);
    const { revocations } = await directory.ledger.read();
    const entries = planned.certificates
      .filter(({ serial }) => !revocations.has(serial))
      .map(
        ({ serial, name }): Revocation => ({
          time: now.toISOString(),
          revoked: serial,
          name,
          ...given({ reason }),
        }),
      );
    const present = new Set((await directory.contents()).certificates);
    const retired = names
      .filter((name) => !replaced && present.has(name))
      .map((name) => directory.pair(name))
      .filter(({ certificateFile, keyFile }) => !isInUse(certificateFile) && !isInUse(keyFile));
    if (entries.length + retired.length > 0) await directory.write({ entries, retired }, now);
    return { ...planned, notices: [...directory.takeRecoveryNotices(), ...planned.notices] };
  });
}

/** The facts about a certificate from the ledger, or from its file. */
type Known = Pick<LedgerEntry, 'name' | 'serial' | 'pin' | 'notAfter' | 'ocsp'> &
  Pick<ListedCertificate, 'profile'>;

async function plan(
  { directory, names, replaced = false }: RevokeOptions,
  now: Date,
): Promise<RevocationPlan> {
  for (const name of names) checkName(name);
  const { revocations, damagedLines } = await directory.ledger.read();
  const alive = (await knownLeaves(directory)).filter(({ notAfter }) => new Date(notAfter) > now);
  const inFolder = replaced ? await leavesBySerial(directory) : new Map();
  const spared: Known[] = [];
  const certificates = [...new Set(names)].flatMap((name) => {
    const named = alive.filter((each) => each.name === name);
    if (named.length === 0) throw noCertificate(name, alive);
    if (!replaced) return named.map(revocable);
    const newest = named.find(({ serial }) => inFolder.get(serial) === name) ?? (named.at(-1) as Known);
    spared.push(newest);
    const old = named.filter(({ serial }) => serial !== newest.serial);
    if (old.length === 0) throw noneReplaced(name);
    return old.map(revocable);
  });
  const out = new Set(certificates.map(({ pin }) => pin));
  const kept = spared.filter(({ pin }) => out.delete(pin as Pin));
  const stays = ({ serial, pin }: Known) => !revocations.has(serial) && !out.has(pin as Pin);
  const others = new Map<PeerProfile, NamedPin[]>();
  for (const profile of peerProfiles) {
    const alike = alive.filter((each) => profileOf(each) === profile && stays(each));
    // A key that was kept in a rotation has several certificates.
    const byPin = new Map(alike.map(({ name, pin }) => [pin, { name, pin: pin as Pin }]));
    others.set(profile, [...byPin.values()]);
  }
  const notices = [
    ...kept.map(
      ({ name }) => `the newest certificate of "${name}" has the key of one before it: its pin stays`,
    ),
    ...damagedLines.map(
      (line) =>
        `line ${line} of the ledger is damaged: a certificate recorded there is not locked out, see \`natspki verify\``,
    ),
  ];
  return { certificates, out, others, notices };
}

/** Lists every leaf that was ever issued, and the leaves in the folder that are missing from the ledger. */
async function knownLeaves(directory: PkiDirectory): Promise<Known[]> {
  const { entries } = await directory.ledger.read();
  const recorded = new Set(entries.map(({ serial }) => serial));
  const { certificates } = await listCertificates(directory);
  const lost = certificates
    .filter(({ serial }) => !recorded.has(serial))
    .map(({ ocspUrls, ...row }) => ({
      ...row,
      notAfter: row.notAfter.toISOString(),
      ...(ocspUrls.length > 0 && { ocsp: true as const }),
    }));
  return [...entries, ...lost].filter(({ profile }) => !isAnyAuthority(profile));
}

/** Treats a certificate for servers and clients that the ledger does not have as a route, as a renewal does (plan.ts). */
function profileOf({ profile }: Known): ProfileName {
  return profile === 'unknown' ? 'route' : (profile as ProfileName);
}

function revocable(known: Known): RevokedCertificate {
  const { name, serial, notAfter, pin, ocsp = false } = known;
  return {
    name,
    profile: profileOf(known),
    serial,
    notAfter: new Date(notAfter),
    pin: pin as Pin,
    ocsp,
  };
}

function noneReplaced(name: string): NatspkiError {
  return new NatspkiError('no-certificate', `"${name}" has no unexpired certificate that was replaced`, {
    hint: `replace it first with \`natspki rotate ${name}\`, or leave out --replaced`,
  });
}

function noCertificate(name: string, alive: readonly Known[]): NatspkiError {
  const near = nearest(name, [...new Set(alive.map((each) => each.name))]);
  return new NatspkiError('no-certificate', `no unexpired certificate "${name}" was issued here`, {
    hint: near === undefined ? 'see what there is with `natspki list`' : `did you mean "${near}"`,
  });
}
