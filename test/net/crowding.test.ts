// Which connection makes room for another when a listener has too many.
import { expect, it } from 'vitest';
import { mostCrowding } from '../../src/net/crowding.ts';

function worstOf(...all: [connection: string, address: string, isUnproved: boolean][]): string | undefined {
  return mostCrowding(all.map(([connection, address, isUnproved]) => ({ connection, address, isUnproved })));
}

it('chooses the oldest unproved connection of the address with the most connections', () => {
  expect(
    worstOf(
      ['other', '192.0.2.2', true],
      ['proved', '192.0.2.1', false],
      ['first', '192.0.2.1', true],
      ['second', '192.0.2.1', true],
    ),
  ).toBe('first');
});

it('chooses the oldest connection of that address when all are proved', () => {
  expect(
    worstOf(['other', '192.0.2.2', true], ['first', '192.0.2.1', false], ['second', '192.0.2.1', false]),
  ).toBe('first');
});

it('chooses an unproved connection among addresses with equally many connections', () => {
  expect(worstOf(['a', '192.0.2.1', false], ['b', '192.0.2.2', true], ['c', '192.0.2.3', true])).toBe('b');
});

it('counts the addresses of an IPv6 network as one', () => {
  expect(
    worstOf(['other', '192.0.2.1', true], ['first', '2001:db8::1', true], ['second', '2001:db8::2', true]),
  ).toBe('first');
});

it('chooses none of no connections', () => {
  expect(worstOf()).toBeUndefined();
});
