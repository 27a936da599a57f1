// The peers of test/peers.json: that a run that must have them all (.ci/run) has them in these versions, and that the
// table of what their releases changed fits to them.
import { describe, expect, it } from 'vitest';
import { changes, isOlder } from './support/nats-server-changes.ts';
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

describe('the changes of nats-server', () => {
  it('are all in the version of test/peers.json, which the broker follows', () => {
    const version = expectedVersions.get('nats-server') ?? '';
    const later = Object.entries(changes).filter(([, { since }]) => isOlder(version, since));
    expect(later).toEqual([]);
  });

  it.each([
    ['2.15.2', '2.15.3', true],
    ['2.9.10', '2.10.0', true],
    ['2.15.3', '2.15.3', false],
    ['2.15.3-RC.1', '2.15.3', false],
    ['3.0.0', '2.15.3', false],
  ])('tell %s from %s by their numbers', (version, other, expected) => {
    expect(isOlder(version, other)).toBe(expected);
  });
});
