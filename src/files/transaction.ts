// Changes several files together: after a crash at any moment, either all of them have changed or none. It takes no lock;
// the caller holds the lock of the folder that contains the journal.
//
// All new files are first written in full beside the old ones, under temporary names that `staged.json` lists beforehand.
// Renaming that list to `journal.json` commits the change; then each file is renamed into place. At the start of the next
// command, finishStaged discards files that only `staged.json` names and completes what `journal.json` names.
// A journal in a shared folder is untrusted: entries that name anything but our temporary files are rejected, and so are
// removals outside the folder.
import { lstatSync, renameSync, unlinkSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { NatspkiError } from '../errors.ts';
import {
  createFile,
  exists,
  type FileWrite,
  fileError,
  inheritGroupAccess,
  isCode,
  isTemporaryOf,
  makeDirectory,
  removeIfThere,
  resolveEntry,
  resolveTarget,
  statsOf,
  syncFolder,
  temporaryName,
} from './files.ts';
import { linkedFile, readOwnFile, refuseForeign } from './own-files.ts';

interface Plan {
  /** Paths below the parent of the journal folder are relative to that parent, so that it can be moved. */
  readonly renames: readonly Rename[];
  /** Only paths below that parent. */
  readonly removals: readonly string[];
}

interface Rename {
  /** A temporary file of ours, in the folder of the file that it becomes. */
  readonly from: string;
  readonly to: string;
}

/** Number of files that are written in parallel: the disk handles many at once, but each one is an open file. */
const writers = 64;

/**
 * Writes all of `writes` and removes all of `removals` in one step. Existing files keep their owner and what their group
 * may read, and missing folders are created with mode 0700. Links are followed only where a write says so: throws
 * `linked-file`, and what else refuseForeign throws, for what natspki did not make in the folder. After a crash, a removal outside of the folder may not have happened. Throws a NatspkiError
 * and changes nothing when a file cannot be written; throws `same-file` when two of the paths are the same file.
 */
export async function writeTogether(
  journalFolder: string,
  writes: readonly FileWrite[],
  removals: readonly string[] = [],
): Promise<void> {
  const folder = dirname(journalFolder);
  for (const path of [
    ...writes.filter(({ followLinks }) => !followLinks).map(({ path }) => path),
    ...removals,
  ]) {
    refuseForeign(folder, path);
  }
  await eachOf(foldersOf(writes.map(({ path }) => path)), (parent) => makeDirectory(parent));
  const base = resolveTarget(folder);
  const targets = writes.map(({ path, followLinks }) => (followLinks ? resolveTarget(path) : unlinked(path)));
  const leaving = removals.map(resolveEntry);
  refuseSame([...writes.map(({ path }) => path), ...removals], [...targets, ...leaving]);
  const temporaries = targets.map(temporaryName);
  const plan: Plan = {
    renames: targets.map((to, i) => ({
      from: within(base, temporaries[i] as string),
      to: within(base, to),
    })),
    removals: leaving.map((path) => within(base, path)).filter((path) => !isAbsolute(path)),
  };
  const staged = join(journalFolder, 'staged.json');
  try {
    targets.forEach(refuseFolder);
    await attempt(staged, async () => {
      await createFile(staged, JSON.stringify(plan), 0o600);
      await syncFolder(journalFolder);
    });
    await eachOf(writes, async ({ path, data, mode }, i) => {
      const temporary = temporaries[i] as string;
      const old = statsOf(targets[i] as string);
      await attempt(path, () => createFile(temporary, data, mode));
      if (old !== undefined) inheritGroupAccess(temporary, old);
    });
    await eachOf(foldersOf(targets), syncFolder);
    await attempt(staged, () => renameSync(staged, join(journalFolder, 'journal.json')));
  } catch (error) {
    discard(journalFolder, plan);
    throw error;
  }
  await attempt(journalFolder, () => syncFolder(journalFolder));
  await complete(journalFolder, plan);
  await eachOf(leaving, remove);
}

/** What finishStaged did about a killed command. */
export interface Recovery {
  /** Number of files that were renamed into place because the command had committed its change. */
  readonly completed: number;
  /** Whether the command had written files without committing them; they are removed now. */
  readonly undone: boolean;
}

/** Cleans up after a killed command: discards a change that was not committed, completes one that was. */
export async function finishStaged(journalFolder: string): Promise<Recovery> {
  const staged = join(journalFolder, 'staged.json');
  const undone = exists(staged);
  // A torn list was still being written, so none of the files that it would name exists yet.
  if (undone) discard(journalFolder, (await readPlan(staged)) ?? { renames: [], removals: [] });
  const journal = join(journalFolder, 'journal.json');
  if (!exists(journal)) return { completed: 0, undone };
  const decided = await readPlan(journal);
  if (decided === undefined) throw damaged(journal);
  await complete(journalFolder, decided);
  return { completed: decided.renames.length, undone };
}

/** Returns what a killed or running command has left: an uncommitted (`staged`) or incomplete (`decided`) change. */
export function unfinishedWork(journalFolder: string): 'staged' | 'decided' | undefined {
  if (exists(join(journalFolder, 'journal.json'))) return 'decided';
  return exists(join(journalFolder, 'staged.json')) ? 'staged' : undefined;
}

async function complete(journalFolder: string, plan: Plan): Promise<void> {
  const base = resolveTarget(dirname(journalFolder));
  const changed = [...plan.renames.map(({ to }) => to), ...plan.removals].map((path) => resolve(base, path));
  await eachOf(plan.renames, async ({ from, to }) => {
    const target = resolve(base, to);
    refuseForeign(base, resolve(base, from));
    // A missing source was already renamed before the crash.
    await attempt(target, () => ignoringMissing(() => renameSync(resolve(base, from), target)));
  });
  await eachOf(plan.removals, async (path) => {
    refuseForeign(base, resolve(base, path));
    await remove(resolve(base, path));
  });
  await eachOf(foldersOf(changed), (folder) => syncFolder(folder).catch(passMissing));
  await attempt(journalFolder, async () => {
    unlinkSync(join(journalFolder, 'journal.json'));
    await syncFolder(journalFolder);
  });
}

function discard(journalFolder: string, plan: Plan): void {
  const base = resolveTarget(dirname(journalFolder));
  for (const { from } of plan.renames) removeIfThere(resolve(base, from));
  removeIfThere(join(journalFolder, 'staged.json'));
}

async function remove(path: string): Promise<void> {
  await attempt(path, () => ignoringMissing(() => unlinkSync(path)));
}

/** Reads a plan; undefined when it is torn. Throws `damaged-journal` for one that writeTogether would not write. */
async function readPlan(path: string): Promise<Plan | undefined> {
  let plan: unknown;
  try {
    plan = JSON.parse((await readOwnFile(dirname(dirname(path)), path)).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const base = resolveTarget(dirname(dirname(path)));
  if (!isPlan(plan)) throw damaged(path);
  for (const removal of plan.removals) {
    const entry = resolveEntry(resolve(base, removal));
    if (isAbsolute(within(base, entry))) throw damaged(path);
  }
  for (const { from } of plan.renames) {
    if (!isOwn(base, resolve(base, from))) throw damaged(path);
  }
  return plan;
}

/** Returns whether a temporary file of a journal is one that writeTogether would have made, or is gone already. */
function isOwn(base: string, path: string): boolean {
  try {
    refuseForeign(base, path);
    // Outside of the folder, where the journal may name the configuration of a server.
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
  } catch {
    return false;
  }
}

/** Returns the file that a write to `path` replaces; throws `linked-file` for a link. */
function unlinked(path: string): string {
  const entry = resolveEntry(path);
  if (lstatSync(entry, { throwIfNoEntry: false })?.isSymbolicLink()) throw linkedFile(path);
  return entry;
}

function isPlan(value: unknown): value is Plan {
  const { renames, removals } = (value ?? {}) as { [K in keyof Plan]?: unknown };
  return (
    Array.isArray(renames) &&
    renames.every(isRename) &&
    Array.isArray(removals) &&
    removals.every((removal) => typeof removal === 'string')
  );
}

function isRename(value: unknown): value is Rename {
  const { from, to } = (value ?? {}) as { [K in keyof Rename]?: unknown };
  if (typeof from !== 'string' || typeof to !== 'string') return false;
  return dirname(from) === dirname(to) && isTemporaryOf(basename(from), basename(to));
}

function damaged(path: string): NatspkiError {
  return new NatspkiError('damaged-journal', `"${path}" was not written by natspki`, {
    hint: `if the folder is yours, inspect the file and remove it: rm "${path}"`,
  });
}

/** Throws `same-file` when two of the given paths resolve to the same file. */
function refuseSame(given: readonly string[], resolved: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const [i, path] of resolved.entries()) {
    const other = seen.get(path);
    if (other !== undefined) {
      const what = given[i] === other ? 'would be written twice' : `and "${other}" are the same file`;
      throw new NatspkiError('same-file', `"${given[i]}" ${what}`);
    }
    seen.set(path, given[i] as string);
  }
}

function refuseFolder(target: string): void {
  if (statsOf(target)?.isDirectory()) {
    throw new NatspkiError('not-a-file', `"${target}" is a folder, expected a file`);
  }
}

function foldersOf(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => dirname(path)))];
}

async function eachOf<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) await work(items[i] as T, i);
  };
  const results = await Promise.allSettled(Array.from({ length: writers }, worker));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function attempt(path: string, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}

function ignoringMissing(work: () => void): void {
  try {
    work();
  } catch (error) {
    passMissing(error);
  }
}

function passMissing(error: unknown): void {
  if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
}

/** Returns a path below `base` relative to it, any other path unchanged; both are absolute, without links and dots. */
function within(base: string, path: string): string {
  const inside = base.endsWith(sep) ? base : `${base}${sep}`;
  return path.startsWith(inside) ? path.slice(inside.length) : path;
}
