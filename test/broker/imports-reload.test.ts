// The effect of a reload on exports and imports that are in use.
import { expect, it } from 'vitest';
import { Running } from './running.ts';

const accounts = (exports: string, imports: string) => `accounts {
  A { users: [ { user: a } ], exports: [ ${exports} ] }
  B { users: [ { user: b } ], imports: [ ${imports} ] }
}`;
const exports = '{ stream: "s.>" }, { service: "q.>", response: stream }';
const stream = (more = '') => `{ stream: { account: A, subject: "s.>" } ${more} }`;
const service = '{ service: { account: A, subject: "q.>" } }';

async function start(imports: string) {
  const running = await Running.start(accounts(exports, imports));
  const [a, b] = [await running.connect({ user: 'a' }), await running.connect({ user: 'b' })];
  b.send('SUB > 1\r\n');
  await b.receives('');
  const published = async (expected: string, subject = 's.x') => {
    a.send(`PUB ${subject} 1\r\nx\r\n`);
    await a.receives('');
    await b.receives(expected);
  };
  return { running, a, b, published };
}

it('delivers a stream to existing subscriptions once a reload imports it, and no longer than it is imported', async () => {
  const { running, published } = await start('');
  await published('');
  await running.reload(accounts(exports, stream()));
  await published('MSG s.x 1 1\r\nx\r\n');
  await running.reload(accounts(exports, stream(', prefix: p')));
  await published('MSG p.s.x 1 1\r\nx\r\n');
  await running.reload(accounts(exports, service));
  await published('');
});

it('delivers an unchanged import exactly once after any number of reloads', async () => {
  const { running, published } = await start(stream());
  for (let round = 0; round < 3; round++) {
    await running.reload(accounts(`${exports}, { stream: "n${round}" }`, `${stream()}, ${service}`));
    await running.reload(accounts(exports, stream()));
  }
  await published('MSG s.x 1 1\r\nx\r\n');
});

it('leaves no shadow of a subscription in the exporting account after the subscription ends', async () => {
  const { running, b, published } = await start(stream());
  b.send('UNSUB 1\r\nSUB s.> 2\r\nUNSUB 2\r\nSUB s.x 3\r\n');
  await b.receives('');
  await published('MSG s.x 3 1\r\nx\r\n');
  b.end();
  await expect.poll(() => running.broker.clients).toBe(1);
  const other = await running.connect({ user: 'a', headers: true, no_responders: true });
  other.send('SUB in 1\r\nPUB s.x in 0\r\n\r\n');
  await other.receives('HMSG in 1 35 35\r\nNATS/1.0 503\r\nNats-Subject: s.x\r\n\r\n\r\n');
});

it('adds and removes a service, and still delivers the answers to earlier requests', async () => {
  const { running, a, b } = await start('');
  a.send('SUB q.> 7\r\n');
  await a.receives('');
  b.send('UNSUB 1\r\nSUB in 2\r\nPUB q.x in 0\r\n\r\n');
  await b.receives('');
  await a.receives('');
  await running.reload(accounts(exports, service));
  b.send('PUB q.x in 0\r\n\r\n');
  await b.receives('');
  const reply = /_R_\.\S+/.exec(await a.drain())?.[0];
  await running.reload(accounts(exports, ''));
  a.send(`PUB ${reply} 2\r\nok\r\n`);
  await a.receives('');
  await b.receives('MSG in 2 2\r\nok\r\n');
  b.send('PUB q.x in 0\r\n\r\n');
  await b.receives('');
  await a.receives('');
});

it('changes or ends the latency of a service, and reports earlier requests under the earlier option', async () => {
  const measured = (latency: string) => accounts(`{ service: "q.>" ${latency} }`, service);
  const running = await Running.start(measured(', latency: first'));
  const [a, b] = [await running.connect({ user: 'a' }), await running.connect({ user: 'b' })];
  a.send('SUB q.> 1\r\nSUB first 2\r\nSUB second 3\r\n');
  await a.receives('');
  const request = async () => {
    b.send('SUB in 1\r\nPUB q.x in 0\r\n\r\n');
    await b.receives('');
    return /_R_\.\S+/.exec(await a.drain())?.[0];
  };
  const results = async (reply: string | undefined) => {
    a.send(`PUB ${reply} 0\r\n\r\n`);
    await b.reads('MSG in 1 0\r\n\r\n');
    return [...(await a.drain()).matchAll(/^MSG (first|second) /gm)].map(([, subject]) => subject);
  };
  const before = await request();
  await running.reload(measured(', latency: { subject: second, sampling: 100 }'));
  const between = await request();
  await running.reload(measured(''));
  const after = await request();
  expect([before, between, after].map((reply) => reply?.endsWith('.T'))).toEqual([true, true, false]);
  expect(await results(before)).toEqual(['first']);
  expect(await results(between)).toEqual(['second']);
  expect(await results(after)).toEqual([]);
});

it('lists an account that a reload adds before any client has joined it', async () => {
  const systemAccounts = (more: string) =>
    `system_account: S\naccounts { S { users: [ { user: s } ] }, A { users: [ { user: a } ] } ${more} }`;
  const running = await Running.start(systemAccounts(''));
  const wire = await running.connect({ user: 's' });
  const listed = async () => {
    wire.send('SUB in 1\r\nUNSUB 1 1\r\nPUB $SYS.REQ.SERVER.PING.ACCOUNTZ in 0\r\n\r\n');
    const size = (await wire.line()).split(' ').at(-1);
    return JSON.parse((await wire.bytes(Number(size) + 2)).slice(0, -2)).data.accounts.sort();
  };
  expect(await listed()).toEqual(['$G', 'A', 'S']);
  await running.reload(systemAccounts(', B {}'));
  expect(await listed()).toEqual(['$G', 'A', 'B', 'S']);
});
