// Finds a client certificate of a folder, for connections that only look at a server: a server that requires certificates
// logs an error for a client without one.
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import type { PkiDirectory } from './directory.ts';
import { readLeaves } from './leaves.ts';

/** Returns a valid client certificate with its key, both PEM; undefined when the folder has none that can be read. */
export async function clientIdentity(
  directory: PkiDirectory,
  now = new Date(),
): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  try {
    const { chains } = await readLeaves(directory);
    const { revocations } = await directory.ledger.read();
    const usable = [...chains].filter(
      ([name, [{ extendedKeyUsage, serial, notBefore, notAfter }]]) =>
        (extendedKeyUsage ?? ['clientAuth']).includes('clientAuth') &&
        notBefore <= now &&
        now < notAfter &&
        !revocations.has(serial) &&
        exists(directory.keyFile(name)),
    );
    // One of a client before one of a route.
    const [first] = usable.toSorted(([, a], [, b]) => usages(a[0]) - usages(b[0]));
    if (first === undefined) return undefined;
    const { certificateFile, keyFile } = directory.pair(first[0]);
    return { cert: await directory.read(certificateFile), key: await directory.read(keyFile) };
  } catch (error) {
    if (error instanceof NatspkiError) return undefined;
    throw error;
  }
}

function usages({ extendedKeyUsage }: { readonly extendedKeyUsage: readonly string[] | undefined }): number {
  return extendedKeyUsage?.length ?? Number.POSITIVE_INFINITY;
}
