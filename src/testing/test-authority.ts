// The certificates of test servers: made once in a process for each set of names, because signing takes longer than
// everything else that a start does, and then copied into the folder of each start.
import { createAuthority } from '../api/authority.ts';
import { type FolderContent, readFolder, ScratchFolder, writeFolder } from '../files/scratch-folder.ts';

/** The names and addresses in the certificates of a test server. */
const hosts = ['localhost', '127.0.0.1', '::1'];

/** The certificates that were issued, by their names. */
export type IssuedPins = readonly { readonly name: string; readonly pin: string }[];

interface MadeAuthority {
  readonly content: FolderContent;
  readonly issued: IssuedPins;
}

/** What was made for which clients; the keys leave the memory of the process with it. */
const made = new Map<string, Promise<MadeAuthority>>();

/**
 * Writes an authority, a server, a route and client certificates into a new folder. Throws as createAuthority does.
 * @param isOwn makes an authority that no other start has, instead of the one of the process
 */
export async function writeAuthority(
  dir: string,
  clients: readonly string[],
  isOwn: boolean,
): Promise<IssuedPins> {
  if (isOwn) return (await createAuthority({ dir, hosts, clients })).certificates;
  const key = JSON.stringify(clients);
  const making = made.get(key) ?? makeAuthority(clients);
  made.set(key, making);
  try {
    const { content, issued } = await making;
    writeFolder(dir, content);
    return issued;
  } catch (error) {
    made.delete(key);
    throw error;
  }
}

async function makeAuthority(clients: readonly string[]): Promise<MadeAuthority> {
  const scratch = new ScratchFolder();
  try {
    const { certificates } = await createAuthority({ dir: scratch.path, hosts, clients });
    return {
      content: readFolder(scratch.path),
      issued: certificates.map(({ name, pin }) => ({ name, pin })),
    };
  } finally {
    scratch.remove();
  }
}
