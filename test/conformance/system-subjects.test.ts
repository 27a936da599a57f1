// Every subject of events.go (nats-server) that a server may answer: the broker and nats-server answer the same
// ones, with the same keys.
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { Wire } from '../harness/wire.ts';
import { typesOf } from '../support/monitoring.ts';
import { besideNatsServer, conformance } from './suite.ts';

const configuration = `
server_name: one
system_account: SYS
accounts {
  SYS {
    users: [{ user: sys, password: pw }, { user: few, password: pw, permissions: { publish: [">"], subscribe: [">"] } }]
    exports: [{ service: "$SYS.DEBUG.SUBSCRIBERS" }, { service: "$SYS.REQ.USER.*.INFO" }, { service: "$SYS.REQ.ACCOUNT.*.INFO" }]
  }
  A {
    users: [{ user: alice, password: pw }]
    exports: [{ stream: "s.>" }]
    imports: [
      { service: { account: SYS, subject: "$SYS.DEBUG.SUBSCRIBERS" } }
      { service: { account: SYS, subject: "$SYS.REQ.USER.A.INFO" }, to: me, share: true }
      { service: { account: SYS, subject: "$SYS.REQ.ACCOUNT.A.INFO" }, to: ours }
    ]
  }
  B {
    users: [{ user: bob, password: pw }]
    imports: [{ stream: { account: A, subject: "s.>" } }]
  }
}
`;

const options = { pass: 'pw', headers: true, no_responders: true };
const ofServers = [
  ...['IDZ', 'STATSZ', 'VARZ', 'SUBSZ', 'CONNZ', 'ROUTEZ', 'GATEWAYZ', 'LEAFZ', 'ACCOUNTZ', 'JSZ', 'HEALTHZ'],
  ...['PROFILEZ', 'EXPVARZ', 'IPQUEUESZ', 'RAFTZ', 'KICK', 'LDM', 'RELOAD', 'NONE'],
].flatMap((name) => [`$SYS.REQ.SERVER.PING.${name}`, `$SYS.REQ.SERVER.ID.${name}`]);
const ofAccounts = [
  'SUBSZ',
  'CONNZ',
  'LEAFZ',
  'JSZ',
  'INFO',
  'STATZ',
  'CONNS',
  'CLAIMS.UPDATE',
  'CLAIMS.LOOKUP',
  'NONE',
].flatMap((name) => ['SYS', 'B', 'NOBODY', 'PING'].map((account) => `$SYS.REQ.ACCOUNT.${account}.${name}`));

type Case = readonly [user: string, subject: string, body: string, headers?: string];

const cases: readonly Case[] = [
  ...[...ofServers, ...ofAccounts, '$SYS.REQ.SERVER.PING', '$SYS.REQ.USER.A.INFO'].map(
    (subject): Case => ['sys', subject, ''],
  ),
  ...['PACK', 'LIST', 'UPDATE', 'DELETE'].map((name): Case => ['sys', `$SYS.REQ.CLAIMS.${name}`, '']),
  ['sys', '$SYS.REQ.ACCOUNT.A.CLAIMS.UPDATE', 'not a token'],
  ['sys', '$SYS.ACCOUNT.A.CLAIMS.UPDATE', ''],
  ['few', '$SYS.REQ.USER.A.INFO', ''],
  ['alice', 'me', ''],
  ['alice', 'ours', ''],
  ...['INFO', 'A.INFO'].map((name): Case => ['alice', `$SYS.REQ.USER.${name}`, '']),
  ...[
    'ACCOUNT.PING.CONNZ',
    'SERVER.PING.CONNZ',
    'ACCOUNT.PING.STATZ',
    'ACCOUNT.A.CONNZ',
    'ACCOUNT.NSUBS',
  ].map((name): Case => ['alice', `$SYS.REQ.${name}`, '']),
  ...['', '{}', 'x', '7', '{"acc":"SYS","subject":"none"}', '{"acc":"NOBODY","subject":"none"}'].map(
    (body): Case => ['sys', '$SYS.REQ.ACCOUNT.NSUBS', body],
  ),
  ...['', 'none', 'none.*'].map((body): Case => ['sys', '$SYS.DEBUG.SUBSCRIBERS', body]),
  ['sys', '$SYS.DEBUG.SUBSCRIBERS', 'none', 'A: b'],
  ['sys', '$SYS.DEBUG.SUBSCRIBERS', 'none', 'Nats-Request-Info: {"acc":"NOBODY"}'],
  ['alice', '$SYS.DEBUG.SUBSCRIBERS', 'none'],
  ['bob', '$SYS.DEBUG.SUBSCRIBERS', 'none'],
];

