// How a broker forgets what a server listened to whose route has ended: nobody waits for it, and nothing goes there.
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

it('forgets queue groups at once and very many others in turns, between which there is time for other things', async () => {
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

it('lets what the server asks for when it is back alone', async () => {
  const [account, before, after] = [new Account('A'), new RouteInterest(), new RouteInterest()];
  for (let number = 0; number < 5000; number++) listen(before, account, `a.${number}`);
  before.clear();
  for (let number = 0; number < 5000; number++) listen(after, account, `a.${number}`);
  while (account.remote.size > 5000) await setImmediate();
  await setImmediate();
  expect(account.remote.size).toBe(5000);
  expect(new Set(account.remote)).toEqual(new Set(after));
});

it('takes in nothing that is no subject, and takes back what it has', () => {
  const [account, interest] = [new Account('A'), new RouteInterest()];
  expect([listen(interest, account, 'a..b'), listen(interest, account, 'a.b')]).toEqual([false, true]);
  interest.remove('a.b undefined');
  interest.remove('a.b undefined');
  expect([interest.size, account.remote.size]).toEqual([0, 0]);
});
