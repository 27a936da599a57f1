// The key of a request that was not answered yet. It is on disk before the authority is asked, together with what asks, so
// that a member that was killed asks again with the same key. With another key it would look like a thief of the old one.
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { exists } from '../../files/files.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { decodePrivateKey, encodePrivateKey } from '../../x509/key.ts';

/** What a pending key is for: a name's renewal, or its enrolment. */
export type Purpose = 'pending' | 'enrolling';

export interface PendingKey {
  readonly key: KeyObject;
  /** What asks: the serial number of the certificate that is renewed, or the id of the invitation. */
  readonly by: string;
}

/** Returns whether a pending key asks, or is about to ask, by this certificate; otherwise the answer was installed. */
export function isPendingFor({ by }: PendingKey, { serial }: Certificate): boolean {
  return by === serial;
}

/** Returns the path of a pending key. */
export function pendingFile(directory: PkiDirectory, purpose: Purpose, name: string): string {
  return directory.stateFile(join(purpose, `${name}-key.pem`));
}

/** Reads a pending key; undefined when there is none, or another program damaged it. */
export async function readPendingKey(
  directory: PkiDirectory,
  purpose: Purpose,
  name: string,
): Promise<PendingKey | undefined> {
  const file = pendingFile(directory, purpose, name);
  if (!exists(file)) return undefined;
  const bytes = await directory.read(file);
  const [, by] = /^by ([0-9a-f]+)\n/.exec(bytes.subarray(0, 100).toString('latin1')) ?? [];
  return by === undefined ? undefined : { by, key: decodePrivateKey(bytes, file) };
}

/** Writes a pending key; hold the lock of the folder. Text before a PEM block is allowed (RFC 7468 section 2). */
export async function writePendingKey(
  directory: PkiDirectory,
  purpose: Purpose,
  name: string,
  { key, by }: PendingKey,
  now: Date,
): Promise<void> {
  const path = pendingFile(directory, purpose, name);
  const data = `by ${by}\n${await encodePrivateKey(key)}`;
  await directory.write({ others: [{ path, data, mode: 0o600 }] }, now);
}