/** Lines of an answer in which the two servers differ deliberately. */
const differences = [
  /^server\.feature_flags/,
  /^data\.feature_flags/,
  /^data\.git_commit/,
  // The broker needs no imports of its own for these answers, and lists no subscriptions of its own.
  /^data\.imports/,
  /^data\.subscriptions_list/,
  // For an unknown account the broker returns an empty list, which scripts can iterate; nats-server returns null.
  /^data\.connections (array|null)/,
  // Statistics of the Go runtime that Node does not have.
  /^data\.memstats\.\w/,
];

function isDifferent(subject: string, line: string): boolean {
  // The broker does not have nats-server's internal queues.
  return (
    differences.some((known) => known.test(line)) || (/IPQUEUESZ$/.test(subject) && /^data\./.test(line))
  );
}

/** Always answered, but not always in the order of the requests. */
const sure = /PROFILEZ|STATSZ|SERVER\.PING$|SERVER\.ID\.RELOAD/;

/**
 * The answer to a request: `nobody` for a 503, `silence` for none, a number as it is, or the keys of JSON with
 * their types.
 */
async function outcome(wire: Wire, id: string, [user, subject, body, headers]: Case): Promise<string[]> {
  const block = headers === undefined ? '' : `NATS/1.0\r\n${headers}\r\n\r\n`;
  const sizes = block === '' ? `${body.length}` : `${block.length} ${block.length + body.length}`;
  const verb = block === '' ? 'PUB' : 'HPUB';
  wire.send(`SUB in 1\r\n${verb} ${subject.replace('ID', id)} in ${sizes}\r\n${block}${body}\r\n`);
  const isSure = sure.test(subject);
  const last =
    user === 'alice' || user === 'bob' ? '$SYS.REQ.ACCOUNT.PING.CONNZ' : '$SYS.REQ.SERVER.PING.IDZ';
  // Both servers answer in the order of the requests, and this request is always answered.
  if (!isSure) wire.send(`SUB end 2\r\nPUB ${last} end 0\r\n\r\n`);
  const found: string[] = [];
  for (;;) {
    const [keyword, to, ...rest] = (await wire.line()).split(' ');
    const payload = (await wire.bytes(Number(rest.at(-1)) + 2)).slice(0, -2);
    if (to === 'end') break;
    if (keyword === 'HMSG') found.push(/NATS\/1.0 503/.test(payload) ? 'nobody' : payload);
    else if (/^\d+$/.test(payload)) found.push(payload);
    else found.push(...[...typesOf(JSON.parse(payload))].map((pair) => pair.join(' ')).sort());
    if (isSure) break;
  }
  wire.send('UNSUB 1\r\nUNSUB 2\r\n');
  return found.length === 0 ? ['silence'] : found;
}

besideNatsServer('requests to the system subjects', configuration, (sides) => {
  it.each(cases)('user %s gets the same answer from %s with %s %s', async (...asked) => {
    const each = asked as unknown as Case;
    const outcomes = await Promise.all(
      sides.map(async (side) => {
        const wire = await side.connect({ user: each[0], ...options });
        const found = await outcome(wire, String(wire.info.server_id), each);
        wire.end();
        return found.filter((line) => !isDifferent(each[1], line));
      }),
    );
    expect(outcomes[0]).toEqual(outcomes[1]);
  });
});

