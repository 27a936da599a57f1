// The leaves of a folder, each read by itself: a file that is damaged keeps nobody from the others, and least of all from
// their renewal.
import { NatspkiError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate.ts';
import type { PkiDirectory } from './directory.ts';

/** A certificate file that cannot be read. */
export interface DamagedLeaf {
  readonly name: string;
  readonly certificateFile: string;
  /** Why, with the command that puts another in its place. */
  readonly problem: NatspkiError;
}

export interface Leaves {
  /** Each with what follows it in its file, by name, in order. */
  readonly chains: ReadonlyMap<string, readonly [Certificate, ...Certificate[]]>;
  readonly damaged: readonly DamagedLeaf[];
}

/** Reads the leaves that can be read, and tells which cannot. */
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
          : new NatspkiError(code, message, { hint: await replacement(directory, name) });
      damaged.push({ name, certificateFile: directory.certificateFile(name), problem });
    }
  }
  return { chains, damaged };
}

/** Says what to type for a certificate like the one that cannot be read. */
async function replacement(directory: PkiDirectory, name: string): Promise<string> {
  const { entries } = await directory.ledger.read();
  const last = entries.findLast((entry) => entry.name === name);
  const sans = (last?.sans ?? []).map((san) => ` --san ${san}`).join('');
  const request = last?.request ? ' --csr FILE' : '';
  return `natspki issue ${last?.profile ?? 'PROFILE'} ${name}${sans}${request} --force`;
}
