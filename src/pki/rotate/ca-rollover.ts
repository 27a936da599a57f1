// The rollover of the root. It starts with a new root beside the old one, both trusted, and finishes when the old one is
// retired. In between, rotate.ts reissues the leaves. intermediate-rollover.ts replaces an intermediate of the same root.
//
// While both roots are trusted, each new leaf is followed by the new root cross-signed by the old one (RFC 4210 section
// 4.4, "new with old"), so that peers that trust only the old root accept it. There is no "old with new" certificate: with
// it, peers that trust only the new root would still accept the old leaves.
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { generateKey, renewedKeyType } from '../../x509/key.ts';
import { anchorOf } from '../../x509/trust-anchor.ts';
import { signIntermediate } from '../issue/intermediate.ts';
import { type IssuedCertificates, pairOf } from '../issue/leaf.ts';
import { type Authority, checkCommonName, nextName } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { isAuthority, type LedgerEntry, ledgerEntry, placeOf, renewedByMembers } from '../store/ledger.ts';
import { existingFiles, rowOf, withoutKeyFile } from '../store/listing.ts';
import { renewalOf } from './elsewhere.ts';
import { intermediateLife, successorPassphrase } from './intermediate-rollover.ts';
import { issuedDays, type RetireOld, type TrustNew } from './plan.ts';

interface RolloverOptions {
  readonly directory: PkiDirectory;
  readonly now?: () => Date;
}

export interface StartOptions extends RolloverOptions {
  /** Common name of the new root; default that of the old one with the next number. */
  readonly commonName?: string;
  /** Opens the key of the old root, and encrypts that of the new one if the old one is encrypted. */
  readonly passphrase?: string;
}

export interface FinishOptions extends RolloverOptions {
  /** Drops the old roots even if certificates still depend on them. */
  readonly force?: boolean;
}

/** An unexpired certificate that chains only to a retiring root. */
interface Dependent {
  readonly name: string;
  /** Whether its file is in the folder; otherwise only the ledger has it, and no replacement. */
  readonly here: boolean;
  /** Whether its host renews it. */
  readonly isMember?: boolean;
  /** The other folder that has its file, where the ledger knows it. */
  readonly folder?: string;
}

/** Plans the start of a rollover; throws `rotation-under-way` when one has already started, and `root-key-away`. */
export async function planStart(options: StartOptions): Promise<TrustNew> {
  const { directory } = options;
  await directory.recover();
  const [certificate, retired] = await directory.readBundle();
  if (retired !== undefined) {
    throw new NatspkiError(
      'rotation-under-way',
      `authority "${certificate.commonName}" has not yet replaced "${retired.commonName}"`,
      { hint: 'reissue with `natspki rotate`, then finish with `natspki rotate --ca --finish`' },
    );
  }
  directory.refuseRootKeyAway(certificate);
  const authority = options.commonName ?? nextName(certificate.commonName);
  checkCommonName(authority, "the authority's name");
  return {
    action: 'trust-new',
    authority,
    succeeds: certificate.commonName,
    keyType: renewedKeyType(certificate.keyType),
    days: issuedDays(certificate),
  };
}

/**
 * Makes a new root beside the old one, which stays trusted; its key goes to the archive. The new root signs from now on,
 * through a new intermediate if the old root has one. Throws as planStart does, and `authority-not-yet-valid` when the
 * clock was set back.
 */
