// Sessions: how many closed connections it retains, and the order in which it evicts them.
import { expect, it } from 'vitest';
import { defaultConnectOptions } from '../../../src/broker/auth/connect-options.ts';
import type { ClientSession } from '../../../src/broker/clients/client.ts';
import { Sessions } from '../../../src/broker/clients/sessions.ts';
import { ConnectionStatistics } from '../../../src/broker/transport/statistics.ts';

const subscription = { subject: Buffer.from('s'), queue: undefined, sid: '1', delivered: 0, max: 0 };

/** Makes a session with the properties that Sessions reads. */
function session(id: number, size = 0): ClientSession {
  const list = Array.from({ length: size }, () => subscription);
  const fake = {
    id,
    connection: { remoteAddress: '127.0.0.1', remotePort: id, pending: 0, stalls: 0 },
    statistics: new ConnectionStatistics(0),
    profile: {
      connect: defaultConnectOptions,
      user: undefined,
      account: '$G',
      tls: undefined,
      rttMs: 0,
      subscriptions: Object.assign(list, { size }),
    },
  };
  return fake as unknown as ClientSession;
}

function after(...ends: readonly ClientSession[]): number[] {
  const sessions = new Sessions();
  for (const each of ends) {
    sessions.add(each);
    sessions.end(each, 'Client Closed', 0);
  }
  expect(sessions.size).toBe(0);
  expect(sessions.total).toBe(ends.length);
  return Array.from(sessions.closed, ({ record }) => record.cid);
}

it('retains the last 10,000 closed connections', () => {
  const kept = after(...Array.from({ length: 10_003 }, (_, index) => session(index + 1)));
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([10_000, 4, 10_003]);
});

it('retains fewer closed connections if they had many subscriptions', () => {
  expect(after(session(1, 60_000), session(2, 30_000), session(3, 20_000))).toEqual([2, 3]);
});

it('no longer counts the subscriptions of evicted connections', () => {
  const ends = [session(1, 90_000), session(2, 90_000), session(3, 5000), session(4, 5000)];
  expect(after(...ends)).toEqual([2, 3, 4]);
});
