// How many handshakes begin, by a clock that the test sets.
import { describe, expect, it, vi } from 'vitest';
import { HandshakeBudget, HandshakeCounter } from '../../src/tls/admission.ts';

describe('HandshakeCounter', () => {
  it('admits its number in each second', () => {
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

describe('HandshakeBudget', () => {
  it('keeps the rate over time, whatever a handshake costs', () => {
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
      // 100,000 bytes at 10,000 a second, the first second's budget in advance; one handshake may overdraw it.
      expect(starts.at(-1)).toBeGreaterThan(8000);
      expect(starts.at(-1)).toBeLessThan(9500);
      for (let from = 0; from + 4 < starts.length; from++) {
        // Four of them cost two seconds' worth.
        expect((starts[from + 4] as number) - (starts[from] as number)).toBeGreaterThan(400);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  it('forgets who gave up waiting', () => {
    const budget = new HandshakeBudget(1);
    const begun: string[] = [];
    budget.wait(() => begun.push('first'));
    const giveUp = budget.wait(() => begun.push('second'));
    giveUp();
    budget.close();
    expect(begun).toEqual(['first']);
  });
});