export async function startRollover(
  options: StartOptions,
): Promise<IssuedCertificates & { readonly step: TrustNew }> {
  const { directory, passphrase, now: clock = () => new Date() } = options;
  const now = clock();
  const { keyType } = await planStart(options);
  const key = await generateKey(keyType);
  return directory.exclusive(async () => {
    const step = await planStart(options);
    const old = await directory.readRoot(passphrase);
    old.refuseBeforeLife(now);
    const [intermediate] = await directory.readIntermediates();
    const depth = intermediate === undefined ? 0 : 1;
    const next = await old.successor({ commonName: step.authority, key, days: step.days, now }, depth);
    const { certificate } = next.current;
    const { authorityPair: files, chainFile } = directory;
    const own = await successorPassphrase(files.keyFile, passphrase);
    const pair = await pairOf(files, next.roots, key, own);
    const facts = { name: files.name, profile: 'authority', now } as const;
    const entries = [
      ledgerEntry(certificate, { ...facts, issuer: certificate.pin }),
      ...next.chain.map((each) => ledgerEntry(each, { ...facts, issuer: old.current.certificate.pin })),
    ];
    const below =
      intermediate &&
      (await signIntermediate(directory, next, {
        commonName: nextName(intermediate.commonName),
        replaces: intermediate,
        days: intermediateLife(intermediate, old.current.certificate),
        key: await generateKey(renewedKeyType(intermediate.keyType)),
        passphrase: await successorPassphrase(directory.intermediateKeyFile, passphrase),
        now,
      }));
    const chain = next.chain.map((each) => ({ path: chainFile, data: each.toPem(), mode: 0o644 }));
    await directory.write(
      {
        entries: below === undefined ? entries : [...entries, below.entry],
        pairs: below === undefined ? [pair] : [pair, below.pair],
        others: chain,
      },
      now,
    );
    return {
      step,
      certificates: [
        rowOf(certificate, files, 'authority', now),
        ...(below === undefined ? [] : [below.row]),
        ...next.retired.map((each) => rowOf(each, withoutKeyFile(files), 'retired-authority', now)),
      ],
      notices: [
        ...directory.takeRecoveryNotices(),
        ...notCrossSignedNotice(next),
        ...(below === undefined ? [] : [keysNotice(files.keyFile)]),
      ],
    };
  });
}

/**
 * Plans the end of a rollover. Throws `no-rotation` when none has started. Unless forced, throws `still-needed` with the
 * names of all unexpired leaves that chain only to an old root.
 */
export async function planFinish(options: FinishOptions): Promise<RetireOld> {
  const { directory, force = false, now = () => new Date() } = options;
  await directory.recover();
  const [current, ...retired] = await directory.readBundle();
  if (retired.length === 0) throw noRotation(directory);
  const dependents = await findDependents(directory, current, retired, now());
  if (dependents.length > 0 && !force) throw stillNeeded(directory, retired, dependents);
  const shortened: string[] = [];
  for (const name of (await directory.contents()).certificates) {
    if (crossSignedIn(await directory.readChain(name), current).length > 0) shortened.push(name);
  }
  return {
    action: 'retire-old',
    authorities: retired.map(({ commonName }) => commonName),
    shortened,
    stranded: dependents.map(({ name }) => name),
  };
}

/** Returns the error for a command that needs a rollover under way. */
export function noRotation({ path }: PkiDirectory): NatspkiError {
  return new NatspkiError('no-rotation', `no rotation of the authority is under way in "${path}"`, {
    hint: 'start one with `natspki rotate --ca`',
  });
}

/** A replaced certificate that has not expired: its holder may still use it. */
export interface ReplacedCertificate {
  readonly name: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notAfter: Date;
}

/**
 * Lists the replaced certificates of clients that only an old root has signed and that are still valid. Servers read theirs
 * from the files, but only its holder knows which one a client uses.
 */
export async function replacedClients({
  directory,
  now = () => new Date(),
}: RolloverOptions): Promise<ReplacedCertificate[]> {
  await directory.recover();
  const [current, ...retired] = await directory.readBundle();
  const { entries, revocations } = await directory.ledger.read();
  const intermediates = issuersOf(entries);
  // Of members, membersUnderWay has those that may not use their new pair yet.
  const members = renewedByMembers(entries);
  const latest = new Map(entries.map((entry) => [placeOf(entry), entry]));
  return entries.flatMap((entry) => {
    const { name, serial, profile, issuer } = entry;
    const notAfter = new Date(entry.notAfter);
    const isOver = revocations.has(serial) || now() >= notAfter;
    if (profile !== 'client' || isOver || members.has(name)) return [];
    if (latest.get(placeOf(entry)) === entry) return [];
    const root = rootOf(issuer, intermediates);
    const depends = root !== current.pin && retired.some(({ pin }) => pin === root);
    return depends ? [{ name, serial, notAfter }] : [];
  });
}

