// Replaces an authority whose key was stolen, in one step: a new root, a new intermediate if there was one, every leaf of the
// folder anew, and a trust bundle without the old root. Unlike in a rollover, nothing connects the new root with the old one:
// whoever has the old key could sign for it.
import { exists } from '../../files/files.ts';
import { given } from '../../given.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { generateKey, renewedKeyType } from '../../x509/key.ts';
import { signIntermediate } from '../issue/intermediate.ts';
import { leafNotices, pairOf, signLeaves } from '../issue/leaf.ts';
import { intermediateLife, successorPassphrase } from '../rotate/intermediate-rollover.ts';
import { issuedDays, type Reissue } from '../rotate/plan.ts';
import { keyedPlans, keyFor, type PinChange, type Prepared, prepareReissue } from '../rotate/rotate.ts';
import { Authority, checkCommonName, nextName } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import {
  isAuthority,
  type LedgerContents,
  ledgerEntry,
  type Revocation,
  renewedByMembers,
} from '../store/ledger.ts';
import { isAnyAuthority, type ListedCertificate, listCertificates, rowOf } from '../store/listing.ts';
import { keptSubject } from '../store/subject.ts';

export interface ReplaceOptions {
  readonly directory: PkiDirectory;
  /** Common name of the new root; default that of the old one with the next number. */
  readonly commonName?: string;
  /** Encrypts the new keys of the authority; needed where the old ones are encrypted. */
  readonly passphrase?: string;
  /** Replaces an authority that has itself replaced a stolen one. */
  readonly force?: boolean;
  readonly now?: () => Date;
  /** Called when everything is signed and no certificate file has changed; nothing is replaced when it throws. */
  readonly beforeReplace?: (changes: readonly PinChange[]) => Promise<void>;
  /** Called after each step; a certificate counts as two, its key and its signature. */
  readonly progress?: (done: number, total: number) => void;
}

export interface ReplacementPlan {
  /** Common names of the authorities that nothing trusts any more: the root, and roots that it was replacing. */
  readonly distrusted: readonly string[];
  /** Common names. */
  readonly authority: string;
  readonly intermediate?: string;
  /** The leaves that are issued anew. */
  readonly reissued: readonly Reissue[];
  /** Names with an unexpired certificate that is not in the folder: they have to be issued or enrolled again. */
  readonly elsewhere: readonly string[];
  /** One line with the reason for each leaf that is not issued anew. */
  readonly left: readonly string[];
  /** When an earlier run has replaced the authority already: there is nothing to sign. */
  readonly replacedAt?: Date;
}

export interface Replacement {
  readonly plan: ReplacementPlan;
  readonly certificates: readonly ListedCertificate[];
  readonly notices: readonly string[];
}

const reason = 'cACompromise';

/** Plans the replacement and changes nothing. Throws `no-authority`. */
export async function planReplacement(options: ReplaceOptions): Promise<ReplacementPlan> {
  return (await prepare(options)).plan;
}

/**
 * Replaces the authority, or returns what an earlier run has made. Throws as planReplacement does, and
 * `passphrase-needed` where an old key is encrypted and no passphrase was given.
 */
export async function replaceAuthority(options: ReplaceOptions): Promise<Replacement> {
  const { directory, beforeReplace, progress = () => undefined, now: clock = () => new Date() } = options;
  const now = clock();
  const first = await prepare(options);
  if (first.plan.replacedAt !== undefined) return existing(directory, first.plan, now);
  const total = 2 * (first.steps.length + 1);
  let done = 0;
  const step = () => progress(Math.min(++done, total), total);
  const key = await generateKey(renewedKeyType(first.root.keyType));
  const keys = new Map(
    await Promise.all(
      first.steps.map(async (each) => [each.replaces, await keyFor(directory, each)] as const),
    ),
  );
  return directory.exclusive(async () => {
    const { plan, steps, root, intermediate, ledger } = await prepare(options);
    const passphrase = await passphraseFor(options, directory);
    const depth = intermediate === undefined ? 0 : 1;
    const made = await Authority.create(
      {
        commonName: plan.authority,
        key,
        days: issuedDays(root),
        now,
        subject: keptSubject(root),
        nameConstraints: root.nameConstraintsExtension,
        addresses: await directory.addresses(),
      },
      depth,
    );
    step();
    const below =
      intermediate &&
      (await signIntermediate(directory, made, {
        commonName: plan.intermediate ?? intermediate.commonName,
        replaces: intermediate,
        days: intermediateLife(intermediate, root),
        key: await generateKey(renewedKeyType(intermediate.keyType)),
        passphrase,
        now,
      }));
    const authority = below?.authority ?? made;
    const keyed = await keyedPlans(directory, steps, keys);
    const { pairs, entries, listed } = await signLeaves(authority, keyed, now, step);
    // Recorded before the pins are announced, so that a later run finds the pins of a killed one.
    if (entries.length > 0) await directory.write({ entries }, now);
    await beforeReplace?.(changesOf(steps, listed));
    const { certificate } = made.current;
    const { authorityPair, chainFile, intermediatePair } = directory;
    const facts = { name: 'ca', profile: 'authority', issuer: certificate.pin, now } as const;
    await directory.write(
      {
        entries: [
          ledgerEntry(certificate, facts),
          ...(below === undefined ? [] : [below.entry]),
          ...revocationsOf(ledger, now),
        ],
        pairs: [
          await pairOf(authorityPair, [certificate], key, passphrase),
          ...(below === undefined ? [] : [below.pair]),
          ...pairs,
        ],
        retired: below === undefined ? [intermediatePair] : [],
        removed: exists(chainFile) ? [chainFile] : [],
      },
      now,
    );
    return {
      plan,
      certificates: [
        rowOf(certificate, authorityPair, 'authority', now),
        ...(below === undefined ? [] : [below.row]),
        ...listed,
      ],
      notices: [
        ...directory.takeRecoveryNotices(),
        ...plan.left,
        ...(keyed.length > 0 ? leafNotices(authority, keyed, now) : []),
      ],
    };
  });
}

