// The folder of an authority: every path in it, every read and write, and who may write when. What was replaced is
// archive.ts's.
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NatspkiError, UsageError } from '../errors.ts';
import {
  exists,
  type FileWrite,
  fileError,
  isCode,
  isTemporaryName,
  makeDirectory,
  readRegularFile,
  resolveEntry,
  resolveTarget,
} from '../files.ts';
import { acquireLock } from '../lock.ts';
import { finishStaged, unfinishedWork, writeTogether } from '../staging.ts';
import { type Certificate, readCertificates } from '../x509/certificate.ts';
import { maximumCommonName } from '../x509/distinguished-name.ts';
import { decodePrivateKey } from '../x509/key.ts';
import { Archive } from './archive.ts';
import { Authority } from './authority.ts';
import { Ledger, type LedgerEntry } from './ledger.ts';

/** The two files of a certificate. */
export interface PairFiles {
  /** `ca` for the authority. */
  readonly name: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A pair to be written, in PEM. */
export interface PairWrite extends PairFiles {
  readonly certificate: string;
  /** Undefined when the key stays where it was made: one that is here then goes to the archive. */
  readonly key: string | undefined;
}

/** What is written in one step: all of it or nothing. */
export interface Change {
  /** For the ledger: what was signed. */
  readonly entries?: readonly LedgerEntry[];
  readonly pairs?: readonly PairWrite[];
  /** Files that their owner may have edited; what they replace goes to the archive. */
  readonly configurations?: readonly FileWrite[];
  readonly others?: readonly FileWrite[];
  /** Paths. */
  readonly removed?: readonly string[];
}

export class PkiDirectory {
  readonly path: string;
  /** The trust bundle, the current authority first. */
  readonly authorityFile: string;
  readonly authorityKeyFile: string;
  /** What goes behind each leaf while one authority succeeds another; missing at other times. */
  readonly chainFile: string;
  readonly ledger: Ledger;
  readonly #state: string;
  readonly #archive: Archive;

