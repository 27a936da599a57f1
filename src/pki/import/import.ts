// Imports an authority and its leaves from the files of another tool. Public keys and signatures decide which files
// belong together, and the certificates decide the names. The source folders are only read.
import type { KeyObject } from 'node:crypto';
import { parse, relative } from 'node:path';
import { formatDay } from '../../duration.ts';
import { NatspkiError, UsageError } from '../../errors.ts';
import { exists, resolveTarget } from '../../files/files.ts';
import { nearest } from '../../suggest.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { controlCharacterIn } from '../../x509/control-character.ts';
import { weaknessOf } from '../../x509/key.ts';
import { formatSan, isHost } from '../../x509/name.ts';
import { noAddresses, type StatusAddresses } from '../../x509/status-addresses.ts';
import { type Anchored, anchorOf } from '../../x509/trust-anchor.ts';
import { refuseExistingAuthority, refuseMember } from '../issue/init.ts';
import { type IssuedCertificates, pairOf } from '../issue/leaf.ts';
import { Authority } from '../store/authority.ts';
import { checkName, type PairWrite, type PkiDirectory } from '../store/directory.ts';
import { type LedgerEntry, ledgerEntry } from '../store/ledger.ts';
import { type ListedCertificate, rowOf, withoutKeyFile } from '../store/listing.ts';
import { type ProfileName, profiles } from '../store/profile.ts';
import { type Foreign, type ForeignCertificate, readForeign } from './foreign.ts';

export interface ImportOptions {
  readonly directory: PkiDirectory;
  /** Folders, searched with everything below them. */
  readonly sources: readonly string[];
  /** Opens encrypted keys, and encrypts the keys of the authority. */
  readonly passphrase?: string;
  /** Replaces an existing authority; the replaced files go to the archive. */
  readonly force?: boolean;
  /** Where peers ask whether later certificates are revoked; default nowhere. */
  readonly addresses?: StatusAddresses;
  /** The profiles of certificates whose usages allow several, by name. */
  readonly profiles?: ReadonlyMap<string, ProfileName>;
  /** Decides on the profile of a certificate for servers and clients; by default the names in it do. */
  readonly choose?: (name: string, sans: readonly string[], guess: ProfileName) => Promise<ProfileName>;
  readonly now?: () => Date;
}

/** A root with its key, or an intermediate with its key below a root whose key may be elsewhere. */
interface FoundAuthority {
  readonly root: Certificate;
  readonly rootKey: KeyObject | undefined;
  /** From the issuer of the leaves up to, but without, the root. */
  readonly intermediates: readonly Certificate[];
  /** The key of the first intermediate, or of the root where there are no intermediates. */
  readonly key: KeyObject;
}

interface ImportedLeaf {
  readonly name: string;
  readonly certificate: Certificate;
  /** The certificates between the leaf and the root. */
  readonly behind: readonly Certificate[];
  readonly profile: ProfileName;
  /** Undefined when the key is not in the source folders. */
  readonly key: KeyObject | undefined;
}

/**
 * Imports the content of the folders in one step. The result lists the authority first, then its leaves by name; a notice
 * gives the reason for each leaf that is left out. Throws `no-authority`, `no-authority-key`, `several-authorities`,
 * `no-root`, `weak-key` or `authority-expired` where there is no usable authority, and `same-folder` when writing would
 * change a source.
 */
export async function importAuthority(options: ImportOptions): Promise<IssuedCertificates> {
  const { directory, sources, passphrase, force = false, addresses = noAddresses } = options;
  const now = (options.now ?? (() => new Date()))();
  for (const source of sources) await refuseSame(source, directory);
  const refuse = async () => {
    refuseMember(directory);
    if (!force) await refuseExistingAuthority(directory);
  };
  await refuse();
  const foreign = await readForeign(sources, passphrase);
  const found = findAuthority(foreign, sources, now);
  const { pairs, entries, rows } = await authorityFiles(directory, found, passphrase, now);
  const { imported: leaves, left } = importLeaves(foreign, found, now);
  const imported = await withProfiles(leaves, options, left);
  left.sort();
  for (const { name, certificate, behind, profile, key } of imported) {
    const files = directory.pair(name);
    const request = key === undefined ? { request: true as const } : {};
    const issuer = (behind[0] ?? found.root).pin;
    pairs.push(await pairOf(files, [certificate, ...behind], key));
    entries.push(ledgerEntry(certificate, { name, profile, issuer, now, ...request }));
    rows.push(rowOf(certificate, key === undefined ? withoutKeyFile(files) : files, profile, now));
  }
  const authorities = [found.root, ...found.intermediates];
  const named = authorities.map((certificate) => ({ name: certificate.commonName, certificate }));
  const unseen = unseenCharacters([...named, ...imported]);
  return directory.exclusive(async () => {
    await refuse();
    if (!force) await directory.refuseExistingPairs(pairs);
    const retired = found.intermediates.length === 0 ? [directory.intermediatePair] : [];
    directory.changeAddresses(addresses);
    await directory.write({ entries, pairs, retired }, now);
    return {
      certificates: rows,
      notices: [
        ...directory.takeRecoveryNotices(),
        ...foreign.problems,
        ...left,
        ...unseen,
        ...foreign.skipped,
      ],
    };
  });
}

