// Reads the leaves of a folder independently, so that a damaged file does not prevent the renewal of the others.
import { NatspkiError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate.ts';
import type { PkiDirectory } from './directory.ts';

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
          : new NatspkiError(code, message, { hint: await replacement(directory, name) });
      damaged.push({ name, certificateFile: directory.certificateFile(name), problem });
    }
  }
  return { chains, damaged };
}

/** Returns the command that issues a certificate like the unreadable one, from its ledger entry. */
async function replacement(directory: PkiDirectory, name: string): Promise<string> {
  const { entries } = await directory.ledger.read();
  const last = entries.findLast((entry) => entry.name === name);
  const sans = (last?.sans ?? []).map((san) => ` --san ${san}`).join('');
  const request = last?.request ? ' --csr FILE' : '';
  return `natspki issue ${last?.profile ?? 'PROFILE'} ${name}${sans}${request} --force`;
}
