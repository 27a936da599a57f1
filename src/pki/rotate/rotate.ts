// Rotates leaf certificates: executes the plan of plan.ts in one atomic step. undo.ts restores replaced pairs, and
// ca-rollover.ts rotates the authority.
import type { KeyObject } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { decodePrivateKey, generateKey, type KeyType } from '../../x509/key.ts';
import { isHost, type San, sanOfHost } from '../../x509/name.ts';
import type { Pin } from '../../x509/pin.ts';
import {
  type IssuedCertificates,
  type KeyedPlan,
  type LeafPlan,
  leafNotices,
  signLeaves,
} from '../issue/leaf.ts';
import { besidePairs } from '../issue/other-folder.ts';
import { PkiDirectory } from '../store/directory.ts';
import { readLeaves } from '../store/leaves.ts';
import { type LedgerEntry, placeOf, renewedByMembers } from '../store/ledger.ts';
import { listCertificates } from '../store/listing.ts';
import { type ProfileName, profiles } from '../store/profile.ts';
import { type DueSelection, issuedInto, leftElsewhere } from './elsewhere.ts';
import { type LeafFacts, planReissue, type Reissue, type RotationPlan } from './plan.ts';

/** The old and the new pin of a certificate that changes its key. */
export interface PinChange {
  readonly name: string;
  readonly from: Pin;
  readonly to: Pin;
}

export interface ReplaceOptions {
  readonly directory: PkiDirectory;
  readonly now?: () => Date;
  /**
   * Called when the new certificates are signed and no file has changed yet, to make servers accept the new pins before a
   * peer presents them. Nothing is replaced when it throws.
   */
  readonly beforeReplace?: (changes: readonly PinChange[]) => Promise<void>;
}

export interface RotateOptions extends ReplaceOptions, DueSelection {
  /** Opens the key of the authority. */
  readonly passphrase?: string;
  /** Called after each step; a certificate counts as two, its key and its signature. */
  readonly progress?: (done: number, total: number) => void;
}

export interface Rotated extends IssuedCertificates {
  readonly plan: RotationPlan;
}

/** A step with the certificate that it replaces. */
export interface Prepared extends Reissue {
  readonly current: Certificate;
}

/** Plans the reissue of leaves of a folder and changes nothing; throws as planReissue does. */
export async function planRotation(options: RotateOptions): Promise<RotationPlan> {
  const { steps, left } = await prepareReissue(options);
  return { steps: steps.map(({ current: _, ...step }) => step), left };
}

/** Reissues leaves; the replaced pairs go to the archive. Throws as planReissue and Authority.issue do. */
export async function rotateLeaves(options: RotateOptions): Promise<Rotated> {
  const { directory, passphrase, beforeReplace, now: clock = () => new Date() } = options;
  const { progress = () => undefined } = options;
  const now = clock();
  const planned = await prepareReissue(options);
  const authority = await directory.readAuthority(passphrase);
  authority.refuseOutsideLife(now);
  const total = 2 * planned.steps.length;
  let done = 0;
  const step = () => progress(Math.min(++done, total), total);
  // Keys take the longest: make them before taking the lock.
  const keys = new Map(
    await Promise.all(
      planned.steps.map(async (each) => {
        const key = await keyFor(directory, each);
        step();
        return [each.replaces, key] as const;
      }),
    ),
  );
  return directory.exclusive(async () => {
    // Another process may have changed the folder meanwhile.
    const { steps, left } = await prepareReissue(options);
    const current = await directory.readAuthority(passphrase);
    const keyed = await keyedPlans(directory, steps, keys);
    const { pairs, entries, listed } = await signLeaves(current, keyed, now, step);
    const { notices: told, ...beside } = await besidePairs(directory, current, entries);
    if (pairs.length > 0) {
      // Record the new pins before announcing them: stalePins then finds them if this process is killed before the swap.
      await directory.write({ entries: beside.entries }, now);
      await beforeReplace?.(
        listed.flatMap(({ name, pin: to }, i) => {
          const from = (steps[i] as Prepared).current.pin;
          return from === to ? [] : [{ name, from, to }];
        }),
      );
      await directory.write({ pairs, others: beside.others }, now);
    } else await directory.write({}, now);
    return {
      plan: { steps: steps.map(({ current: _, ...each }) => each), left },
      certificates: listed,
      notices: [
        ...directory.takeRecoveryNotices(),
        ...left,
        ...told,
        ...(keyed.length > 0 ? leafNotices(current, keyed, now) : []),
      ],
    };
  });
}

