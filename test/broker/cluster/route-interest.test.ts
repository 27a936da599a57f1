// RouteInterest: dropping the interest of a route that has ended, without blocking the event loop.
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { RemoteInterest, type RouteTarget } from '../../../src/broker/accounts/remote-interest.ts';
import { RouteInterest } from '../../../src/broker/cluster/route-interest.ts';

const route = {} as RouteTarget;

function listen(interest: RouteInterest, account: Account, subject: string, queue?: string): boolean {
  const asked = new RemoteInterest(route, account, Buffer.from(subject), queue, 1);
  return interest.add(`${subject} ${queue}`, asked);
}

it('drops queue groups immediately and plain interest in batches that leave time for other work', async () => {
  const [account, interest] = [new Account('A'), new RouteInterest()];
  for (let number = 0; number < 10_000; number++) listen(interest, account, `a.${number}`);
  for (let number = 0; number < 3000; number++) listen(interest, account, `a.${number}`, 'q');
  interest.clear();
  expect(interest.size).toBe(0);
  expect([...account.remote].filter(({ queue }) => queue !== undefined)).toEqual([]);
  const left = [];
  while (account.remote.size > 0) {
    left.push(account.remote.size);
    await setImmediate();
  }
  expect(left.length).toBeGreaterThan(5);
  expect(left[0]).toBeGreaterThan(8000);
});

it('keeps the new interest of a server that returns while its old interest is being dropped', async () => {
  const [account, before, after] = [new Account('A'), new RouteInterest(), new RouteInterest()];
  for (let number = 0; number < 5000; number++) listen(before, account, `a.${number}`);
  before.clear();
  for (let number = 0; number < 5000; number++) listen(after, account, `a.${number}`);
  while (account.remote.size > 5000) await setImmediate();
  await setImmediate();
  expect(account.remote.size).toBe(5000);
  expect(new Set(account.remote)).toEqual(new Set(after));
});

it('rejects an invalid subject and removes an interest by its key', () => {
  const [account, interest] = [new Account('A'), new RouteInterest()];
  expect([listen(interest, account, 'a..b'), listen(interest, account, 'a.b')]).toEqual([false, true]);
  interest.remove('a.b undefined');
  interest.remove('a.b undefined');
  expect([interest.size, account.remote.size]).toEqual([0, 0]);
});
