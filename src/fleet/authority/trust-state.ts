// What members should trust: the roots, the number of the revocation list, and a counter that goes up with every change, by
// which a member tells a newer statement from an older one. Also which names still depend on a retired root.
import { exists, statsOf } from '../../files/files.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { type Pin, sha256Hex } from '../../x509/pin.ts';
import { versionOf } from './invitations.ts';
import type { LedgerIndex } from './ledger-index.ts';

export interface TrustState {
  /** The pin of the current root. */
  readonly authority: Pin;
  /** PEM: the roots to trust, the current one first. */
  readonly roots: string;
  /** Goes up whenever roots or revocations change, over restarts and over all authorities of the folder. */
  readonly counter: number;
  /** The number of the revocation list. */
  readonly crlNumber: number;
  readonly time: Date;
  /** Names whose newest live certificate depends on a retired root, sorted. */
  readonly behind: readonly string[];
}

interface Stored {
  readonly counter: number;
  /** Identifies the content that the counter belongs to. */
  readonly digest: string;
}

interface Source {
  readonly directory: PkiDirectory;
  readonly index: LedgerIndex;
  readonly roots: readonly [Certificate, ...Certificate[]];
  readonly now: Date;
}

/** Returns the state, and counts on when it changed; hold the lock of the folder. */
export async function readTrustState({ directory, index, roots, now }: Source): Promise<TrustState> {
  const pem = toPem(roots);
  const crlNumber = index.revocations;
  const digest = sha256Hex(Buffer.from(`${crlNumber}\n${pem}`));
  const file = directory.stateFile('trust.json');
  const stored = await readStored(directory, file);
  // At least the time, so that it also goes up when the folder was restored from a backup.
  const counter =
    stored?.digest === digest ? stored.counter : Math.max((stored?.counter ?? 0) + 1, now.getTime());
  if (counter !== stored?.counter) {
    const data = `${JSON.stringify({ counter, digest } satisfies Stored)}\n`;
    await directory.write({ others: [{ path: file, data, mode: 0o600 }] }, now);
  }
  const behind = namesBehind(index, roots, now);
  return { authority: roots[0].pin, roots: pem, counter, crlNumber, time: now, behind };
}

/** Returns the names whose newest live certificate leads to a retired root, sorted. */
export function namesBehind(
  index: LedgerIndex,
  [, ...retired]: readonly Certificate[],
  now: Date,
): readonly string[] {
  if (retired.length === 0) return [];
  const old = new Set<string>(retired.map(({ pin }) => pin));
  return [...index.newest.values()]
    .filter(({ issuer, notAfter, serial }) => {
      const isLive = now < new Date(notAfter) && !index.isRevoked(serial);
      return isLive && old.has(index.rootAbove(issuer));
    })
    .map(({ name }) => name)
    .sort();
}

async function readStored(directory: PkiDirectory, file: string): Promise<Stored | undefined> {
  if (!exists(file)) return undefined;
  try {
    const value = JSON.parse((await directory.read(file)).toString()) as Partial<Stored> | null;
    const { counter, digest } = value ?? {};
    return Number.isSafeInteger(counter) && typeof digest === 'string'
      ? { counter: counter as number, digest }
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Identifies the files that decide who signs. */
export function versionOfAuthority(directory: PkiDirectory): string {
  const { authorityPair, intermediatePair, chainFile, settingsFile } = directory;
  const files = [authorityPair, intermediatePair].flatMap(({ certificateFile, keyFile }) => [
    certificateFile,
    keyFile,
  ]);
  return [...files, chainFile, settingsFile].map((file) => versionOf(statsOf(file))).join(', ');
}
