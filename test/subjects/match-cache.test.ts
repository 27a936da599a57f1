// What the match cache keeps and what it evicts.
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { MatchCache } from '../../src/subjects/match-cache.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function find(cache: MatchCache<number>, subject: string): number | undefined {
  const bytes = Buffer.from(`<${subject}>`);
  return cache.find(bytes, 1, bytes.length - 1);
}

function add(cache: MatchCache<number>, subject: string, match: number, size = 1): void {
  const bytes = Buffer.from(`<${subject}>`);
  cache.add(bytes, 1, bytes.length - 1, match, size);
}

describe('MatchCache', () => {
  it('keeps nearly all of a thousand subjects that occur in turn', () => {
    const cache = new MatchCache<number>();
    let misses = 0;
    for (let round = 0; round < 5; round++) {
      misses = 0;
      for (let index = 0; index < 1000; index++) {
        if (find(cache, `orders.${index}`) === index) continue;
        misses++;
        add(cache, `orders.${index}`, index);
      }
    }
    expect(misses).toBeLessThan(50);
  });

  it('keeps a repeated subject while thousands of others occur once', () => {
    const cache = new MatchCache<number>();
    add(cache, 'often', 1);
    let kept = 0;
    for (let index = 0; index < 50_000; index++) {
      add(cache, `once.${index}`, index);
      if (find(cache, 'often') === 1) kept++;
      else add(cache, 'often', 1);
    }
    expect(kept).toBeGreaterThan(49_000);
  });

  it('evicts no entry for subjects that occur once, and one entry for a subject that occurs again', () => {
    const cache = new MatchCache<number>();
    for (let index = 0; index < 1000; index++) add(cache, `held.${index}`, index);
    const held = Array.from({ length: 1000 }, (_, index) => find(cache, `held.${index}`));
    for (let index = 0; index < 50_000; index++) add(cache, `once.${index}`, index);
    expect(Array.from({ length: 1000 }, (_, index) => find(cache, `held.${index}`))).toEqual(held);
    for (let time = 0; time < 2; time++) add(cache, 'again', 1);
    expect(find(cache, 'again')).toBe(1);
  });

  it('removes a single subject, even the most recently found one, and keeps its neighbours', () => {
    const cache = new MatchCache<number>();
    add(cache, 'a', 1);
    add(cache, 'b', 2);
    expect([find(cache, 'b'), find(cache, 'a'), find(cache, 'a')]).toEqual([2, 1, 1]);
    cache.forget('a');
    expect([find(cache, 'a'), find(cache, 'b')]).toEqual([undefined, 2]);
  });

  it('removes all subjects with one call', () => {
    const cache = new MatchCache<number>();
    add(cache, 'a', 1);
    expect(find(cache, 'a')).toBe(1);
    cache.clear();
    expect(find(cache, 'a')).toBeUndefined();
  });

  it('holds at most a million subscriptions, however many each match has', () => {
    const cache = new MatchCache<number>();
    for (let index = 0; index < 100; index++) add(cache, `wide.${index}`, index, 100_000);
    const known = Array.from({ length: 100 }, (_, index) => find(cache, `wide.${index}`));
    const kept = known.filter((match) => match !== undefined).length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(10);
  });

  it('releases the memory of removed matches', async () => {
    const cache = new MatchCache<object>();
    const subject = Buffer.from('once');
    const remember = () => {
      const match = {};
      cache.add(subject, 0, subject.length, match, 100_000);
      return new WeakRef(match);
    };
    const match = remember();
    cache.clear();
    await setImmediate();
    collectGarbage();
    expect(match.deref()).toBeUndefined();
  });
});
