// The folder of an authority: every path in it, every read and write, and who may write when. What was replaced is
// archive.ts's.
import { promises } from 'node:fs';
import { dirname, join } from 'node:path';
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
import { readOwnFile, refuseForeign } from '../../files/own-files.ts';
import { finishStaged, unfinishedWork, writeTogether } from '../../files/transaction.ts';
import { type Certificate, readCertificates } from '../../x509/certificate.ts';
import { maximumCommonName } from '../../x509/distinguished-name.ts';
import { decodePrivateKey } from '../../x509/key.ts';
import { Archive } from './archive.ts';
import { Authority } from './authority.ts';
import { Ledger, type LedgerEntry, type Revocation } from './ledger.ts';

/** The two files of a certificate. */
export interface PairFiles {
  /** `ca` for the root, `intermediate` for what stands between it and the leaves. */
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
  /** For the ledger: what was signed, and what was revoked. */
  readonly entries?: readonly (LedgerEntry | Revocation)[];
  readonly pairs?: readonly PairWrite[];
  /** Pairs that go to the archive with nothing in their place; those that are not there are passed over. */
  readonly retired?: readonly PairFiles[];
  /** Files that their owner may have edited; what they replace goes to the archive. */
  readonly configurations?: readonly FileWrite[];
  readonly others?: readonly FileWrite[];
  /** Paths. */
  readonly removed?: readonly string[];
}

export class PkiDirectory {
  readonly path: string;
  /** The trust bundle, the current root first. */
  readonly authorityFile: string;
  readonly authorityKeyFile: string;
  /** What stands between leaves and root, the one that signs first; missing where the root signs leaves itself. */
  readonly intermediateFile: string;
  readonly intermediateKeyFile: string;
  /** What the root before says of the current one, to go behind each leaf; missing outside of a rotation. */
  readonly chainFile: string;
  readonly ledger: Ledger;
  readonly #state: string;
  readonly #archive: Archive;
  readonly #recovered: string[] = [];

