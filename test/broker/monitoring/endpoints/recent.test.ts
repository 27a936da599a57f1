// The samples for the plots of the monitoring page.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MonitoredBroker } from '../../../../src/broker/monitoring/endpoints/monitored-broker.ts';
import { RecentHistory } from '../../../../src/broker/monitoring/endpoints/recent.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A broker with the totals that a test sets. */
function brokerWith(totals: { inMsgs: number; ok: number; size: number }) {
  const serverTls = { outcomes: (listener: string) => [[listener, { ok: totals.ok, 'not-tls': 0 }]] };
  const sessions = {
    traffic: () => ({ inMsgs: totals.inMsgs, outMsgs: 0 }),
    get size() {
      return totals.size;
    },
  };
  return { now: () => new Date(), sessions, tls: serverTls } as unknown as MonitoredBroker;
}

it('returns what happened in each step of five seconds, and results that occurred', () => {
  const totals = { inMsgs: 100, ok: 1, size: 2 };
  const history = new RecentHistory(brokerWith(totals));
  Object.assign(totals, { inMsgs: 150, ok: 4, size: 3 });
  vi.advanceTimersByTime(5000);
  vi.advanceTimersByTime(5000);
  expect(history.steps).toMatchObject({
    step_ms: 5000,
    in_msgs: [50, 0],
    connections: [3, 3],
    handshakes: { ok: [3, 0] },
  });
  expect(Object.keys(history.steps.handshakes)).toEqual(['ok']);
  history.close();
});

it('keeps fifteen minutes, however long the broker runs', () => {
  const history = new RecentHistory(brokerWith({ inMsgs: 0, ok: 0, size: 0 }));
  vi.advanceTimersByTime(24 * 3_600_000);
  expect(history.steps.at).toHaveLength(180);
  history.close();
});
