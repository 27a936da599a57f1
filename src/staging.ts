// Several files that change together: all of them, or none, whatever the moment of a crash. Nothing here locks; the
// caller holds the lock of the folder that the journal is in.
//
// All new files are written whole beside the old ones, under temporary names that `staged.json` lists beforehand;
// renaming that list to `journal.json` is the moment at which the change has happened; then each file is renamed into
// place. finishStaged, at the start of the next command, throws away what only `staged.json` names and completes what
// `journal.json` names.
import { rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { NatspkiError } from './errors.ts';
import {
  createFile,
  exists,
  type FileWrite,
  fileError,
  isCode,
  makeDirectory,
  readFile,
  resolveTarget,
  syncFolder,
  temporaryName,
} from './files.ts';

interface Plan {
  /** Paths are relative to the folder above the journal's where they are inside it, so that it can be moved. */
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  readonly removals: readonly string[];
}

/** As many as node's thread pool works on at a time. */
const writers = 4;

/**
 * Writes all of `writes` and removes all of `removals` in one step. Makes the folders that are missing, 0700.
 * Throws a NatspkiError, and leaves everything as it was, when one of the files cannot be written.
 */
export async function writeTogether(
  journalFolder: string,
  writes: readonly FileWrite[],
  removals: readonly string[] = [],
): Promise<void> {
  const base = await resolveTarget(dirname(journalFolder));
  const targets = await Promise.all(writes.map(({ path }) => resolveTarget(path)));
  const temporaries = targets.map(temporaryName);
  const plan: Plan = {
    renames: targets.map((to, i) => ({
      from: within(base, temporaries[i] as string),
      to: within(base, to),
    })),
    removals: removals.map((path) => within(base, path)),
  };
  const staged = join(journalFolder, 'staged.json');
  try {
    for (const folder of new Set(targets.map((target) => dirname(target)))) await makeDirectory(folder);
    await eachOf(targets, refuseFolder);
    await attempt(staged, async () => {
      await createFile(staged, JSON.stringify(plan), 0o600);
      await syncFolder(journalFolder);
    });
    await eachOf(writes, async ({ path, data, mode }, i) => {
      await attempt(path, () => createFile(temporaries[i] as string, data, mode));
    });
    for (const folder of new Set(targets.map((target) => dirname(target)))) await syncFolder(folder);
    await attempt(staged, () => rename(staged, join(journalFolder, 'journal.json')));
  } catch (error) {
    await discard(journalFolder, plan);
    throw error;
  }
  await attempt(journalFolder, () => syncFolder(journalFolder));
  await complete(journalFolder, plan);
}

/**
 * Tidies up after a command that was killed: drops what it had not decided on, completes what it had.
 * @returns the number of files that were put into place
 */
export async function finishStaged(journalFolder: string): Promise<number> {
  const undecided = await readPlan(join(journalFolder, 'staged.json'));
  if (undecided !== undefined) await discard(journalFolder, undecided);
  const decided = await readPlan(join(journalFolder, 'journal.json'));
  if (decided === undefined) return 0;
  await complete(journalFolder, decided);
  return decided.renames.length;
}

/** Tells what a command that was killed, or is at work, has left: undecided (`staged`), or decided and not complete. */
export async function unfinishedWork(journalFolder: string): Promise<'staged' | 'decided' | undefined> {
  if (exists(join(journalFolder, 'journal.json'))) return 'decided';
  return exists(join(journalFolder, 'staged.json')) ? 'staged' : undefined;
}

async function complete(journalFolder: string, plan: Plan): Promise<void> {
  const base = await resolveTarget(dirname(journalFolder));
  const changed = [...plan.renames.map(({ to }) => to), ...plan.removals].map((path) => resolve(base, path));
  await eachOf(plan.renames, async ({ from, to }) => {
    const target = resolve(base, to);
    // A missing source was renamed before the crash.
    await attempt(target, () => rename(resolve(base, from), target).catch(ignoringMissing));
  });
  await eachOf(plan.removals, async (path) => {
    const target = resolve(base, path);
    await attempt(target, () => unlink(target).catch(ignoringMissing));
  });
  const folders = new Set(changed.map((path) => dirname(path)));
  for (const folder of folders) await syncFolder(folder).catch(ignoringMissing);
  await attempt(journalFolder, async () => {
    await unlink(join(journalFolder, 'journal.json'));
    await syncFolder(journalFolder);
  });
}

async function discard(journalFolder: string, plan: Plan): Promise<void> {
  const base = await resolveTarget(dirname(journalFolder));
  for (const { from } of plan.renames) await rm(resolve(base, from), { force: true }).catch(() => undefined);
  await rm(join(journalFolder, 'staged.json'), { force: true }).catch(() => undefined);
}

async function readPlan(path: string): Promise<Plan | undefined> {
  if (!exists(path)) return undefined;
  try {
    return JSON.parse((await readFile(path)).toString()) as Plan;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // Torn while it was written, before any file that it would name.
    return { renames: [], removals: [] };
  }
}

async function refuseFolder(target: string): Promise<void> {
  const there = await stat(target).catch(() => undefined);
  if (there?.isDirectory()) {
    throw new NatspkiError('not-a-file', `"${target}" is a folder, expected a file`);
  }
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

async function attempt(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}

function ignoringMissing(error: unknown): void {
  if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
}

/** Gives a path below `base` relative to it, another one absolute. */
function within(base: string, path: string): string {
  const below = relative(base, resolve(path));
  return below.startsWith('..') || isAbsolute(below) ? resolve(path) : below;
}
