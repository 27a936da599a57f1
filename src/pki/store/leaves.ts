// Reads the leaves of a folder independently, so that a damaged file does not prevent the renewal of the others.
import { join, resolve } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { shellWord } from '../../suggest.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { keyTypes, renewedKeyType } from '../../x509/key.ts';
import type { PkiDirectory } from './directory.ts';
import { placeOf } from './ledger.ts';

/** A certificate file that cannot be read. */
export interface DamagedLeaf {
  readonly name: string;
  readonly certificateFile: string;
  /** The error, with the command that replaces the certificate as its hint. */
  readonly problem: NatspkiError;
}

export interface Leaves {
  /** The certificates in each leaf's file, by name, sorted by name. */
  readonly chains: ReadonlyMap<string, readonly [Certificate, ...Certificate[]]>;
  readonly damaged: readonly DamagedLeaf[];
}

/** Reads all leaves, and lists those that cannot be read. */
export async function readLeaves(directory: PkiDirectory): Promise<Leaves> {
  const chains = new Map<string, [Certificate, ...Certificate[]]>();
  const damaged: DamagedLeaf[] = [];
  for (const name of (await directory.contents()).certificates) {
    try {
      chains.set(name, await directory.readChain(name));
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      const { code, message } = error;
      const problem =
        code === 'permission-denied'
          ? error
          : new NatspkiError(code, message, { hint: `${await issueAgain(directory, name)} --force` });
      damaged.push({ name, certificateFile: directory.certificateFile(name), problem });
    }
  }
  return { chains, damaged };
}

/** Returns the command that issues a certificate like the last one of this name where pairs are, from its ledger entry. */
export async function issueAgain(directory: PkiDirectory, name: string): Promise<string> {
  const { entries } = await directory.ledger.read();
  const isHere = directory.isAt(directory.pairFolder);
  const place = isHere ? name : join(resolve(directory.pairFolder), name);
  const last = entries.findLast((entry) => placeOf(entry) === place);
  const words = ['natspki', 'issue', last?.profile ?? 'PROFILE', name];
  for (const san of last?.sans ?? []) words.push('--san', san);
  if (last?.request) words.push('--csr', 'FILE');
  else if (last !== undefined && last.keyType !== keyTypes[0])
    words.push('--key-type', renewedKeyType(last.keyType));
  if (!isHere) words.push('--out', directory.pairFolder);
  return words.map(shellWord).join(' ');
}
