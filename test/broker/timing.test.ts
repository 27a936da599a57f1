// Behaviour that depends on time: PINGs to idle clients, lame duck mode and the rate limit of log lines.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { disconnectGradually, type LameDuckClient } from '../../src/broker/clients/lame-duck.ts';
import { Heartbeat } from '../../src/broker/transport/heartbeat.ts';
import { LogRateLimit } from '../../src/broker/transport/log-rate-limit.ts';

describe('Heartbeat', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function start(pingIntervalMs = 10_000, pingMax = 2) {
    const seen: string[] = [];
    const heartbeat = new Heartbeat(
      () => ({ pingIntervalMs, pingMax }),
      () => seen.push('ping'),
      () => seen.push('stale'),
    );
    heartbeat.start();
    return { heartbeat, seen };
  }

  it('sends one PING per interval, and calls a client stale after two unanswered PINGs', () => {
    const { seen } = start();
    vi.advanceTimersByTime(9_999);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(seen).toEqual(['ping']);
    vi.advanceTimersByTime(60_000);
    expect(seen).toEqual(['ping', 'ping', 'stale']);
  });

  it('sends the first PING soon after CONNECT, with a random delay', () => {
    const { heartbeat, seen } = start();
    heartbeat.connected(() => 0.5);
    vi.advanceTimersByTime(2_199);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(seen).toEqual(['ping']);
  });

  it('sends no PING to an active client, and keeps a client that answers', () => {
    const { heartbeat, seen } = start();
    vi.advanceTimersByTime(10_000);
    heartbeat.pongReceived();
    for (let times = 0; times < 5; times++) {
      heartbeat.active();
      vi.advanceTimersByTime(10_000);
    }
    expect(seen).toEqual(['ping']);
    for (let times = 0; times < 5; times++) {
      vi.advanceTimersByTime(10_000);
      heartbeat.pongReceived();
    }
    expect(seen).toEqual(['ping', 'ping', 'ping', 'ping', 'ping', 'ping']);
  });

  it('sends nothing after stop', () => {
    const { heartbeat, seen } = start();
    heartbeat.stop();
    vi.advanceTimersByTime(100_000);
    expect(seen).toEqual([]);
  });
});

describe('takeLeave', () => {
  function clients(count: number) {
    const closed: number[] = [];
    const informed: number[] = [];
    const all = Array.from(
      { length: count },
      (_, id): LameDuckClient => ({
        acceptsInfo: id % 2 === 0,
        sendInfo: () => informed.push(id),
        connection: { close: () => closed.push(id) },
      }),
    );
    return { all, closed, informed };
  }

  it('informs the clients that support INFO, waits, and then closes every client, spread over time', async () => {
    const { all, closed, informed } = clients(10);
    let grace = 0;
    const began = performance.now();
    const settings = { lameDuckDurationMs: 300, lameDuckGraceMs: 100 };
    const announced = () => {
      grace = performance.now() - began;
    };
    await disconnectGradually(all, settings, Math.random, announced, new AbortController().signal);
    expect(informed).toEqual([0, 2, 4, 6, 8]);
    expect(closed.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(grace).toBeGreaterThanOrEqual(95);
    const spread = performance.now() - began - grace;
    expect(spread).toBeGreaterThan(80);
    expect(spread).toBeLessThan(1000);
  });

  it('closes thousands of clients in time by closing several at once', async () => {
    const { all, closed } = clients(5000);
    const began = performance.now();
    const settings = { lameDuckDurationMs: 200, lameDuckGraceMs: 1 };
    await disconnectGradually(all, settings, Math.random, () => {}, new AbortController().signal);
    expect(closed.length).toBe(5000);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('stops without closing clients when it is aborted', async () => {
    const { all, closed } = clients(10);
    const abort = new AbortController();
    const settings = { lameDuckDurationMs: 60_000, lameDuckGraceMs: 30_000 };
    const leave = disconnectGradually(all, settings, Math.random, () => {}, abort.signal);
    abort.abort();
    await leave;
    expect(closed).toEqual([]);
  });
});

describe('LogLimit', () => {
  it('allows a line once a second, and limits the number of different lines', () => {
    const limit = new LogRateLimit();
    expect([limit.allows('a', 5000), limit.allows('a', 5500), limit.allows('b', 5500)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(limit.allows('a', 6000)).toBe(true);
    const allowed = Array.from({ length: 5000 }, (_, n) => limit.allows(`line ${n}`, 6001)).filter(Boolean);
    expect(allowed.length).toBeLessThan(1001);
  });
});