  constructor(path: string) {
    this.path = path;
    this.authorityFile = join(path, 'ca.pem');
    this.authorityKeyFile = join(path, 'ca-key.pem');
    this.#state = join(path, '.natspki');
    this.#archive = new Archive(this.#state);
    this.chainFile = join(this.#state, 'chain.pem');
    this.ledger = new Ledger(join(this.#state, 'ledger'));
  }

  certificateFile(name: string): string {
    return this.pair(name).certificateFile;
  }

  keyFile(name: string): string {
    return this.pair(name).keyFile;
  }

  /** Names the files of a pair, here or in another folder. */
  pair(name: string, folder = this.path): PairFiles {
    return {
      name,
      certificateFile: join(folder, `${name}-cert.pem`),
      keyFile: join(folder, `${name}-key.pem`),
    };
  }

  get authorityPair(): PairFiles {
    return { name: 'ca', certificateFile: this.authorityFile, keyFile: this.authorityKeyFile };
  }

  /**
   * Runs `work` while no other process writes to the folder, after completing what a killed one left behind; makes the
   * folder when it is missing.
   * @param work is told how many files were still to be put into place
   */
  async exclusive<T>(work: (recovered: number) => Promise<T>): Promise<T> {
    await makeDirectory(this.#state);
    const lock = await acquireLock(join(this.#state, 'lock'));
    try {
      return await work(await finishStaged(this.#state));
    } finally {
      await lock.release();
    }
  }

  /**
   * Completes what a killed process left behind, for commands that only read. Where we may not write, or another
   * process is at work, it leaves that alone.
   */
  async settle(): Promise<void> {
    const unfinished = unfinishedWork(this.#state);
    if (unfinished === undefined) return;
    try {
      // Work that is decided takes a moment; undecided work may be a process that is still at it.
      const lock = await acquireLock(
        join(this.#state, 'lock'),
        unfinished === 'staged' ? { timeoutMs: 0 } : {},
      );
      await finishStaged(this.#state).finally(() => lock.release());
    } catch (error) {
      const passing = ['locked', 'permission-denied', 'read-only'];
      if (!(error instanceof NatspkiError && passing.includes(error.code))) throw error;
    }
  }

  hasAuthority(): boolean {
    return exists(this.authorityFile) || exists(this.authorityKeyFile);
  }

  /** Reads the trust bundle; throws `no-authority` when there is none. */
  async readBundle(): Promise<[Certificate, ...Certificate[]]> {
    if (!exists(this.authorityFile)) {
      throw new NatspkiError('no-authority', `no authority in "${this.path}"`, {
        hint: 'make one with `natspki init`, or name its folder with --dir',
      });
    }
    return readCertificates(await readRegularFile(this.authorityFile), this.authorityFile);
  }

  /** Reads the authority with its key; throws what says why it cannot sign. */
  async readAuthority(passphrase?: string): Promise<Authority> {
    const bundle = await this.readBundle();
    const key = decodePrivateKey(
      await readRegularFile(this.authorityKeyFile),
      this.authorityKeyFile,
      passphrase,
    );
    const source = { bundle: this.authorityFile, key: this.authorityKeyFile };
    return new Authority(bundle, key, source, await this.readVouchers());
  }

  /** Reads what the authority before says of the current one, to go behind each leaf; nothing outside a rotation. */
  async readVouchers(): Promise<Certificate[]> {
    if (!exists(this.chainFile)) return [];
    return readCertificates(await readRegularFile(this.chainFile), this.chainFile);
  }

  /** Lists what is here, in order: the names that have a certificate, those that have a key, and temporary files. */
  async contents(): Promise<{ certificates: string[]; keys: string[]; leftovers: string[] }> {
    const files = await readdir(this.path).catch((error) => {
      if (isCode(error, 'ENOENT')) return [];
      throw fileError(error, 'read', this.path);
    });
    const visible = files.filter(
      (file) => !file.startsWith('.') && join(this.path, file) !== this.authorityKeyFile,
    );
    const named = (suffix: string) =>
      visible
        .filter((file) => file.endsWith(suffix))
        .map((file) => file.slice(0, -suffix.length))
        .sort();
    return {
      certificates: named('-cert.pem'),
      keys: named('-key.pem'),
      leftovers: files.filter(isTemporaryName).map((file) => join(this.path, file)),
    };
  }

  /** Reads the certificate of a name and those that follow it in its file. */
  async readChain(name: string): Promise<[Certificate, ...Certificate[]]> {
    const file = this.certificateFile(name);
    return readCertificates(await readRegularFile(file), file);
  }

  /** Throws `certificate-exists` when one of the pairs, or half of it, is there already. */
  async refuseExisting(pairs: readonly PairFiles[]): Promise<void> {
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

  /** Tells whether the files of a pair are in this folder, by whatever path. */
  async holds(pair: PairFiles): Promise<boolean> {
    const [folder, path] = await Promise.all([dirname(pair.certificateFile), this.path].map(resolveTarget));
    return folder === path;
  }

  /**
   * Carries out a change in one step; the pairs and configurations that it replaces go to the archive in the same step.
   * Only inside `exclusive`. Throws `linked-file` rather than write through a link into a file of another name here.
   * @returns where configurations that were replaced are now
   */
  async write(change: Change, now: Date): Promise<string[]> {
    const { entries = [], pairs = [], configurations = [], others = [], removed = [] } = change;
    const writes: FileWrite[] = [];
    const removals: string[] = [...removed];
    for (const pair of pairs) {
      if (isThere(pair)) {
        writes.push(...(await this.#archive.pair(pair, await this.holds(pair), now)));
        if (pair.key === undefined) removals.push(pair.keyFile);
      }
      writes.push({ path: pair.certificateFile, data: pair.certificate, mode: 0o644 });
      if (pair.key !== undefined) writes.push({ path: pair.keyFile, data: pair.key, mode: 0o600 });
    }
    const kept: FileWrite[] = [];
    for (const file of configurations) kept.push(...(await this.#archive.configuration(file, now)));
    writes.push(...configurations, ...others);
    for (const { path } of writes) await this.#refuseLink(path);
    const lines = entries.length === 0 ? [] : [await this.ledger.with(entries)];
    await writeTogether(this.#state, [...lines, ...kept, ...writes], removals);
    return kept.map(({ path }) => path);
  }

  /** Names the files of the pair of this folder that was replaced last, undefined when the archive has none. */
  async lastArchived(name: string): Promise<PairFiles | undefined> {
    const folder = await this.#archive.last(name);
    return folder === undefined ? undefined : this.pair(name, folder);
  }

  async #refuseLink(path: string): Promise<void> {
    const [target, entry, folder] = await Promise.all([
      resolveTarget(path),
      resolveEntry(path),
      resolveTarget(this.path),
    ]);
    if (target === entry || dirname(target) !== folder) return;
    throw new NatspkiError('linked-file', `"${path}" is a link to "${join(this.path, basename(target))}"`, {
      hint: `rm "${path}"`,
    });
  }
}

/**
 * Throws a UsageError unless a name can be that of a certificate and of its files: no path, no clash with the
 * authority's files.
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
  // On a file system that ignores case, CA-key.pem is the authority's.
  if (name.toLowerCase() === 'ca') {
    throw new UsageError(`name "${name}" is the authority's own`, 'give another name');
  }
}

/** Throws a UsageError unless all names can be used, together. */
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
