// Where the authority of a folder answers, as `serve` found when it started: the default of new invitations.
import { exists } from '../../files/files.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';

const fileName = 'serve.json';
const maximumUrls = 16;

/** Records the URLs, those of EST first, or else those of EST that another authority of the folder recorded; takes the lock. */
export async function recordAddresses(
  directory: PkiDirectory,
  urls: readonly string[],
  now: Date,
): Promise<void> {
  const path = directory.stateFile(fileName);
  const isEst = (url: string) => /^https:/i.test(url);
  await directory.exclusive(async () => {
    const known = urls.some(isEst) ? [] : (await readAddresses(directory)).filter(isEst);
    const data = `${JSON.stringify({ urls: [...known, ...urls] }, null, 1)}\n`;
    await directory.write({ others: [{ path, data, mode: 0o600 }] }, now);
  });
}

/** Returns the recorded URLs; none where nothing serves the folder, or the file is damaged. */
export async function readAddresses(directory: PkiDirectory): Promise<readonly string[]> {
  const path = directory.stateFile(fileName);
  if (!exists(path)) return [];
  try {
    const { urls } = JSON.parse((await directory.read(path)).toString()) as { urls?: unknown };
    const isList = Array.isArray(urls) && urls.length <= maximumUrls;
    return isList && urls.every((each) => typeof each === 'string') ? urls : [];
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return [];
    throw error;
  }
}