/** The longest time after which a member whose answer was lost asks again, in milliseconds. */
const longestRepeatMs = 60 * 60 * 1000;

/**
 * Lists the names of members that may still use a certificate of an old root, although they asked for one of the current: an
 * answer may be lost, and the member repeats its request within an hour, or a twentieth of the life if that is shorter. A
 * member that renewed once more has the first answer.
 */
export async function membersUnderWay({
  directory,
  now = () => new Date(),
}: RolloverOptions): Promise<string[]> {
  await directory.recover();
  const [current, ...retired] = await directory.readBundle();
  const { entries, revocations } = await directory.ledger.read();
  const intermediates = issuersOf(entries);
  const at = now().getTime();
  const isOld = ({ issuer, serial, notAfter }: LedgerEntry) => {
    const root = rootOf(issuer, intermediates);
    const isOver = revocations.has(serial) || at >= Date.parse(notAfter);
    return !isOver && root !== current.pin && retired.some(({ pin }) => pin === root);
  };
  const old = new Map(entries.filter(isOld).map((entry) => [entry.serial, entry]));
  return [...renewedByMembers(entries).values()].flatMap(({ name, time, member, notBefore, notAfter }) => {
    const twentieth = (Date.parse(notAfter) - Date.parse(notBefore)) / 20;
    const isRecent = at - Date.parse(time) < Math.min(longestRepeatMs, twentieth);
    return isRecent && old.has(member?.replaces ?? '') ? [name] : [];
  });
}

/** Returns the issuer's pin of each intermediate, by its pin. */
function issuersOf(entries: readonly LedgerEntry[]): ReadonlyMap<string, string> {
  return new Map(
    entries.filter(({ profile }) => profile === 'intermediate').map(({ pin, issuer }) => [pin, issuer]),
  );
}

/** Drops the old roots from the trust bundle and cross-signed certificates from all files. Throws as planFinish does. */
export async function finishRollover(
  options: FinishOptions,
): Promise<IssuedCertificates & { readonly step: RetireOld }> {
  const { directory, now: clock = () => new Date() } = options;
  const now = clock();
  return directory.exclusive(async () => {
    const step = await planFinish(options);
    const [current] = await directory.readBundle();
    const leaves = [];
    for (const name of step.shortened) {
      const chain = await directory.readChain(name);
      const dropped = crossSignedIn(chain, current);
      const data = toPem(chain.filter((certificate) => !dropped.includes(certificate)));
      leaves.push({ path: directory.certificateFile(name), data, mode: 0o644 });
    }
    const bundle = { path: directory.authorityFile, data: current.toPem(), mode: 0o644 };
    await directory.write({ others: [bundle, ...leaves], removed: [directory.chainFile] }, now);
    const { authorityPair } = directory;
    return {
      step,
      certificates: [rowOf(current, existingFiles(authorityPair), 'authority', now)],
      notices: [...directory.takeRecoveryNotices(), ...strandedNotice(step)],
    };
  });
}

/** Returns the cross-signed certificates after a leaf: those with the key of the current root. */
function crossSignedIn([, ...behind]: readonly Certificate[], current: Certificate): Certificate[] {
  return behind.filter((certificate) => certificate.spki.equals(current.spki));
}

