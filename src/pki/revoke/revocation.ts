// The revocation of leaf certificates: which keys it is about, who else of their kind stays, and the record of it. NATS
// servers read no revocation list; who tells them, and how, is the caller's.
import { NatspkiError } from '../../errors.ts';
import { nearest } from '../../suggest.ts';
import type { Pin } from '../../x509/pin.ts';
import { checkName, type PkiDirectory } from '../store/directory.ts';
import type { LedgerEntry, Revocation } from '../store/ledger.ts';
import { type ListedCertificate, listCertificates, signsOthers } from '../store/listing.ts';
import type { ProfileName } from '../store/profile.ts';

/** The profiles whose certificates a server accepts from its peers. */
export type RevocableProfile = Exclude<ProfileName, 'server'>;

const revocableProfiles: readonly RevocableProfile[] = ['client', 'route', 'gateway', 'leafnode'];

export interface RevokedCertificate {
  readonly name: string;
  readonly profile: RevocableProfile;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notAfter: Date;
  readonly pin: Pin;
}

/** A key that stays, by the name of its certificate. */
export interface NamedPin {
  readonly name: string;
  readonly pin: Pin;
}

export interface RevocationPlan {
  /** Everything that was issued under the names and is alive: what `rotate` replaced opens doors until it expires. */
  readonly certificates: readonly RevokedCertificate[];
  /** The keys of all other live certificates, by profile; empty for a profile that has none. */
  readonly others: ReadonlyMap<RevocableProfile, readonly NamedPin[]>;
  readonly notices: readonly string[];
}

interface RevokeOptions {
  readonly directory: PkiDirectory;
  readonly names: readonly string[];
  readonly now?: () => Date;
}

/**
 * Plans a revocation and changes nothing. Throws `no-certificate` for a name under which nothing that is alive was
 * issued, `not-revocable` for a server's, which no server asks for.
 */
export async function planRevocation(options: RevokeOptions): Promise<RevocationPlan> {
  const { directory, names, now = () => new Date() } = options;
  await directory.settle();
  await directory.readBundle();
  return plan(directory, names, now());
}

/**
 * Puts on record that certificates are revoked and moves their pairs to the archive, so that nothing renews them. What was
 * revoked before is revoked once more. Throws as planRevocation does.
 * @param lockOut keeps the keys out of servers; nothing is on record when it throws
 */
export async function revokeCertificates(
  options: RevokeOptions & {
    readonly lockOut: (plan: RevocationPlan) => Promise<void>;
    /** Returns whether a configuration names a file: the pair then stays, so that the server still starts. */
    readonly isInUse?: (file: string) => boolean;
  },
): Promise<RevocationPlan> {
  const { directory, names, lockOut, isInUse = () => false, now: clock = () => new Date() } = options;
  await planRevocation(options);
  return directory.exclusive(async () => {
    const now = clock();
    const planned = await plan(directory, names, now);
    await lockOut(planned);
    const { revocations } = await directory.ledger.read();
    const entries = planned.certificates
      .filter(({ serial }) => !revocations.has(serial))
      .map(({ serial, name }): Revocation => ({ time: now.toISOString(), revoked: serial, name }));
    const present = new Set((await directory.contents()).certificates);
    const retired = names
      .filter((name) => present.has(name))
      .map((name) => directory.pair(name))
      .filter(({ certificateFile, keyFile }) => !isInUse(certificateFile) && !isInUse(keyFile));
    if (entries.length + retired.length > 0) await directory.write({ entries, retired }, now);
    return { ...planned, notices: [...directory.tellRecovery(), ...planned.notices] };
  });
}

/** What matters of a certificate here, from the ledger or from its file. */
type Known = Pick<LedgerEntry, 'name' | 'serial' | 'pin' | 'notAfter'> & Pick<ListedCertificate, 'profile'>;

async function plan(directory: PkiDirectory, names: readonly string[], now: Date): Promise<RevocationPlan> {
  for (const name of names) checkName(name);
  const { revocations, damagedLines } = await directory.ledger.read();
  const alive = (await knownLeaves(directory)).filter(({ notAfter }) => new Date(notAfter) > now);
  const certificates = [...new Set(names)].flatMap((name) => {
    const named = alive.filter((each) => each.name === name);
    if (named.length === 0) throw noCertificate(name, alive);
    return named.map(revocable);
  });
  const out = new Set(certificates.map(({ pin }) => pin));
  const stays = ({ serial, pin }: Known) => !revocations.has(serial) && !out.has(pin as Pin);
  const others = new Map<RevocableProfile, NamedPin[]>();
  for (const profile of revocableProfiles) {
    const alike = alive.filter((each) => profileOf(each) === profile && stays(each));
    // A key that was kept at a rotation has several certificates.
    const byPin = new Map(alike.map(({ name, pin }) => [pin, { name, pin: pin as Pin }]));
    others.set(profile, [...byPin.values()]);
  }
  const notices = damagedLines.map(
    (line) => `line ${line} of the ledger is torn: nobody knows what it let in, see \`natspki verify\``,
  );
  return { certificates, others, notices };
}

/** Lists every leaf that was ever issued, and those of the folder that the ledger has lost. */
async function knownLeaves(directory: PkiDirectory): Promise<Known[]> {
  const { entries } = await directory.ledger.read();
  const recorded = new Set(entries.map(({ serial }) => serial));
  const { certificates } = await listCertificates(directory);
  const lost = certificates
    .filter(({ serial }) => !recorded.has(serial))
    .map((row) => ({ ...row, notAfter: row.notAfter.toISOString() }));
  return [...entries, ...lost].filter(({ profile }) => !signsOthers(profile));
}

/** One that may act as server and client, and that no ledger knows, is renewed as a route's (rotation.ts), too. */
function profileOf({ profile }: Known): ProfileName {
  return profile === 'unknown' ? 'route' : (profile as ProfileName);
}

function revocable(known: Known): RevokedCertificate {
  const { name, serial, notAfter, pin } = known;
  const profile = profileOf(known);
  if (profile === 'server') {
    const message = `"${name}" is for a server, and clients look at nothing but who signed it`;
    throw new NatspkiError('not-revocable', message, {
      hint: 'have them trust another authority: natspki rotate --ca, natspki rotate, natspki rotate --ca --finish',
    });
  }
  return { name, profile, serial, notAfter: new Date(notAfter), pin: pin as Pin };
}

function noCertificate(name: string, alive: readonly Known[]): NatspkiError {
  const near = nearest(name, [...new Set(alive.map((each) => each.name))]);
  return new NatspkiError('no-certificate', `no certificate "${name}" that is alive was issued here`, {
    hint: near === undefined ? 'see what there is with `natspki list`' : `did you mean "${near}"`,
  });
}
