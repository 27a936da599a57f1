// What commands have replaced, kept: pairs of the folder by their names, and apart from them what was elsewhere. It
// computes writes, for the step that replaces the files, and writes nothing itself.
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { exists, type FileWrite, readRegularFile } from '../../files/files.ts';
import { readOwnFile, refuseForeign } from '../../files/own-files.ts';
import { readCertificates } from '../../x509/certificate.ts';

interface OldFile {
  readonly path: string;
  readonly data: Buffer;
}

export class Archive {
  /** `NAME/TIME-SERIAL/` for each pair that was replaced in the folder. */
  readonly #here: string;
  /** The same for pairs in other folders, and `FILE/TIME/` for configurations. */
  readonly #elsewhere: string;

  /** @param state the folder for what natspki keeps to itself */
  constructor(state: string) {
    this.#here = join(state, 'archive');
    this.#elsewhere = join(state, 'archive-elsewhere');
  }

  /** Keeps a pair that is about to be replaced. */
  async pair(
    pair: { readonly name: string; readonly certificateFile: string; readonly keyFile: string },
    here: boolean,
    now: Date,
  ): Promise<FileWrite[]> {
    const old = await readThere([pair.certificateFile, pair.keyFile], (file) =>
      readOwnFile(dirname(file), file),
    );
    const mark = serialIn(old[0]?.data ?? Buffer.alloc(0));
    return kept(join(here ? this.#here : this.#elsewhere, pair.name), old, now, `-${mark}`);
  }

  /** Keeps the text of a configuration that this write is about to change. */
  async configuration({ path, data }: FileWrite, now: Date): Promise<FileWrite[]> {
    const changed = (await readThere([path], readRegularFile)).filter(
      (old) => !old.data.equals(Buffer.from(data)),
    );
    return kept(join(this.#elsewhere, basename(path)), changed, now);
  }

  /** Names the folder with the pair that was replaced last in the folder, undefined when there is none. */
  async last(name: string): Promise<string | undefined> {
    const versions = join(this.#here, name);
    const folder = filledFolders(versions).at(-1);
    return folder === undefined ? undefined : join(versions, folder);
  }
}

/** Gives the writes that keep files in a fresh folder below `versions`, called by the time and the mark. */
function kept(versions: string, old: readonly OldFile[], now: Date, mark = ''): FileWrite[] {
  const last = filledFolders(versions).at(-1) ?? '';
  const folder = join(versions, `${stampAfter(last, now)}${mark}`);
  return old.map(({ path, data }) => ({ path: join(folder, basename(path)), data, mode: 0o600 }));
}

/** Reads those of the files that are there; a link that leads nowhere is not. */
async function readThere(
  files: readonly string[],
  read: (file: string) => Promise<Buffer>,
): Promise<OldFile[]> {
  const there: OldFile[] = [];
  for (const path of files) {
    const data = await read(path).catch((error) => {
      if (!(error instanceof NatspkiError && error.code === 'file-missing')) throw error;
    });
    if (data !== undefined) there.push({ path, data });
  }
  return there;
}

/** Lists the versions of a name, oldest first; a pair that was put back has left an empty folder. */
function filledFolders(versions: string): string[] {
  if (!exists(versions)) return [];
  // `.natspki/archive/NAME`, three levels below the folder of the authority.
  const top = dirname(dirname(dirname(versions)));
  refuseForeign(top, join(versions, 'any'));
  const filled: string[] = [];
  for (const folder of readdirSync(versions).sort()) {
    refuseForeign(top, join(versions, folder, 'any'));
    if (readdirSync(join(versions, folder)).length > 0) filled.push(folder);
  }
  return filled;
}

/** Prints a time for a folder name, moved past the name before it where the clock was set back. */
function stampAfter(last: string, now: Date): string {
  const [, date, hours, minutes, rest] = /^(\d{8})T(\d\d)(\d\d)([\d.]+)Z/.exec(last) ?? [];
  const day = date?.replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3');
  const before = day === undefined ? 0 : Date.parse(`${day}T${hours}:${minutes}:${rest}Z`);
  return new Date(Math.max(now.getTime(), before + 1)).toISOString().replace(/[-:]/g, '');
}

/** Gives the beginning of a certificate's serial number, for a folder name; what cannot be read is archived as well. */
function serialIn(bytes: Buffer): string {
  try {
    return readCertificates(bytes, '')[0].serial.slice(0, 8);
  } catch {
    return 'unreadable';
  }
}
