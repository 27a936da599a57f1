// The cluster set-ups that each test runs on: bundled brokers, real nats-servers, and both together.
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { type ChangeName, natsServerHas } from '../support/nats-server-changes.ts';
import { describePeer, findPeer, missing, type PeerName } from '../support/peers.ts';

/** The program of a node; `old` is nats-server 2.9. */
export type Kind = 'broker' | 'nats-server' | 'old';

const launcher = fileURLToPath(new URL('../../bin/nats-server', import.meta.url));
const peers: Record<Exclude<Kind, 'broker'>, PeerName> = {
  'nats-server': 'nats-server',
  old: 'nats-server-2.9',
};

const setUps: readonly (readonly [title: string, kinds: readonly Kind[]])[] = [
  ['three nats-servers', ['nats-server', 'nats-server', 'nats-server']],
  ['three brokers', ['broker', 'broker', 'broker']],
  ['two brokers and a nats-server', ['broker', 'broker', 'nats-server']],
  ['a broker and two nats-servers', ['broker', 'nats-server', 'nats-server']],
  ['a broker, a nats-server and one of version 2.9', ['broker', 'nats-server', 'old']],
];

/** Returns the command of a node, to which its arguments are appended. */
export function commandOf(kind: Kind): readonly string[] {
  return kind === 'broker' ? [process.execPath, launcher] : [findPeer(peers[kind]) ?? ''];
}

/** Whether what a node runs has a change of nats-server: the broker has them all. */
export function kindHas(kind: Kind, change: ChangeName): boolean {
  return kind === 'broker' || natsServerHas(change, peers[kind]);
}

/**
 * Describes the behaviour of a cluster of three servers on every set-up. Without a current nats-server its set-ups are
 * skipped, or fail with REQUIRE_PEERS=1. Without the old one its set-up is always skipped.
 */
export function describeClusters(title: string, body: (kinds: readonly Kind[]) => void): void {
  for (const [name, kinds] of setUps) {
    const lacking = kinds.flatMap((kind) =>
      kind !== 'broker' && findPeer(peers[kind]) === undefined ? peers[kind] : [],
    )[0];
    const whole = `${title}, on ${name}`;
    if (lacking === undefined) describe(whole, () => body(kinds));
    else if (lacking === 'nats-server' && process.env.REQUIRE_PEERS === '1') {
      it(whole, () => {
        throw new Error(missing(lacking));
      });
    }
    // A missing peer: .ci/run installs all of them and sets REQUIRE_PEERS.
    else describe.skip(`${whole} (skipped: ${missing(lacking)})`, () => body(kinds));
  }
}

/** Describes the behaviour between two servers: a broker with each kind of server, and two nats-servers. */
export function describePairs(
  title: string,
  body: (judge: 'broker' | 'nats-server', other: Kind) => void,
): void {
  describe(`${title}, between brokers`, () => body('broker', 'broker'));
  describePeer('nats-server', `${title}, between a broker and a nats-server`, () =>
    body('broker', 'nats-server'),
  );
  describePeer('nats-server', `${title}, between nats-servers`, () => body('nats-server', 'nats-server'));
}
