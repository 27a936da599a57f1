// The fair queue: an item waits for at most one item of each other source.
import { expect, it } from 'vitest';
import { Turns } from '../../../src/broker/auth/fair-queue.ts';

it('alternates between sources, and within a source between keys', () => {
  const turns = new Turns<string>();
  for (const item of ['a1', 'a2', 'a3']) turns.add('near', 'alice', item);
  turns.add('near', 'bob', 'b1');
  turns.add('far', 'alice', 'x1');
  turns.add('far', 'alice', 'x2');
  expect(turns.clear()).toEqual(['a1', 'x1', 'b1', 'x2', 'a2', 'a3']);
  expect(turns.take()).toBeUndefined();
});

it('serves a source that is added later in its turn', () => {
  const turns = new Turns<number>();
  for (let item = 0; item < 100; item++) turns.add('near', `${item % 3}`, item);
  expect(turns.take()).toBe(0);
  turns.add('far', 'x', 1000);
  expect([turns.take(), turns.take()]).toEqual([1, 1000]);
  expect(turns.clear()).toHaveLength(98);
});