/** Throws `folder-missing`, or `same-folder` when the folder of the new authority is the source or inside it. */
async function refuseSame(source: string, directory: PkiDirectory): Promise<void> {
  if (!exists(source)) {
    throw new NatspkiError('folder-missing', `there is no folder "${source}"`, {
      hint: 'name the one that has the old certificates and keys: natspki init --import FOLDER',
    });
  }
  const path = relative(resolveTarget(source), resolveTarget(directory.path));
  if (path.startsWith('..')) return;
  throw new NatspkiError(
    'same-folder',
    `"${directory.path}" is in "${source}", which an import must not change`,
    { hint: 'name another folder with --dir' },
  );
}

/** Returns the pairs of the authority itself, with its ledger entries and its rows in the list. */
async function authorityFiles(
  directory: PkiDirectory,
  { root, rootKey, intermediates, key }: FoundAuthority,
  passphrase: string | undefined,
  now: Date,
): Promise<{ pairs: PairWrite[]; entries: LedgerEntry[]; rows: ListedCertificate[] }> {
  const { authorityPair, intermediatePair } = directory;
  const pairs = [await pairOf(authorityPair, [root], rootKey, passphrase)];
  const facts = { name: authorityPair.name, profile: 'authority', issuer: root.pin, now } as const;
  const entries = [ledgerEntry(root, facts)];
  const files = rootKey === undefined ? withoutKeyFile(authorityPair) : authorityPair;
  const rows = [rowOf(root, files, 'authority', now)];
  for (const [i, each] of intermediates.entries()) {
    const { pin: issuer } = intermediates[i + 1] ?? root;
    const { name } = intermediatePair;
    entries.push(ledgerEntry(each, { name, profile: 'intermediate', issuer, now }));
    const files = i === 0 ? intermediatePair : withoutKeyFile(intermediatePair);
    rows.push(rowOf(each, files, 'intermediate', now));
  }
  if (intermediates.length > 0) pairs.push(await pairOf(intermediatePair, intermediates, key, passphrase));
  return { pairs, entries, rows };
}

/**
 * Finds the one authority whose key is in the folders. It prefers an intermediate to the root above it and, of several
 * certificates with the same key, the one that expires last.
 */
function findAuthority(
  { certificates, keys, problems }: Foreign,
  sources: readonly string[],
  now: Date,
): FoundAuthority {
  const where = sources.map((source) => `"${source}"`).join(', ');
  const authorities = certificates
    .map(({ certificate }) => certificate)
    .filter(({ signsCertificates, keyType }) => signsCertificates && keyType !== 'unknown')
    .sort((a, b) => b.notAfter.getTime() - a.notAfter.getTime());
  const names = (some: readonly Certificate[]) => some.map(({ commonName }) => `"${commonName}"`).join(', ');
  const unread = problems.length === 0 ? '' : `; ${problems.join('; ')}`;
  if (authorities.length === 0) {
    throw new NatspkiError('no-authority', `no certificate of an authority in ${where}${unread}`);
  }
  const keyOf = (certificate: Certificate) => keys.find(({ key }) => certificate.hasKey(key))?.key;
  const isRoot = (certificate: Certificate) => certificate.isSignedBy(certificate);
  const keyed = authorities.filter((certificate) => keyOf(certificate) !== undefined);
  const signing = keyed.find((certificate) => !isRoot(certificate)) ?? keyed[0];
  const key = signing && keyOf(signing);
  if (signing === undefined || key === undefined) {
    const message = `no key of the authority ${names(authorities)} in ${where}${unread}`;
    const hint = 'name its folder with --import as well, and the passphrase with --passphrase-file';
    throw new NatspkiError('no-authority-key', message, { hint });
  }
  const anchored = anchorOf(signing, authorities, authorities.filter(isRoot));
  if (anchored === undefined) {
    throw new NatspkiError(
      'no-root',
      `authority ${names([signing])} is signed by "${signing.issuerCommonName}", whose certificate is not in ${where}`,
      { hint: 'name its folder with --import as well' },
    );
  }
  const { root, intermediates } = anchored;
  const others = keyed.filter(({ pin }) => pin !== signing.pin && pin !== root.pin);
  if (others.length > 0) {
    throw new NatspkiError('several-authorities', `several authorities with their keys: ${names(keyed)}`, {
      hint: 'import the folder of one of them',
    });
  }
  const chain = signing.pin === root.pin ? [] : [signing, ...intermediates];
  for (const each of [...chain, root]) {
    const weakness = weaknessOf(each.publicKey);
    if (weakness === undefined) continue;
    throw new NatspkiError('weak-key', `authority ${names([each])} has a key of ${weakness}`);
  }
  for (const each of [...chain, root]) refuseExpired(each, now);
  const parts = { roots: [root] as const, intermediates: chain, key };
  new Authority(parts, { certificate: where, key: where }).refuseOutsideLife(now);
  return { root, rootKey: keyOf(root), intermediates: chain, key };
}