conformance('the number of subscribers', configuration, (suite) => {
  const connect = (user: string) => suite.connect({ user, ...options });

  async function ask(wire: Wire, subject: string, body: string): Promise<string> {
    wire.send(`SUB in 99\r\nUNSUB 99 1\r\nPUB ${subject} in ${body.length}\r\n${body}\r\n`);
    const size = (await wire.line()).split(' ').at(-1);
    return (await wire.bytes(Number(size) + 2)).slice(0, -2);
  }

  it.each([
    ['x.one', '4'],
    ['x.two', '1'],
    ['x.one q', '2'],
    ['x.one  q', '0'],
    ['x.one r', '1'],
    ['x.one none', '0'],
    ['x.*', '5'],
    ['x.>', '5'],
    ['x.* q', '2'],
    ['s.t', '0'],
    [' x.two\r\n', '1'],
    ['a..b', '0'],
  ])('is returned for %j to a user of the account and to another server', async (pattern, expected) => {
    // Subscriptions of the previous case may still exist.
    const own = (text: string) => text.replace(/\bx\b/g, name);
    const name = suite.subject();
    const listener = await connect('alice');
    const lines = ['SUB x.one 1', 'SUB x.one q 2', 'SUB x.one q 3', 'SUB x.* r 4', 'SUB x.> 5', 'UNSUB 5'];
    const gone = ['SUB x.three r 6', 'UNSUB 6', 'SUB x.two.more 7', 'UNSUB 7', 'SUB x.three 8'];
    listener.send([...lines, ...gone].map((line) => `${own(line)}\r\n`).join(''));
    await listener.receives('');
    const [alice, sys] = [await connect('alice'), await connect('sys')];
    expect(await ask(alice, '$SYS.DEBUG.SUBSCRIBERS', own(pattern))).toBe(expected);
    const [subject, group, ...more] = own(pattern).trim().split(' ');
    if (more.length > 0) return;
    const queue = group === undefined ? undefined : Buffer.from(group).toString('base64');
    const forServers = JSON.stringify({ acc: 'A', subject, queue });
    expect(await ask(sys, '$SYS.REQ.ACCOUNT.NSUBS', forServers)).toBe(expected);
  });

  it('includes every subscription for >, at any position', async () => {
    const alice = await connect('alice');
    const count = async (pattern: string) => Number(await ask(alice, '$SYS.DEBUG.SUBSCRIBERS', pattern));
    for (const pattern of ['>', '>.x']) expect(await count(pattern)).toBeGreaterThan(0);
  });

  it('includes subscribers in accounts that import the stream', async () => {
    const [listener, alice] = [await connect('bob'), await connect('alice')];
    listener.send('SUB s.> 1\r\nSUB s.x q 2\r\n');
    await listener.receives('');
    expect(await ask(alice, '$SYS.DEBUG.SUBSCRIBERS', 's.x')).toBe('2');
    expect(await ask(alice, '$SYS.DEBUG.SUBSCRIBERS', 's.*')).toBe('1');
  });
});

conformance('the encoding of answers from the system account', configuration, (suite) => {
  it.each([
    ['gzip', 'gzip'],
    ['GZip, br', 'gzip'],
    ['br', 'identity'],
  ])('for a request that accepts %s is %s', async (accepted, encoding) => {
    const wire = await suite.connect({ user: 'sys', ...options });
    const block = `NATS/1.0\r\nAccept-Encoding: ${accepted}\r\n\r\n`;
    wire.send(
      `SUB in 1\r\nHPUB $SYS.REQ.SERVER.PING.HEALTHZ in ${block.length} ${block.length}\r\n${block}\r\n`,
    );
    const sizes = (await wire.line()).split(' ').slice(-2).map(Number) as [number, number];
    const bytes = Buffer.from(await wire.bytes(sizes[1] + 2), 'latin1').subarray(0, -2);
    expect(bytes.toString('latin1', 0, sizes[0])).toBe(`NATS/1.0\r\nContent-Encoding: ${encoding}\r\n\r\n`);
    const body = bytes.subarray(sizes[0]);
    const json = JSON.parse((encoding === 'gzip' ? gunzipSync(body) : body).toString());
    expect(json.data).toMatchObject({ status: 'ok' });
  });

  it.each([
    ['SERVER.PING.CONNZ', '{"sort":"x"}'],
    ['SERVER.PING.CONNZ', 'x'],
    ['SERVER.PING', ''],
    ['ACCOUNT.SYS.CONNS', ''],
  ])('is not applied for %s with %s', async (subject, body) => {
    const wire = await suite.connect({ user: 'sys', ...options });
    const block = 'NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n';
    const sizes = `${block.length} ${block.length + body.length}`;
    wire.send(`SUB in 1\r\nHPUB $SYS.REQ.${subject} in ${sizes}\r\n${block}${body}\r\n`);
    expect(await wire.line()).toMatch(/^MSG in 1 /);
  });
});