interface Preparation {
  readonly plan: ReplacementPlan;
  readonly steps: readonly Prepared[];
  readonly root: Certificate;
  readonly intermediate: Certificate | undefined;
  readonly ledger: LedgerContents;
}

async function prepare(options: ReplaceOptions): Promise<Preparation> {
  const { directory, force = false, now: clock = () => new Date() } = options;
  await directory.recover();
  const [root, ...retired] = await directory.readBundle();
  const [intermediate] = await directory.readIntermediates();
  const ledger = await directory.ledger.read();
  const { steps, left } = await prepareReissue({ directory, now: clock });
  const authority = options.commonName ?? nextName(root.commonName);
  checkCommonName(authority, "the authority's name");
  const replacedAt = force ? undefined : replacementOf(root, ledger);
  const members = renewedByMembers(ledger.entries);
  const inFolder = (await directory.contents()).certificates;
  const here = new Set(inFolder.filter((name) => !members.has(name)));
  const alive = ledger.entries.filter((entry) => isAlive(entry, ledger, clock()));
  const elsewhere = [...new Set(alive.map(({ name }) => name))].filter((name) => !here.has(name)).sort();
  const plan = {
    distrusted: [root, ...retired].map(({ commonName }) => commonName),
    authority,
    ...given({ intermediate: intermediate && nextName(intermediate.commonName) }),
    reissued: steps.map(({ current: _, ...step }) => step),
    elsewhere,
    left,
    ...given({ replacedAt }),
  };
  return { plan, steps, root, intermediate, ledger };
}

/** Returns when a root replaced a stolen one: the ledger has both at the same moment. */
function replacementOf(root: Certificate, { entries, revocations }: LedgerContents): Date | undefined {
  const time = entries.find(({ serial }) => serial === root.serial)?.time;
  const isReplacement = [...revocations.values()].some(
    (each) => each.reason === reason && each.time === time,
  );
  return time !== undefined && isReplacement ? new Date(time) : undefined;
}

/** Returns the result of an earlier run, from the folder. */
async function existing(directory: PkiDirectory, plan: ReplacementPlan, now: Date): Promise<Replacement> {
  const { certificates } = await listCertificates(directory, { now: () => now });
  const { revocations, entries } = await directory.ledger.read();
  const at = plan.replacedAt?.toISOString();
  const revoked = [...revocations.values()].filter(({ time, reason: why }) => time === at && why === reason);
  const live = new Set(entries.filter((each) => isAlive(each, { revocations }, now)).map(({ name }) => name));
  const elsewhere = [...new Set(revoked.map(({ name }) => name))].filter(
    (name) => name !== 'ca' && name !== 'intermediate' && !live.has(name),
  );
  return {
    plan: { ...plan, reissued: [], elsewhere: elsewhere.sort() },
    certificates,
    notices: directory.takeRecoveryNotices(),
  };
}

function isAlive(
  { profile, serial, notAfter }: LedgerContents['entries'][number],
  { revocations }: Pick<LedgerContents, 'revocations'>,
  now: Date,
): boolean {
  return !isAuthority(profile) && !revocations.has(serial) && new Date(notAfter) > now;
}

/** Revokes all that the stolen key has signed and that has not expired, the authorities included. */
function revocationsOf({ entries, revocations }: LedgerContents, now: Date): Revocation[] {
  return entries
    .filter(({ serial, notAfter }) => !revocations.has(serial) && new Date(notAfter) > now)
    .map(({ serial, name }) => ({ time: now.toISOString(), revoked: serial, name, reason }));
}

function changesOf(steps: readonly Prepared[], listed: readonly ListedCertificate[]): PinChange[] {
  return listed.flatMap(({ name, pin: to }, i) => {
    const from = steps[i]?.current.pin;
    return from === undefined || from === to ? [] : [{ name, from, to }];
  });
}

/** Returns the passphrase of the new keys: the given one, also where the old root's key is stored elsewhere. */
async function passphraseFor(
  { passphrase }: ReplaceOptions,
  directory: PkiDirectory,
): Promise<string | undefined> {
  if (passphrase !== undefined) return passphrase;
  for (const file of [directory.authorityKeyFile, directory.intermediateKeyFile]) {
    await successorPassphrase(file, passphrase);
  }
  return undefined;
}

/** Returns whether a row is that of a leaf. */
export function isLeaf({ profile }: ListedCertificate): boolean {
  return !isAnyAuthority(profile);
}
