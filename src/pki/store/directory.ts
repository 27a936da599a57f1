// The folder of an authority: all its paths, reads and writes, and the lock for writing. Replaced files are the job of
// archive.ts.
import { promises } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NatspkiError, UsageError } from '../../errors.ts';
import {
  exists,
  type FileWrite,
  fileError,
  isCode,
  isTemporaryName,
  makeDirectory,
  resolveTarget,
} from '../../files/files.ts';
import { acquireLock } from '../../files/lock.ts';
import { readOwnFile, refuseForeignFolder } from '../../files/own-files.ts';
import { finishStaged, unfinishedWork, writeTogether } from '../../files/transaction.ts';
import { type Certificate, readCertificates } from '../../x509/certificate.ts';
import { maximumCommonName } from '../../x509/distinguished-name.ts';
import { decodePrivateKey } from '../../x509/key.ts';
import type { StatusAddresses } from '../../x509/status-addresses.ts';
import { Archive } from './archive.ts';
import { Authority } from './authority.ts';
import { Ledger, type LedgerEntry, type Revocation } from './ledger.ts';
import { addressesWrite, readAddresses } from './settings.ts';

/** The two files of a certificate. */
export interface PairFiles {
  /** `ca` for the root, `intermediate` for the intermediate, otherwise the name of the leaf. */
  readonly name: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A pair to write, in PEM. */
export interface PairWrite extends PairFiles {
  readonly certificate: string;
  /** Undefined when the private key is elsewhere; an existing key file then moves to the archive. */
  readonly key: string | undefined;
}

/** The writes of one step: all or nothing. */
export interface Change {
  /** New lines of the ledger. */
  readonly entries?: readonly (LedgerEntry | Revocation)[];
  readonly pairs?: readonly PairWrite[];
  /** Pairs that move to the archive without a replacement; missing ones are ignored. */
  readonly retired?: readonly PairFiles[];
  /** Files that the operator may have edited; the replaced text goes to the archive. */
  readonly configurations?: readonly FileWrite[];
  readonly others?: readonly FileWrite[];
  /** Paths of files to delete. */
  readonly removed?: readonly string[];
}

export class PkiDirectory {
  readonly path: string;
  /** Where the pairs of leaves are: the folder itself, or the one that an operator names with `--out`. */
  readonly pairFolder: string;
  /** The trust bundle, the current root first. */
  readonly authorityFile: string;
  readonly authorityKeyFile: string;
  /** The certificates between leaves and root, the issuer first; missing where the root signs leaves itself. */
  readonly intermediateFile: string;
  readonly intermediateKeyFile: string;
  /** The current root signed by the previous one, to follow each leaf; missing outside of a rotation. */
  readonly chainFile: string;
  /** The revocation lists, one for each issuer; missing until one is written. */
  readonly revocationListFile: string;
  /** Where a member of a fleet finds its authority; missing in the folder of an authority. */
  readonly memberFile: string;
  /** The settings that later certificates follow; missing until one is set. */
  readonly settingsFile: string;
  readonly ledger: Ledger;
  #changedAddresses: Partial<StatusAddresses> | undefined;
  readonly #state: string;
  readonly archive: Archive;
  readonly #recovered: string[] = [];

