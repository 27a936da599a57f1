// Judges who besides its owner can access the file of a private key. A server often reads its key through a group, so a
// group that was chosen on purpose is no problem, and no hint may take the access from it.
import type { Stats } from 'node:fs';

/** The process that looks at the file. */
export interface Viewer {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

const groupRead = 0o040;
const beyondGroupRead = 0o037;

/** Returns a command that closes the file; undefined when no user has access who should not. */
export function hintToClose(
  file: string,
  { mode, uid, gid }: Pick<Stats, 'mode' | 'uid' | 'gid'>,
  viewer: Viewer = currentViewer(),
): string | undefined {
  if ((mode & 0o077) === 0) return undefined;
  const isOwner = viewer.uid === uid;
  const isMember = [viewer.gid, ...viewer.groups].includes(gid);
  const reads = (mode & groupRead) !== 0;
  // The group of the owner alone has, on most systems, the number of the owner.
  const ownGroup = isOwner ? viewer.gid : uid;
  const isGranted = reads && (gid !== ownGroup || (!isOwner && viewer.uid !== 0 && isMember));
  if (isGranted && (mode & beyondGroupRead) === 0) return undefined;
  const sudo = isOwner || viewer.uid === 0 ? '' : 'sudo ';
  if (isGranted || isOwner || viewer.uid === 0) {
    return `${sudo}chmod ${isGranted ? '640' : '600'} ${file}`;
  }
  // This user reads the key as one of all others; the server may run as this user.
  return `sudo chgrp ${viewer.gid} ${file} && sudo chmod 640 ${file}`;
}

function currentViewer(): Viewer {
  return {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
  };
}
