// The clusters that one description runs on: bundled brokers, real nats-servers, and both together.
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { describePeer, findPeer, missing, type PeerName } from '../support/peers.ts';

/** What a node runs; `old` is nats-server 2.9. */
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

/** The program of a node and what stands before its arguments. */
export function commandOf(kind: Kind): readonly string[] {
  return kind === 'broker' ? [process.execPath, launcher] : [findPeer(peers[kind]) ?? ''];
}

/**
 * Describes the behaviour of a cluster of three on every set-up. Where a current nats-server is missing its set-ups are
 * skipped, or fail with REQUIRE_PEERS=1; the old one is had where it can be, and skipped elsewhere.
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
    } else describe.skip(`${whole} (skipped: ${missing(lacking)})`, () => body(kinds));
  }
}

/** Describes what one server does with another: brokers with each kind of server, and nats-servers with each other. */
export function describePairs(
  title: string,
  body: (judge: 'broker' | 'nats-server', other: Kind) => void,
): void {
  describe(`${title}, between brokers`, () => body('broker', 'broker'));
  describePeer('nats-server', `${title}, on a broker from a nats-server`, () =>
    body('broker', 'nats-server'),
  );
  describePeer('nats-server', `${title}, between nats-servers`, () => body('nats-server', 'nats-server'));
}