/** Returns the pins of certificates that were issued into the folder and replaced since. Only inside `exclusive`. */
export async function stalePins(directory: PkiDirectory): Promise<Set<Pin>> {
  const { entries } = await directory.ledger.read();
  const stale = new Set(entries.map(({ pin }) => pin as Pin));
  const { chains, damaged } = await readLeaves(new PkiDirectory(directory.path));
  const unread = new Set(damaged.map(({ name }) => name));
  const inUse = pinsElsewhere(entries);
  for (const { name, pin } of entries) {
    if (inUse.has(pin) || unread.has(name)) stale.delete(pin as Pin);
  }
  for (const [{ pin }] of chains.values()) stale.delete(pin);
  return stale;
}

/**
 * Returns the pins that peers may present whose files are not in the folder: of the last two certificates of each, since the
 * newest may not be in use yet.
 */
function pinsElsewhere(entries: readonly LedgerEntry[]): Set<string> {
  const last = new Map<string, string[]>();
  for (const entry of entries) {
    const { member, outside, folder, pin } = entry;
    if (!outside && member === undefined) continue;
    // The entries of earlier versions do not tell one other folder from the next.
    const place = member === undefined && folder === undefined ? pin : placeOf(entry);
    last.set(place, [...(last.get(place) ?? []), pin].slice(-2));
  }
  return new Set([...last.values()].flat());
}

/** Plans the reissue of leaves, each with its certificate; throws as planReissue does. */
export async function prepareReissue(options: RotateOptions): Promise<{ steps: Prepared[]; left: string[] }> {
  const { directory, now, dueMs, names } = options;
  const { certificates: listed, damaged } = await listCertificates(directory, {
    ...given({ now, dueMs }),
  });
  const wanted = damaged.find(({ name }) => names?.includes(name));
  if (wanted !== undefined) throw wanted.problem;
  const { entries } = await directory.ledger.read();
  const members = renewedByMembers(entries);
  const requested = new Set(entries.filter(({ request }) => request).map(({ serial }) => serial));
  const bundle = await directory.readBundle();
  const certificates = new Map<string, Certificate>();
  const facts = new Map<string, LeafFacts>();
  for (const [name, [leaf, ...behind]] of (await readLeaves(directory)).chains) {
    const above = [...behind, ...bundle];
    certificates.set(name, leaf);
    facts.set(leaf.serial, {
      keyElsewhere: requested.has(leaf.serial),
      renewedByMember: (members.get(name)?.serial ?? leaf.serial) !== leaf.serial,
      purposes: leaf.extendedKeyUsage ?? [],
      endsWithAuthority: above.some(({ notAfter }) => notAfter.getTime() === leaf.notAfter.getTime()),
    });
  }
  const isHome = directory.isAt(directory.pairFolder);
  const { own, left: foreign } = isHome
    ? { own: listed, left: await leftElsewhere(directory, options, new Set(certificates.keys())) }
    : await issuedInto(directory, listed, entries, names);
  const { steps, left } = planReissue(own, facts, options);
  const unread = names === undefined ? damaged : [];
  return {
    steps: steps.map((step) => ({ ...step, current: certificates.get(step.name) as Certificate })),
    left: [
      ...unread.map(({ name, problem }) => `"${name}" is not rotated: ${problem.message}, ${problem.hint}`),
      ...left,
      ...foreign,
    ],
  };
}

/**
 * Returns the plan of the certificate that each step issues.
 * @param keys made before, by the serial number of the certificate that is replaced; others are made or read now
 */
export async function keyedPlans(
  directory: PkiDirectory,
  steps: readonly Prepared[],
  keys: ReadonlyMap<string, KeyObject>,
): Promise<KeyedPlan[]> {
  const keyed: KeyedPlan[] = [];
  for (const each of steps) {
    const key = keys.get(each.replaces) ?? (await keyFor(directory, each));
    keyed.push({ ...leafPlan(directory, each), key });
  }
  return keyed;
}

function leafPlan(directory: PkiDirectory, { name, profile, days, current }: Prepared): LeafPlan {
  const { subjectDer } = current;
  return { files: directory.pair(name), profile, sans: sansOf(current, profile), days, subjectDer };
}

/** Returns the names of the new certificate; a server certificate without any, as openssl makes, gets its common name. */
function sansOf({ sans, commonName }: Certificate, profile: ProfileName): readonly San[] {
  const nameless = sans.length === 0 && profiles[profile].dialed && isHost(commonName);
  return nameless ? [sanOfHost(commonName)] : sans;
}

/** Returns the key for the certificate that a step issues; only the public key when the private one is elsewhere. */
export async function keyFor(directory: PkiDirectory, step: Prepared): Promise<KeyObject> {
  if (step.key === 'new') return generateKey(step.keyType as KeyType);
  if (step.key === 'elsewhere') return step.current.publicKey;
  const file = directory.keyFile(step.name);
  const key = decodePrivateKey(await directory.read(file), file);
  if (step.current.hasKey(key)) return key;
  throw new NatspkiError('key-mismatch', `"${file}" is not the key of certificate "${step.name}"`, {
    hint: `leave out --keep-key for \`natspki rotate ${step.name}\``,
  });
}
