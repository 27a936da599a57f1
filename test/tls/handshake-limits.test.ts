// How many handshakes start and in which order, on a clock that the test controls.
import { describe, expect, it, vi } from 'vitest';
import {
  AcceptsFirst,
  addressPrefix,
  HandshakeBudget,
  HandshakeCounter,
  HandshakeTurns,
  paceBy,
} from '../../src/tls/handshake-limits.ts';
import { collectGarbage } from '../support/garbage.ts';

/** Passed for handshakes that no queue may evict. */
function notEvicted(): void {
  expect.fail('was evicted');
}

describe('HandshakeCounter', () => {
  it('admits the limit of handshakes in each second', () => {
    let now = 0;
    const counter = new HandshakeCounter(2, () => now);
    const take = (count: number) => Array.from({ length: count }, () => counter.take());
    expect(take(3)).toEqual([true, true, false]);
    now = 999;
    expect(take(1)).toEqual([false]);
    now = 1000;
    expect(take(3)).toEqual([true, true, false]);
  });
});

describe('paceBy', () => {
  it('lets a burst through at once, and one call in each interval on average', () => {
    vi.useFakeTimers();
    try {
      const began = performance.now();
      const pause = paceBy(5, 3);
      const calls: number[] = [];
      const callAgain = () => {
        calls.push(performance.now() - began);
        if (calls.length < 6) pause(callAgain);
      };
      pause(callAgain);
      vi.advanceTimersByTime(100);
      expect(calls).toEqual([0, 0, 0, 5, 10, 15]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('HandshakeBudget', () => {
  it('keeps the byte rate over time, whatever the size of a handshake', () => {
    vi.useFakeTimers();
    try {
      const began = performance.now();
      const budget = new HandshakeBudget(10_000);
      const starts: number[] = [];
      for (let index = 0; index < 20; index++) {
        budget.wait((pay) => {
          starts.push(performance.now() - began);
          pay(5000);
        });
      }
      vi.advanceTimersByTime(60_000);
      expect(starts).toHaveLength(20);
      // 100,000 bytes at 10,000 per second, with the first second's budget in advance; one handshake may overdraw it.
      expect(starts.at(-1)).toBeGreaterThan(8000);
      expect(starts.at(-1)).toBeLessThan(9500);
      for (let from = 0; from + 4 < starts.length; from++) {
        // Four handshakes cost the budget of two seconds.
        expect((starts[from + 4] as number) - (starts[from] as number)).toBeGreaterThan(400);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('does not start a handshake whose wait was cancelled', () => {
    const budget = new HandshakeBudget(1);
    const begun: string[] = [];
    budget.wait(() => begun.push('first'));
    const giveUp = budget.wait(() => begun.push('second'));
    giveUp();
    budget.close();
    expect(begun).toEqual(['first']);
  });
});

describe('HandshakeTurns', () => {
  it('starts one handshake at a time, round-robin by address, and skips cancelled ones', () => {
    const pauses: (() => void)[] = [];
    const turns = new HandshakeTurns({ pause: (next) => pauses.push(next) });
    const begun: string[] = [];
    const wait = (address: string, name: string) => turns.wait(address, () => begun.push(name), notEvicted);
    wait('a', 'a1');
    expect(begun).toEqual(['a1']);
    const giveUp = wait('a', 'a2');
    wait('a', 'a3');
    wait('b', 'b1');
    giveUp();
    expect(begun).toEqual(['a1']);
    while (pauses.length > 0) {
      const before = begun.length;
      pauses.shift()?.();
      expect(begun.length - before).toBeLessThanOrEqual(1);
    }
    expect(begun).toEqual(['a1', 'a3', 'b1']);
    wait('c', 'c1');
    expect(begun).toEqual(['a1', 'a3', 'b1', 'c1']);
  });
});

describe('HandshakeTurns that pause first', () => {
  it('starts no handshake before the first pause has ended', () => {
    const pauses: (() => void)[] = [];
    const turns = new HandshakeTurns({ pause: (next) => pauses.push(next), pausesFirst: true });
    const begun: string[] = [];
    for (const name of ['first', 'second']) turns.wait('a', () => begun.push(name), notEvicted);
    expect(begun).toEqual([]);
    expect(pauses).toHaveLength(1);
    pauses.shift()?.();
    expect(begun).toEqual(['first']);
    while (pauses.length > 0) pauses.shift()?.();
    turns.wait('a', () => begun.push('third'), notEvicted);
    expect(begun).toEqual(['first', 'second']);
    pauses.shift()?.();
    expect(begun).toEqual(['first', 'second', 'third']);
  });
});

describe('HandshakeTurns with too many handshakes', () => {
  it('evicts the oldest handshake of the address with the most', () => {
    const turns = new HandshakeTurns({ pause: () => {} });
    const evicted: string[] = [];
    const wait = (address: string, name: string) =>
      turns.wait(
        address,
        () => {},
        () => evicted.push(name),
      );
    wait('a', 'begins at once');
    wait('a', 'a1');
    wait('b', 'b1');
    const giveUp = wait('c', 'c1');
    for (let count = 1; count <= 4093; count++) wait('b', `b${count + 1}`);
    expect(evicted).toEqual([]);
    wait('a', 'a2');
    expect(evicted).toEqual(['b1']);
    giveUp();
    wait('c', 'c2');
    expect(evicted).toEqual(['b1']);
    wait('c', 'c3');
    expect(evicted).toEqual(['b1', 'b2']);
  });
});

describe('AcceptsFirst', () => {
  function accepting() {
    const turns: (() => void)[] = [];
    let now = 0;
    const accepts = new AcceptsFirst(
      (callback) => turns.push(callback),
      () => now,
    );
    const next = vi.fn();
    const turn = (at: number) => {
      now = at;
      turns.shift()?.();
    };
    return { accepts, next, turn };
  }

  it('waits for the first turn of the event loop in which no connection is accepted', () => {
    const { accepts, next, turn } = accepting();
    accepts.accepted();
    accepts.pause(next);
    turn(1);
    expect(next).not.toHaveBeenCalled();
    accepts.accepted();
    turn(2);
    expect(next).not.toHaveBeenCalled();
    turn(3);
    expect(next).toHaveBeenCalledOnce();
  });

  it('waits for at most ten milliseconds while connections are accepted', () => {
    const { accepts, next, turn } = accepting();
    accepts.pause(next);
    accepts.accepted();
    turn(9);
    expect(next).not.toHaveBeenCalled();
    accepts.accepted();
    turn(10);
    expect(next).toHaveBeenCalledOnce();
  });
});

describe('HandshakeTurns with a limited wait', () => {
  it('starts the oldest handshake of an address until it has waited too long, and the newest one after that', () => {
    let now = 0;
    const pauses: (() => void)[] = [];
    const begun: string[] = [];
    const turns = new HandshakeTurns({
      pause: (next) => pauses.push(next),
      maxWaitMs: () => 100,
      now: () => now,
    });
    const wait = (name: string) => turns.wait('a', () => begun.push(name), notEvicted);
    const next = (at: number) => {
      now = at;
      pauses.shift()?.();
    };
    for (const name of ['first', 'second', 'third']) wait(name);
    next(100);
    wait('fourth');
    next(101);
    next(199);
    next(202);
    wait('fifth');
    next(303);
    expect(begun).toEqual(['first', 'second', 'fourth', 'third', 'fifth']);
  });

  it('keeps no reference to a cancelled handshake', async () => {
    const turns = new HandshakeTurns({ pause: () => {} });
    turns.wait('a', () => {}, notEvicted);
    const give = () => {
      const begin = () => expect.fail('was cancelled');
      turns.wait('a', begin, notEvicted)();
      return new WeakRef(begin);
    };
    const given = give();
    await vi.waitFor(() => {
      collectGarbage();
      expect(given.deref() === undefined).toBe(true);
    });
  });
});

describe('the prefix of an address', () => {
  it.each([
    ['2001:db8:1:2::5', '2001:db8:1:2'],
    ['2001:db8:1:2:a:b:c:d', '2001:db8:1:2'],
    ['2001:db8::5', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['2001:db8:1:2:3::', '2001:db8:1:2'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['', ''],
  ])('reduces the address %j to the prefix %j', (address, prefix) => {
    expect(addressPrefix(address)).toBe(prefix);
  });
});