/** Lists the unexpired leaves that chain only to a root that retires: those in the folder, and those written elsewhere. */
export async function findDependents(
  directory: PkiDirectory,
  current: Certificate,
  retired: readonly Certificate[],
  now: Date,
): Promise<Dependent[]> {
  const { certificates } = await directory.contents();
  const { entries, revocations } = await directory.ledger.read();
  const members = renewedByMembers(entries);
  const dependents: Dependent[] = [];
  for (const name of certificates) {
    const [leaf, ...behind] = await directory.readChain(name);
    // The host of the member has another pair by now.
    if ((members.get(name)?.serial ?? leaf.serial) !== leaf.serial) continue;
    const { root } = anchorOf(leaf, behind, [current, ...retired]) ?? {};
    const depends = root !== undefined && root !== current;
    if (depends && now < leaf.notAfter) dependents.push({ name, here: true });
  }
  const intermediates = issuersOf(entries);
  const latest = new Map(entries.map((entry) => [placeOf(entry), entry]));
  for (const entry of latest.values()) {
    const { name, profile, issuer, notAfter, serial, outside = false } = entry;
    const isReplaced = (members.get(name) ?? entry) !== entry;
    if (
      isReplaced ||
      isAuthority(profile) ||
      (!outside && certificates.includes(name)) ||
      revocations.has(serial)
    )
      continue;
    const root = rootOf(issuer, intermediates);
    const depends = root !== current.pin && retired.some(({ pin }) => pin === root);
    if (!depends || now >= new Date(notAfter)) continue;
    const isMember = members.get(name) === entry;
    dependents.push({ name, here: false, isMember, ...given({ folder: entry.folder }) });
  }
  return dependents;
}

/**
 * Returns the pin of the root above an issuer.
 * @param issuer the pin of the key that signed the leaf
 * @param intermediates the issuer's pin of each intermediate, by its pin
 */
function rootOf(issuer: string, intermediates: ReadonlyMap<string, string>): string {
  let at = issuer;
  for (const seen = new Set<string>(); !seen.has(at); at = intermediates.get(at) ?? at) seen.add(at);
  return at;
}

function stillNeeded(
  directory: PkiDirectory,
  retired: readonly Certificate[],
  dependents: readonly Dependent[],
): NatspkiError {
  const authorities = retired.map(({ commonName }) => `"${commonName}"`).join(', ');
  const names = dependents.map(({ name, here, isMember, folder }) =>
    here
      ? name
      : isMember
        ? `${name} (a member)`
        : `${name} (${folder === undefined ? `not in "${directory.path}"` : `in "${folder}"`})`,
  );
  const here = dependents.filter((dependent) => dependent.here).map(({ name }) => name);
  const count = dependents.length === 1 ? '1 certificate' : `${dependents.length} certificates`;
  const verb = dependents.length === 1 ? 'depends' : 'depend';
  return new NatspkiError('still-needed', `${count} still ${verb} on ${authorities}: ${names.join(', ')}`, {
    hint:
      here.length > 0
        ? `reissue with \`natspki rotate${here.length <= 5 ? ` ${here.join(' ')}` : ''}\`, or pass --force`
        : dependents.every(({ isMember }) => isMember)
          ? 'run `natspki renew` on the hosts of the members, or pass --force when they are no longer in use'
          : `${reissueElsewhere(dependents)}, or pass --force when they are no longer in use`,
  });
}

function reissueElsewhere(dependents: readonly Dependent[]): string {
  const [first] = dependents.flatMap(({ name, folder }) => (folder === undefined ? [] : [{ name, folder }]));
  return first === undefined
    ? 'issue them again with `natspki issue`'
    : `reissue with \`${renewalOf(first)}\``;
}

function notCrossSignedNotice({ chain, retired }: Authority): string[] {
  if (chain.length > 0) return [];
  const old = retired[0]?.commonName;
  return [
    `"${old}" cannot sign the new authority: give every peer the new ca.pem before reissuing certificates`,
  ];
}

function keysNotice(keyFile: string): string {
  return `store the key of the new root offline, "${keyFile}", and that of the old one, which is in the archive`;
}

function strandedNotice({ stranded }: RetireOld): string[] {
  if (stranded.length === 0) return [];
  return [`no longer trusted: ${stranded.join(', ')}`];
}
