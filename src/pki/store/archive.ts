// Archives the files that commands replace: pairs of the folder by name, and files of other folders apart from them. It
// returns the writes for the step that replaces the files, and writes nothing itself.
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { exists, type FileWrite, readRegularFile } from '../../files/files.ts';
import { readOwnFile, refuseForeignFolder } from '../../files/own-files.ts';
import { readCertificates } from '../../x509/certificate.ts';

interface OldFile {
  readonly path: string;
  readonly data: Buffer;
}

export class Archive {
  /** Has `NAME/TIME-SERIAL/` for each pair that was replaced in the folder. */
  readonly #here: string;
  /** Has the same for pairs in other folders, and `FILE/TIME/` for configurations. */
  readonly #elsewhere: string;

  /** @param state the folder for the internal files of natspki */
  constructor(state: string) {
    this.#here = join(state, 'archive');
    this.#elsewhere = join(state, 'archive-elsewhere');
  }

  /** Returns the writes that archive a pair. */
  async pair(
    pair: { readonly name: string; readonly certificateFile: string; readonly keyFile: string },
    here: boolean,
    now: Date,
  ): Promise<FileWrite[]> {
    const old = await readExisting([pair.certificateFile, pair.keyFile], (file) =>
      readOwnFile(dirname(file), file),
    );
    const mark = serialIn(old[0]?.data ?? Buffer.alloc(0));
    return kept(join(here ? this.#here : this.#elsewhere, pair.name), old, now, `-${mark}`);
  }

  /** Returns the writes that archive the present text of a configuration; none if this write does not change it. */
  async configuration({ path, data }: FileWrite, now: Date): Promise<FileWrite[]> {
    const changed = (await readExisting([path], readRegularFile)).filter(
      (old) => !old.data.equals(Buffer.from(data)),
    );
    return kept(join(this.#elsewhere, basename(path)), changed, now);
  }

  /** Returns the folder with the most recently replaced pair of a name; undefined when the archive has none. */
  async last(name: string): Promise<string | undefined> {
    return this.all(name).at(-1);
  }

  /** Returns the names with archived pairs, sorted. */
  names(): string[] {
    if (!exists(this.#here)) return [];
    refuseForeignFolder(dirname(dirname(this.#here)), this.#here);
    return readdirSync(this.#here)
      .filter((name) => this.all(name).length > 0)
      .sort();
  }

  /** Returns the folders with the replaced pairs of a name, oldest first. */
  all(name: string): string[] {
    const versions = join(this.#here, name);
    return filledFolders(versions).map((folder) => join(versions, folder));
  }
}

/** Returns when the pair in a folder of the archive was replaced; undefined for a folder that natspki did not make. */
export function replacedAt(folder: string): Date | undefined {
  const time = timeOf(basename(folder));
  return time === 0 ? undefined : new Date(time);
}

/** Returns the writes that archive files in a new folder below `versions`, named after the time and the mark. */
function kept(versions: string, old: readonly OldFile[], now: Date, mark = ''): FileWrite[] {
  const last = filledFolders(versions).at(-1) ?? '';
  const folder = join(versions, `${stampAfter(last, now)}${mark}`);
  return old.map(({ path, data }) => ({ path: join(folder, basename(path)), data, mode: 0o600 }));
}

/** Reads the files that exist; a dangling link does not. */
async function readExisting(
  files: readonly string[],
  read: (file: string) => Promise<Buffer>,
): Promise<OldFile[]> {
  const existing: OldFile[] = [];
  for (const path of files) {
    const data = await read(path).catch((error) => {
      if (!(error instanceof NatspkiError && error.code === 'file-missing')) throw error;
    });
    if (data !== undefined) existing.push({ path, data });
  }
  return existing;
}

/** Lists the versions of a name, oldest first, without the empty folders of pairs that were restored. */
function filledFolders(versions: string): string[] {
  if (!exists(versions)) return [];
  // `.natspki/archive/NAME`, three levels below the folder of the authority.
  const top = dirname(dirname(dirname(versions)));
  refuseForeignFolder(top, versions);
  const filled: string[] = [];
  for (const folder of readdirSync(versions).sort()) {
    refuseForeignFolder(top, join(versions, folder));
    if (readdirSync(join(versions, folder)).length > 0) filled.push(folder);
  }
  return filled;
}

/** Formats a time for a folder name; after the clock was set back, a time just after the last folder. */
function stampAfter(last: string, now: Date): string {
  return new Date(Math.max(now.getTime(), timeOf(last) + 1)).toISOString().replace(/[-:]/g, '');
}

/** Returns the time in a folder name in milliseconds since 1970; 0 when it has none. */
function timeOf(folder: string): number {
  const [, date, hours, minutes, rest] = /^(\d{8})T(\d\d)(\d\d)([\d.]+)Z/.exec(folder) ?? [];
  const day = date?.replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3');
  return day === undefined ? 0 : Date.parse(`${day}T${hours}:${minutes}:${rest}Z`);
}

/** Returns the first digits of a certificate's serial number for a folder name; unreadable files are archived as well. */
function serialIn(bytes: Buffer): string {
  try {
    return readCertificates(bytes, '')[0].serial.slice(0, 8);
  } catch {
    return 'unreadable';
  }
}