function refuseExpired({ commonName, notAfter }: Certificate, now: Date): void {
  if (now < notAfter) return;
  throw new NatspkiError('authority-expired', `authority "${commonName}" expired on ${formatDay(notAfter)}`);
}

/** Returns the leaves to import, and one line with the reason for each leaf that is left out. */
function importLeaves(
  { certificates, keys, revoked }: Foreign,
  { root, intermediates }: FoundAuthority,
  now: Date,
): { imported: ImportedLeaf[]; left: string[] } {
  const imported: ImportedLeaf[] = [];
  const left: string[] = [];
  const authorities = certificates
    .map(({ certificate }) => certificate)
    .filter(({ signsCertificates }) => signsCertificates);
  const own = [root, ...intermediates].map(({ pin }) => pin);
  // Newest first: an older certificate with the same key is then known to be replaced.
  const newest = [...certificates].sort(
    (a, b) => b.certificate.notBefore.getTime() - a.certificate.notBefore.getTime(),
  );
  for (const foreign of newest) {
    const { certificate, file, isKeyStore } = foreign;
    if (own.includes(certificate.pin)) {
      if (![root, ...intermediates].some(({ der }) => der.equals(certificate.der)))
        left.push(`skipped "${file}": another certificate for the key of the imported authority`);
      continue;
    }
    const anchored = anchorOf(certificate, authorities, [root]);
    const reason = reasonToLeave(certificate, root, anchored, revoked, imported, now);
    if (reason !== undefined) {
      left.push(`skipped "${file}": ${reason}`);
      continue;
    }
    const name = nameFor(foreign, imported);
    const key = keys.find((each) => certificate.hasKey(each.key))?.key;
    const profile = profileOf(certificate) as ProfileName;
    if (isKeyStore) left.push(`imported "${name}" from "${file}"`);
    if (key === undefined)
      left.push(`imported "${name}" without its key: leave it with its owner, or add it later`);
    if (certificate.extendedKeyUsage === undefined) {
      left.push(
        `"${name}" has no extended key usage: a renewal will be for servers and clients (${profile})`,
      );
    }
    imported.push({ name, certificate, behind: anchored?.intermediates ?? [], profile, key });
  }
  return { imported: imported.sort((a, b) => (a.name < b.name ? -1 : 1)), left: left.sort() };
}

/** Gives each leaf the profile that the operator has named or chosen for it. Throws a UsageError for an impossible one. */
async function withProfiles(
  leaves: readonly ImportedLeaf[],
  { profiles: wanted = new Map(), choose }: ImportOptions,
  left: string[],
): Promise<ImportedLeaf[]> {
  const unknown = [...wanted.keys()].find((name) => !leaves.some((leaf) => leaf.name === name));
  if (unknown !== undefined) {
    const names = leaves.map(({ name }) => name);
    const near = nearest(unknown, names);
    throw new UsageError(
      `--as names "${unknown}", which is none of the imported certificates: ${names.join(', ')}`,
      near === undefined ? undefined : `--as ${near}=${wanted.get(unknown)}`,
    );
  }
  const named: ImportedLeaf[] = [];
  for (const leaf of leaves) {
    const { name, certificate } = leaf;
    let profile = wanted.get(name);
    if (profile !== undefined && !allows(certificate, profile)) {
      const usages = certificate.extendedKeyUsage?.join(', ');
      throw new UsageError(`"${name}" cannot be a ${profile}: its extended key usage is ${usages}`);
    }
    if (profile === undefined && leaf.profile === 'route' && certificate.extendedKeyUsage !== undefined) {
      const guess = hasHost(certificate) ? 'route' : 'client';
      profile = (await choose?.(name, certificate.sans.map(formatSan), guess)) ?? guess;
      if (choose === undefined)
        left.push(
          `"${name}" is for servers and clients, imported as a ${guess}; if that is wrong, import again with --as ${name}=${guess === 'route' ? 'client' : 'route'}`,
        );
    }
    named.push(profile === undefined ? leaf : { ...leaf, profile });
  }
  return named;
}

