// The hint for a private key that other users can access: it never takes the key from the user who looks at it.
import { expect, it } from 'vitest';
import { hintToClose, type Viewer } from '../../src/files/key-access.ts';

const root: Viewer = { uid: 0, gid: 0, groups: [] };
const operator: Viewer = { uid: 1000, gid: 1000, groups: [1000, 990] };
const nats: Viewer = { uid: 990, gid: 990, groups: [990] };

it.each<[string, number, number, number, Viewer, string | undefined]>([
  ['nothing for a closed file', 0o600, 1000, 1000, operator, undefined],
  ['to close a file of the own group', 0o640, 1000, 1000, operator, 'chmod 600 k'],
  ['to close a file that all can read', 0o644, 1000, 1000, operator, 'chmod 600 k'],
  ['nothing for a group that the owner has chosen', 0o640, 1000, 990, operator, undefined],
  ['nothing to the member of the group that reads it', 0o640, 0, 990, nats, undefined],
  ['nothing to the member of the group of its owner', 0o640, 990, 990, { ...nats, uid: 991 }, undefined],
  ['nothing to root for a group that reads it', 0o640, 0, 990, root, undefined],
  ['to root to close a file of its owner', 0o640, 1000, 1000, root, 'chmod 600 k'],
  ['to keep the chosen group', 0o644, 0, 990, root, 'chmod 640 k'],
  ['to take write access from the chosen group', 0o660, 1000, 990, operator, 'chmod 640 k'],
  ['a member to ask for closing it to all others', 0o644, 0, 990, nats, 'sudo chmod 640 k'],
  ['a reader among all others to get a group', 0o644, 0, 0, nats, 'sudo chgrp 990 k && sudo chmod 640 k'],
])('tells %s', (_, mode, uid, gid, viewer, hint) => {
  expect(hintToClose('k', { mode, uid, gid }, viewer)).toBe(hint);
});
