// The peers of a run that must have them all (.ci/run): in the versions that test/peers.json names.
import { describe, expect, it } from 'vitest';
import { expectedVersions, findPeer, type PeerName, versionOf } from './support/peers.ts';

/** Debian 12 has nats-server 2.9, other systems go without. */
const optional: readonly string[] = ['nats-server-2.9'];
const programs = [...expectedVersions.keys()].filter((peer) => peer !== 'node') as PeerName[];

describe.runIf(process.env.REQUIRE_PEERS === '1')('the peers of test/peers.json', () => {
  it.each(programs)('%s has the version that is named there', (peer) => {
    if (optional.includes(peer) && findPeer(peer) === undefined) return;
    expect(versionOf(peer)).toBe(expectedVersions.get(peer));
  });
});