  constructor(path: string) {
    this.path = path;
    this.authorityFile = join(path, 'ca.pem');
    this.authorityKeyFile = join(path, 'ca-key.pem');
    this.intermediateFile = join(path, 'intermediate.pem');
    this.intermediateKeyFile = join(path, 'intermediate-key.pem');
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

  get intermediatePair(): PairFiles {
    const [certificateFile, keyFile] = [this.intermediateFile, this.intermediateKeyFile];
    return { name: 'intermediate', certificateFile, keyFile };
  }

  /** The pair that signs leaves: the root's own where there is no intermediate. */
  get issuerPair(): PairFiles {
    return exists(this.intermediateFile) ? this.intermediatePair : this.authorityPair;
  }

  /**
   * Runs `work` while no other process writes to the folder, after completing what a killed one left behind; makes the
   * folder when it is missing.
   */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    refuseForeign(this.path, join(this.#state, 'staged.json'));
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
   * Completes what a killed process left behind, for commands that only read. Where we may not write, or another
   * process is at work, it leaves that alone.
   */
  async settle(): Promise<void> {
    refuseForeign(this.path, join(this.#state, 'staged.json'));
    const unfinished = unfinishedWork(this.#state);
    if (unfinished === undefined) return;
    try {
      // Work that is decided takes a moment; undecided work may be a process that is still at it.
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

  /** Says, once, what has been done here about commands that were killed, a line each. */
  tellRecovery(): string[] {
    return this.#recovered.splice(0);
  }

  async #tidyUp(): Promise<void> {
    const { completed, undone } = await finishStaged(this.#state);
    if (undone) this.#recovered.push('undid what a killed command had begun, before it had changed anything');
    if (completed > 0)
      this.#recovered.push(
        `put ${completed === 1 ? '1 file' : `${completed} files`} into place that a killed command had left`,
      );
  }

  hasAuthority(): boolean {
    return [this.authorityPair, this.intermediatePair].some(isThere);
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

  /** Reads what stands between leaves and root, the one that signs first; nothing where the root signs leaves itself. */
  async readIntermediates(): Promise<Certificate[]> {
    return this.#readWhereThere(this.intermediateFile);
  }

  /** Reads what the root before says of the current one, to go behind each leaf; nothing outside of a rotation. */
  async readVouchers(): Promise<Certificate[]> {
    return this.#readWhereThere(this.chainFile);
  }

  /** Reads the authority that signs leaves, with its key; throws what says why it cannot sign. */
  async readAuthority(passphrase?: string): Promise<Authority> {
    const roots = await this.readBundle();
    const intermediates = await this.readIntermediates();
    return this.#open(this.issuerPair, roots, intermediates, passphrase);
  }

  /** Reads the root with its key, which signs intermediates; throws `root-key-away` where that has been taken away. */
  async readRoot(passphrase?: string): Promise<Authority> {
    const roots = await this.readBundle();
    this.refuseRootKeyAway(roots[0]);
    return this.#open(this.authorityPair, roots, [], passphrase);
  }

  /** Throws `root-key-away` unless the key of the root is here. */
  refuseRootKeyAway({ commonName }: Certificate): void {
    if (exists(this.authorityKeyFile)) return;
    throw new NatspkiError(
      'root-key-away',
      `the key of authority "${commonName}" is not in "${this.path}", where this needs it`,
      { hint: `bring it back as "${this.authorityKeyFile}", and take it away again afterwards` },
    );
  }

  async #open(
    { certificateFile, keyFile }: PairFiles,
    roots: readonly [Certificate, ...Certificate[]],
    intermediates: readonly Certificate[],
    passphrase: string | undefined,
  ): Promise<Authority> {
    const key = decodePrivateKey(await this.read(keyFile), keyFile, passphrase);
    const parts = { roots, intermediates, vouchers: await this.readVouchers(), key };
    return new Authority(parts, { certificate: certificateFile, key: keyFile });
  }

  /** Lists what is here, in order: the names that have a certificate, those that have a key, and temporary files. */
  async contents(): Promise<{ certificates: string[]; keys: string[]; leftovers: string[] }> {
    const files = await promises.readdir(this.path).catch((error) => {
      if (isCode(error, 'ENOENT')) return [];
      throw fileError(error, 'read', this.path);
    });
    const own = [this.authorityKeyFile, this.intermediateKeyFile];
    const visible = files.filter((file) => !file.startsWith('.') && !own.includes(join(this.path, file)));
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
    return readCertificates(await this.read(file), file);
  }

  /** Reads a file of the folder, the archive included; throws as readOwnFile does. */
  async read(file: string): Promise<Buffer> {
    return readOwnFile(this.path, file);
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
  holds(pair: PairFiles): boolean {
    return resolveTarget(dirname(pair.certificateFile)) === resolveTarget(this.path);
  }

  /**
   * Carries out a change in one step; the pairs and configurations that it replaces go to the archive in the same step.
   * Only inside `exclusive`. Throws as writeTogether does.
   * @returns where configurations that were replaced are now
   */
  async write(change: Change, now: Date): Promise<string[]> {
    const { entries = [], pairs = [], retired = [], configurations = [], others = [], removed = [] } = change;
    const writes: FileWrite[] = [];
    const removals: string[] = [...removed];
    for (const pair of retired.filter(isThere)) {
      writes.push(...(await this.#archive.pair(pair, this.holds(pair), now)));
      removals.push(pair.certificateFile, pair.keyFile);
    }
    for (const pair of pairs) {
      if (isThere(pair)) {
        writes.push(...(await this.#archive.pair(pair, this.holds(pair), now)));
        if (pair.key === undefined) removals.push(pair.keyFile);
      }
      writes.push({ path: pair.certificateFile, data: pair.certificate, mode: 0o644 });
      if (pair.key !== undefined) writes.push({ path: pair.keyFile, data: pair.key, mode: 0o600 });
    }
    const kept: FileWrite[] = [];
    for (const file of configurations) kept.push(...(await this.#archive.configuration(file, now)));
    // An operator may keep a configuration elsewhere, behind a link.
    writes.push(...configurations.map((file) => ({ ...file, followLinks: true })), ...others);
    const lines = entries.length === 0 ? [] : [await this.ledger.with(entries)];
    await writeTogether(this.#state, [...lines, ...kept, ...writes], removals);
    return kept.map(({ path }) => path);
  }

  /** Names the files of the pair of this folder that was replaced last, undefined when the archive has none. */
  async lastArchived(name: string): Promise<PairFiles | undefined> {
    const folder = await this.#archive.last(name);
    return folder === undefined ? undefined : this.pair(name, folder);
  }

  async #readWhereThere(file: string): Promise<Certificate[]> {
    return exists(file) ? readCertificates(await this.read(file), file) : [];
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
  if (['ca', 'intermediate'].includes(name.toLowerCase())) {
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
