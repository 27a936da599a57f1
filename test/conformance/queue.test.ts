// Queue groups: each message reaches exactly one member, and the members share the load.
import { expect, it } from 'vitest';
import type { Wire } from '../harness/wire.ts';
import { conformanceOnBothPorts, type Suite } from './suite.ts';

conformanceOnBothPorts('queue groups', '', (suite) => {
  it('deliver each message to exactly one member, and some to every member', async () => {
    const members = await subscribers(suite, 4);
    const publisher = await suite.connect();
    const s = suite.subject();
    await subscribeAll(members, `SUB ${s} workers 1\r\n`);
    const counts = await share(publisher, s, members, 400);
    expect(sum(counts)).toBe(400);
    // By chance a member misses all 400 messages once in 10^49 runs, and receives fewer than 40 once in 10^12.
    expect(Math.min(...counts)).toBeGreaterThan(40);
  });

  it('share messages among the subscriptions of one connection', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(
      '1234'.replace(/./g, (sid) => `SUB ${s} workers ${sid}\r\n`) + `PUB ${s} 1\r\nx\r\n`.repeat(200),
    );
    const answer = await client.drain();
    const counts = ['1', '2', '3', '4'].map((sid) => answer.split(`MSG ${s} ${sid} 1\r\nx\r\n`).length - 1);
    expect(sum(counts)).toBe(200);
    expect(Math.min(...counts)).toBeGreaterThan(10);
  });

  it('of different names receive one copy of a message each', async () => {
    const [first, second] = await subscribers(suite, 2);
    const publisher = await suite.connect();
    const s = suite.subject();
    first?.send(`SUB ${s} one 1\r\nSUB ${s} one 2\r\n`);
    second?.send(`SUB ${s} two 1\r\nSUB ${s} two 2\r\n`);
    await Promise.all([first?.receives(''), second?.receives('')]);
    publisher.send(`PUB ${s} 1\r\nx\r\n`.repeat(20));
    await publisher.receives('');
    for (const client of [first, second]) {
      expect((await client?.drain())?.match(/MSG s\d+ [12] 1\r\nx\r\n/g)).toHaveLength(20);
    }
  });

  it('with one name and several patterns form one group', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s}.a workers 1\r\nSUB ${s}.* workers 2\r\nSUB ${s}.> workers 3\r\n`);
    client.send(`PUB ${s}.a 1\r\nx\r\n`.repeat(30));
    expect((await client.drain()).match(/MSG /g)).toHaveLength(30);
  });

  it('do not take messages from plain subscribers', async () => {
    const [plain, one, two] = (await subscribers(suite, 3)) as [Wire, Wire, Wire];
    const publisher = await suite.connect();
    const s = suite.subject();
    await subscribeAll([plain], `SUB ${s} 1\r\n`);
    await subscribeAll([one, two], `SUB ${s} workers 1\r\n`);
    publisher.send(`PUB ${s} 1\r\nx\r\n`.repeat(20));
    await publisher.receives('');
    await plain.receives(`MSG ${s} 1 1\r\nx\r\n`.repeat(20));
    const counts = [count(await one.drain(), s), count(await two.drain(), s)];
    expect(sum(counts)).toBe(20);
  });

  it('deliver in the order of publishing to a single member', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    const letters = [...'abcdefghijklmnopqrstuvwxyz'];
    client.send(`SUB ${s} workers 1\r\n${letters.map((letter) => `PUB ${s} 1\r\n${letter}\r\n`).join('')}`);
    await client.receives(letters.map((letter) => `MSG ${s} 1 1\r\n${letter}\r\n`).join(''));
  });

  it('preserve the reply subject and the headers', async () => {
    const client = await suite.connect({ headers: true });
    const s = suite.subject();
    client.send(`SUB ${s} workers 1\r\nHPUB ${s} re.ply 12 13\r\nNATS/1.0\r\n\r\nx\r\n`);
    await client.receives(`HMSG ${s} 1 re.ply 12 13\r\nNATS/1.0\r\n\r\nx\r\n`);
  });

  it('continue without a member that has disconnected', async () => {
    const [leaver, stayer] = (await subscribers(suite, 2)) as [Wire, Wire];
    const publisher = await suite.connect();
    const s = suite.subject();
    await subscribeAll([leaver, stayer], `SUB ${s} workers 1\r\n`);
    leaver.send('NOPE\r\n');
    await leaver.closed();
    publisher.send(`PUB ${s} 1\r\nx\r\n`.repeat(20));
    await publisher.receives('');
    await stayer.receives(`MSG ${s} 1 1\r\nx\r\n`.repeat(20));
  });

  it('continue without a member that has reached its UNSUB limit', async () => {
    const [limited, other] = (await subscribers(suite, 2)) as [Wire, Wire];
    const publisher = await suite.connect();
    const s = suite.subject();
    await subscribeAll([limited], `SUB ${s} workers 1\r\nUNSUB 1 3\r\n`);
    await subscribeAll([other], `SUB ${s} workers 1\r\n`);
    publisher.send(`PUB ${s} 1\r\nx\r\n`.repeat(100));
    await publisher.receives('');
    await limited.receives(`MSG ${s} 1 1\r\nx\r\n`.repeat(3));
    await other.receives(`MSG ${s} 1 1\r\nx\r\n`.repeat(97));
  });

  it('skip the publisher when its echo is off', async () => {
    const client = await suite.connect({ echo: false });
    const other = await suite.connect();
    const s = suite.subject();
    await subscribeAll([client, other], `SUB ${s} workers 1\r\n`);
    client.send(`PUB ${s} 1\r\nx\r\n`.repeat(20));
    await client.receives('');
    await other.receives(`MSG ${s} 1 1\r\nx\r\n`.repeat(20));
  });

  it('share requests to a wildcard subscription', async () => {
    const members = await subscribers(suite, 2);
    const publisher = await suite.connect();
    const s = suite.subject();
    await subscribeAll(members, `SUB ${s}.*.get workers 1\r\n`);
    const counts = await share(publisher, `${s}.user.get`, members, 100);
    expect(sum(counts)).toBe(100);
    expect(Math.min(...counts)).toBeGreaterThan(5);
  });
});

function subscribers(suite: Suite, number: number): Promise<Wire[]> {
  return Promise.all(Array.from({ length: number }, () => suite.connect()));
}

async function subscribeAll(clients: Wire[], lines: string): Promise<void> {
  for (const client of clients) {
    client.send(lines);
    await client.receives('');
  }
}

// Publishes to a group and returns how many messages each member received.
async function share(publisher: Wire, subject: string, members: Wire[], messages: number): Promise<number[]> {
  publisher.send(`PUB ${subject} 1\r\nx\r\n`.repeat(messages));
  await publisher.receives('');
  return Promise.all(members.map(async (member) => count(await member.drain(), subject)));
}

function count(answer: string, subject: string): number {
  const message = `MSG ${subject} 1 1\r\nx\r\n`;
  expect(answer).toBe(message.repeat(answer.length / message.length));
  return answer.length / message.length;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