/** Whether peers can connect to the holder by a name in the certificate. */
function hasHost({ sans, commonName }: Certificate): boolean {
  return sans.length === 0
    ? commonName.includes('.') && isHost(commonName)
    : sans.some(({ kind }) => kind === 'dns' || kind === 'ip');
}

function allows({ extendedKeyUsage }: Certificate, profile: ProfileName): boolean {
  if (extendedKeyUsage === undefined || extendedKeyUsage.includes('anyExtendedKeyUsage')) return true;
  return profiles[profile].purposes.every((purpose) => extendedKeyUsage.includes(purpose));
}

/** Returns one line for each certificate with a control character in its subject or its alternative names. */
function unseenCharacters(certificates: readonly { name: string; certificate: Certificate }[]): string[] {
  return certificates.flatMap(({ name, certificate: { subject, sans } }) => {
    const character = controlCharacterIn([...subject, ...sans].map(({ value }) => value).join(' '));
    if (character === undefined) return [];
    return [`"${name}" has the control character ${character} in its names: a renewal keeps it`];
  });
}

/** Returns why a certificate is not imported; undefined when it is. */
function reasonToLeave(
  certificate: Certificate,
  root: Certificate,
  anchored: Anchored | undefined,
  revoked: ReadonlySet<string>,
  imported: readonly ImportedLeaf[],
  now: Date,
): string | undefined {
  if (certificate.signsCertificates) return 'another authority';
  if (anchored === undefined) {
    return `signed by "${certificate.issuerCommonName}", not by the imported authority "${root.commonName}"`;
  }
  const expired = anchored.intermediates.find(({ notAfter }) => now >= notAfter);
  if (expired !== undefined)
    return `signed by "${expired.commonName}", which expired on ${formatDay(expired.notAfter)}`;
  if (now >= certificate.notAfter) return `expired on ${formatDay(certificate.notAfter)}`;
  if (revoked.has(certificate.serial)) return 'revoked';
  if (certificate.keyType === 'unknown') return 'its key is of an unknown type';
  if (profileOf(certificate) === undefined) return 'for neither servers nor clients';
  const same = imported.find((other) => other.certificate.pin === certificate.pin);
  if (same !== undefined) return `"${same.name}" is newer and has the same key`;
  const twin = imported.find((other) => other.certificate.serial === certificate.serial);
  return twin && `it has the serial number of "${twin.name}"`;
}

/** Returns the profile with the purposes of a certificate; undefined when it is for neither servers nor clients. */
function profileOf({ extendedKeyUsage }: Certificate): ProfileName | undefined {
  const all = extendedKeyUsage === undefined || extendedKeyUsage.includes('anyExtendedKeyUsage');
  const server = all || extendedKeyUsage.includes('serverAuth');
  const client = all || extendedKeyUsage.includes('clientAuth');
  if (server && client) return 'route';
  return server ? 'server' : client ? 'client' : undefined;
}

/**
 * Names a pair after its common name, else an alternative name, else its file. Characters that a name cannot have are
 * replaced only when none of these is usable as it is.
 */
function nameFor({ certificate, file }: ForeignCertificate, imported: readonly ImportedLeaf[]): string {
  const commonName = certificate.subject.find(({ type }) => type === 'CN')?.value;
  const own = [commonName, ...certificate.sans.map(({ value }) => value)].filter(
    (each) => each !== undefined,
  );
  const stem = parse(file).name.replace(/[-_.](cert|crt)$/, '');
  const taken = (name: string) => imported.some((other) => other.name.toLowerCase() === name.toLowerCase());
  const names = [
    ...own.map((each) => each.replace('*', 'wildcard')),
    stem,
    ...own.map(cleaned),
    cleaned(stem),
  ];
  const usable = names.filter(isUsable);
  const free = usable.find((name) => !taken(name));
  if (free !== undefined) return free;
  const [base = 'certificate'] = usable;
  let number = 2;
  while (taken(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

function cleaned(text: string): string {
  return text
    .replace(/[^A-Za-z0-9._@+-]+/g, '-')
    .replace(/^[^A-Za-z0-9_]+/, '')
    .slice(0, 60);
}

function isUsable(name: string): boolean {
  try {
    checkName(name);
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}