  constructor(path: string, pairFolder = path) {
    this.path = path;
    this.pairFolder = pairFolder;
    this.authorityFile = join(path, 'ca.pem');
    this.authorityKeyFile = join(path, 'ca-key.pem');
    this.intermediateFile = join(path, 'intermediate.pem');
    this.intermediateKeyFile = join(path, 'intermediate-key.pem');
    this.revocationListFile = join(path, 'ca.crl');
    this.#state = join(path, '.natspki');
    this.archive = new Archive(this.#state);
    this.chainFile = join(this.#state, 'chain.pem');
    this.memberFile = join(this.#state, 'member.json');
    this.settingsFile = join(this.#state, 'settings.json');
    this.ledger = new Ledger(join(this.#state, 'ledger'));
  }

  /** Returns the path of an internal file. */
  stateFile(name: string): string {
    return join(this.#state, name);
  }

  certificateFile(name: string): string {
    return this.pair(name).certificateFile;
  }

  keyFile(name: string): string {
    return this.pair(name).keyFile;
  }

  /** Returns the paths of a pair, where pairs are or in another folder. */
  pair(name: string, folder = this.pairFolder): PairFiles {
    return {
      name,
      certificateFile: join(folder, `${name}-cert.pem`),
      keyFile: join(folder, `${name}-key.pem`),
    };
  }

  get authorityPair(): PairFiles {
    return { name: 'ca', certificateFile: this.authorityFile, keyFile: this.authorityKeyFile };
  }

  get intermediatePair(): PairFiles {
    const [certificateFile, keyFile] = [this.intermediateFile, this.intermediateKeyFile];
    return { name: 'intermediate', certificateFile, keyFile };
  }

  /** The pair that signs leaves: the root where there is no intermediate. */
  get issuerPair(): PairFiles {
    return exists(this.intermediateFile) ? this.intermediatePair : this.authorityPair;
  }

  /**
   * Runs `work` while no other process writes to the folder. First completes or undoes the write of a killed process.
   * Creates the folder if it is missing.
   */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    refuseForeignFolder(this.path, this.#state);
    await makeDirectory(this.#state);
    const lock = await acquireLock(join(this.#state, 'lock'));
    try {
      await this.#tidyUp();
      return await work();
    } finally {
      await lock.release();
    }
  }

  /**
   * Completes or undoes the write of a killed process, for commands that only read. Changes nothing where the folder is not
   * writable or another process holds the lock.
   */
  async recover(): Promise<void> {
    refuseForeignFolder(this.path, this.#state);
    const unfinished = unfinishedWork(this.#state);
    if (unfinished === undefined) return;
    try {
      // A committed change completes quickly: wait for it. An uncommitted one may belong to a running command.
      const lock = await acquireLock(
        join(this.#state, 'lock'),
        unfinished === 'staged' ? { timeoutMs: 0 } : {},
      );
      await this.#tidyUp().finally(() => lock.release());
    } catch (error) {
      const passing = ['locked', 'permission-denied', 'read-only'];
      if (!(error instanceof NatspkiError && passing.includes(error.code))) throw error;
    }
  }

  /** Returns, once, one line for each write of a killed command that was completed or undone. */
  takeRecoveryNotices(): string[] {
    return this.#recovered.splice(0);
  }

  async #tidyUp(): Promise<void> {
    const { completed, undone } = await finishStaged(this.#state);
    if (undone)
      this.#recovered.push('discarded the temporary files of a killed command, which changed nothing');
    if (completed > 0)
      this.#recovered.push(
        `completed the write of a killed command: ${completed === 1 ? '1 file' : `${completed} files`}`,
      );
  }

  hasAuthority(): boolean {
    return [this.authorityPair, this.intermediatePair].some(isThere);
  }

  /** Whether it belongs to a member of a fleet, whose authority is elsewhere. */
  get isMember(): boolean {
    return exists(this.memberFile) && !exists(this.authorityKeyFile) && !exists(this.intermediateKeyFile);
  }

  /** Throws `member-folder` where only the folder of an authority will do. */
  refuseMember(
    hint = '`natspki renew` renews what is here; for more, on the host of the authority: `natspki invite`',
  ): void {
    if (!this.isMember) return;
    const message = `"${this.path}" is the folder of a member: its authority is on another host`;
    throw new NatspkiError('member-folder', message, { hint });
  }

  /** Reads the trust bundle; throws `no-authority` when there is none. */
  async readBundle(): Promise<[Certificate, ...Certificate[]]> {
    if (!exists(this.authorityFile)) {
      throw new NatspkiError('no-authority', `no authority in "${this.path}"`, {
        hint: 'make one with `natspki init`, or name its folder with --dir',
      });
    }
    return readCertificates(await this.read(this.authorityFile), this.authorityFile);
  }

  /** Reads the certificates between leaves and root, the issuer first; none where the root signs leaves itself. */
  async readIntermediates(): Promise<Certificate[]> {
    return this.#readWhereThere(this.intermediateFile);
  }

  /** Reads the current root signed by the previous one, to follow each leaf; none outside of a rotation. */
  async readCrossSigned(): Promise<Certificate[]> {
    return this.#readWhereThere(this.chainFile);
  }

  /** Returns where peers ask whether certificates that are issued from now on are revoked. Throws `damaged-settings`. */
  async addresses(): Promise<StatusAddresses> {
    const { ocsp, crl } = this.#changedAddresses ?? {};
    if (ocsp !== undefined && crl !== undefined) return { ocsp, crl };
    return { ...(await readAddresses(this.path, this.settingsFile)), ...this.#changedAddresses };
  }

  /** Changes the addresses for this command's certificates and all later ones: the next write contains the change. */
  changeAddresses(change: Partial<StatusAddresses>): void {
    if (Object.keys(change).length > 0) this.#changedAddresses = change;
  }

  /** Reads the authority that signs leaves, with its key; throws a NatspkiError when it cannot sign. */
  async readAuthority(passphrase?: string): Promise<Authority> {
    this.refuseMember();
    const roots = await this.readBundle();
    const intermediates = await this.readIntermediates();
    return this.#open(this.issuerPair, roots, intermediates, passphrase);
  }

  /** Reads the root with its key, which signs intermediates; throws `root-key-away` when the key is stored elsewhere. */
  async readRoot(passphrase?: string): Promise<Authority> {
    const roots = await this.readBundle();
    this.refuseRootKeyAway(roots[0]);
    return this.#open(this.authorityPair, roots, [], passphrase);
  }

  /** Throws `root-key-away` unless the key of the root is in the folder. */
  refuseRootKeyAway({ commonName }: Certificate): void {
    if (exists(this.authorityKeyFile)) return;
    throw new NatspkiError(
      'root-key-away',
      `the key of authority "${commonName}" is not in "${this.path}", and this command needs it`,
      { hint: `copy it to "${this.authorityKeyFile}", and remove it again afterwards` },
    );
  }

  async #open(
    { certificateFile, keyFile }: PairFiles,
    roots: readonly [Certificate, ...Certificate[]],
    intermediates: readonly Certificate[],
    passphrase: string | undefined,
  ): Promise<Authority> {
    const key = decodePrivateKey(await this.read(keyFile), keyFile, passphrase);
    const [crossSigned, addresses] = [await this.readCrossSigned(), await this.addresses()];
    const parts = { roots, intermediates, crossSigned, key, addresses };
    return new Authority(parts, { certificate: certificateFile, key: keyFile });
  }

  /** Lists the sorted names with a certificate, the sorted names with a key, and the paths of temporary files. */
  async contents(): Promise<{ certificates: string[]; keys: string[]; leftovers: string[] }> {
    const folder = this.pairFolder;
    const files = await promises.readdir(folder).catch((error) => {
      if (isCode(error, 'ENOENT')) return [];
      throw fileError(error, 'read', folder);
    });
    const own = [this.authorityKeyFile, this.intermediateKeyFile];
    const visible = files.filter((file) => !file.startsWith('.') && !own.includes(join(folder, file)));
    const named = (suffix: string) =>
      visible
        .filter((file) => file.endsWith(suffix))
        .map((file) => file.slice(0, -suffix.length))
        .sort();
    return {
      certificates: named('-cert.pem'),
      keys: named('-key.pem'),
      leftovers: files.filter(isTemporaryName).map((file) => join(folder, file)),
    };
  }

  /** Reads the certificate of a name and its chain, as they are in its file. */
  async readChain(name: string): Promise<[Certificate, ...Certificate[]]> {
    const file = this.certificateFile(name);
    return readCertificates(await this.read(file), file);
  }

  /** Reads a pair, or a file in the folder or its archive; throws as readOwnFile does. */
  async read(file: string): Promise<Buffer> {
    return readOwnFile(dirname(file) === this.pairFolder ? this.pairFolder : this.path, file);
  }

  /** Throws `certificate-exists` when a certificate or key file of one of the pairs exists. */
  async refuseExistingPairs(pairs: readonly PairFiles[]): Promise<void> {
    const [first, ...others] = pairs.filter(isThere);
    if (first === undefined) return;
    const more = others.length === 0 ? '' : ` and ${others.length} more`;
    const folder = dirname(first.certificateFile);
    const half = exists(first.certificateFile) ? 'certificate' : 'the key of certificate';
    throw new NatspkiError(
      'certificate-exists',
      `${half} "${first.name}"${more} already exists in "${folder}"`,
      {
        hint: `renew it with \`natspki rotate ${first.name}\`, or pass --force to replace it`,
      },
    );
  }

  /** Returns whether a path leads to this folder, also when it differs by links. */
  isAt(path: string): boolean {
    return resolveTarget(path) === resolveTarget(this.path);
  }

  /**
   * Executes a change in one step, which also moves replaced pairs and configurations to the archive. Call it only inside
   * `exclusive`. Throws as writeTogether does.
   * @returns the archive paths of the replaced configurations
   */
  async write(change: Change, now: Date): Promise<string[]> {
    const { entries = [], pairs = [], retired = [], configurations = [], others = [], removed = [] } = change;
    const writes: FileWrite[] = [];
    const removals: string[] = [...removed];
    for (const pair of retired.filter(isThere)) {
      writes.push(...(await this.archive.pair(pair, this.isAt(dirname(pair.certificateFile)), now)));
      removals.push(pair.certificateFile, pair.keyFile);
    }
    for (const pair of pairs) {
      if (isThere(pair)) {
        writes.push(...(await this.archive.pair(pair, this.isAt(dirname(pair.certificateFile)), now)));
        if (pair.key === undefined) removals.push(pair.keyFile);
      }
      writes.push({ path: pair.certificateFile, data: pair.certificate, mode: 0o644 });
      if (pair.key !== undefined) writes.push({ path: pair.keyFile, data: pair.key, mode: 0o600 });
    }
    const kept: FileWrite[] = [];
    for (const file of configurations) kept.push(...(await this.archive.configuration(file, now)));
    // An operator may keep a configuration in another place, behind a link.
    writes.push(...configurations.map((file) => ({ ...file, followLinks: true })), ...others);
    const lines = entries.length === 0 ? [] : [await this.ledger.append(entries)];
    const all = [...lines, ...(await this.#settings()), ...kept, ...writes];
    if (all.length + removals.length > 0) await writeTogether(this.#state, all, removals);
    this.#changedAddresses = undefined;
    return kept.map(({ path }) => path);
  }

  async #settings(): Promise<FileWrite[]> {
    if (this.#changedAddresses === undefined) return [];
    const addresses = await this.addresses();
    const isNew = exists(this.settingsFile) || addresses.ocsp.length + addresses.crl.length > 0;
    return isNew ? [addressesWrite(this.settingsFile, addresses)] : [];
  }

  /** Returns the archive paths of the most recently replaced pair of a name; undefined when there is none. */
  async lastArchived(name: string): Promise<PairFiles | undefined> {
    const folder = await this.archive.last(name);
    return folder === undefined ? undefined : this.pair(name, folder);
  }

  /** Returns the archived pairs of an authority, oldest first, with the names that their files have in the folder. */
  async archivedPairs(name: 'ca' | 'intermediate'): Promise<PairFiles[]> {
    const { certificateFile, keyFile } = name === 'ca' ? this.authorityPair : this.intermediatePair;
    return this.archive.all(name).map((folder) => ({
      name,
      certificateFile: join(folder, basename(certificateFile)),
      keyFile: join(folder, basename(keyFile)),
    }));
  }

  async #readWhereThere(file: string): Promise<Certificate[]> {
    return exists(file) ? readCertificates(await this.read(file), file) : [];
  }
}

/**
 * Throws a UsageError unless a name is usable for a certificate and its files: not a path, and not a name of the
 * authority.
 */
export function checkName(name: string): void {
  if (name.length > maximumCommonName) {
    throw new UsageError(
      `name "${name.slice(0, maximumCommonName - 1)}…" has ${name.length} characters, a common name holds at most ${maximumCommonName}`,
    );
  }
  if (!/^[A-Za-z0-9_][A-Za-z0-9._@+-]*$/.test(name)) {
    throw new UsageError(
      `name "${name}" cannot be that of a file, expected letters, digits and . _ @ + -`,
      'give another name, and what peers look for with --san',
    );
  }
  // On a file system that ignores case, CA-key.pem is the key of the authority.
  if (['ca', 'intermediate'].includes(name.toLowerCase())) {
    throw new UsageError(`name "${name}" is the authority's own`, 'give another name');
  }
}

/** Throws a UsageError unless all names are usable and distinct. */
export function checkNames(names: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    checkName(name);
    const other = seen.get(name.toLowerCase());
    if (other !== undefined) {
      const clash =
        other === name ? `"${name}" is given twice` : `"${other}" and "${name}" differ only in case`;
      throw new UsageError(`name ${clash}`);
    }
    seen.set(name.toLowerCase(), name);
  }
}

function isThere(pair: PairFiles): boolean {
  return exists(pair.certificateFile) || exists(pair.keyFile);
}
