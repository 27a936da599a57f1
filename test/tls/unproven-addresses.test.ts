// Which connections are read that have yet to send their certificates.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { UnprovenAddresses } from '../../src/tls/unproven-addresses.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Adds a number of connections of an address, and returns which of them are read, and how to end each. */
function crowd(addresses: UnprovenAddresses, address: string, count: number) {
  const reading = Array<boolean>(count).fill(true);
  const ends = reading.map((_, index) =>
    addresses.add(address, {
      resume: () => (reading[index] = true),
      pause: () => (reading[index] = false),
    }),
  );
  return { reading, ends };
}

it('reads two connections of an unproven address at a time, the oldest first', () => {
  const { reading, ends } = crowd(new UnprovenAddresses(), 'a', 5);
  expect(reading).toEqual([true, true, false, false, false]);
  ends[1]?.();
  ends[1]?.();
  expect(reading).toEqual([true, true, true, false, false]);
  ends[3]?.();
  ends[0]?.();
  expect(reading).toEqual([true, true, true, false, true]);
});

it('lets a connection wait half a second at most for those that send nothing', () => {
  const { reading, ends } = crowd(new UnprovenAddresses(), 'a', 5);
  vi.advanceTimersByTime(499);
  expect(reading).toEqual([true, true, false, false, false]);
  vi.advanceTimersByTime(1);
  expect(reading).toEqual([true, true, true, true, false]);
  ends[0]?.();
  expect(reading).toEqual([true, true, true, true, false]);
  ends[2]?.();
  expect(reading).toEqual([true, true, true, true, true]);
  for (const end of ends) end();
  expect(vi.getTimerCount()).toBe(0);
});

it('does not make an address wait for another one', () => {
  const addresses = new UnprovenAddresses();
  crowd(addresses, 'a', 5);
  expect(crowd(addresses, 'b', 2).reading).toEqual([true, true]);
});

it('reads all connections of an address from which one was accepted', () => {
  const addresses = new UnprovenAddresses();
  const { reading, ends } = crowd(addresses, 'a', 4);
  addresses.prove('a');
  ends[0]?.();
  expect(reading).toEqual([true, true, true, true]);
  expect(crowd(addresses, 'a', 4).reading).toEqual([true, true, true, true]);
});

it('reads two at a time again after a certificate of the address was rejected', () => {
  const addresses = new UnprovenAddresses();
  addresses.prove('a');
  addresses.doubt('a');
  expect(crowd(addresses, 'a', 3).reading).toEqual([true, true, false]);
});

it('forgets the address that was proven first when too many are', () => {
  const addresses = new UnprovenAddresses();
  for (let index = 0; index <= 10_000; index++) addresses.prove(`a${index}`);
  expect(crowd(addresses, 'a0', 3).reading).toEqual([true, true, false]);
  expect(crowd(addresses, 'a1', 3).reading).toEqual([true, true, true]);
});
