// Message tracing: the events of a traced message and what is delivered of it, compared with nats-server member by member.
import { expect, it } from 'vitest';
import type { Wire } from '../harness/wire.ts';
import { besideNatsServer, type Suite } from './suite.ts';

const configuration = `
server_name: one
accounts {
  A {
    users: [
      { user: a, password: p }
      { user: narrow, password: p, permissions: { publish: [ "ok.>", "t.>" ], subscribe: { allow: [ ">" ], deny: [ "secret" ] } } }
    ]
    exports: [
      { stream: "news.>" }
      { stream: "open.>" }
      { service: "ask" }
      { service: "traced.*", allow_trace: true }
    ]
    imports: [ { service: { account: C, subject: "deep" }, to: "deeper" } ]
  }
  B {
    users: [ { user: b, password: p } ]
    imports: [
      { stream: { account: A, subject: "news.>" }, prefix: "in" }
      { stream: { account: A, subject: "open.>" }, to: "door.>", allow_trace: true }
      { service: { account: A, subject: "ask" }, to: "their.ask" }
      { service: { account: A, subject: "traced.*" }, to: "our.*" }
    ]
  }
  C {
    users: [ { user: c, password: p } ]
    exports: [ { service: "deep", allow_trace: true } ]
    msg_trace: { dest: "t.sampled", sampling: "100%" }
  }
  D { users: [ { user: d, password: p } ], msg_trace: "t.sampled" }
}`;

interface Case {
  readonly by: string;
  readonly subject: string;
  readonly headers: readonly string[];
  readonly reply?: string;
  readonly connect?: object;
  /** Lines that clients send before, by user; the publisher itself is `self`. */
  readonly listeners?: readonly (readonly [user: string, line: string])[];
}

const traced = ['Nats-Trace-Dest: t.one'];
const only = [...traced, 'Nats-Trace-Only: true'];
const sampled = 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const cases: readonly (readonly [string, Case])[] = [
  ['without a subscriber', { by: 'a', subject: 's', headers: traced }],
  ['to a subscriber', { by: 'a', subject: 's.x', headers: traced, listeners: [['a', 'SUB s.* 4']] }],
  [
    'to subscribers and a queue group, by a client with a name',
    {
      by: 'a',
      subject: 's.x',
      headers: [...traced, 'b: 2', 'A: 1', 'b: 3'],
      connect: { name: 'the <publisher>' },
      listeners: [
        ['a', 'SUB s.* 4'],
        ['a', 'SUB s.> workers 5'],
      ],
    },
  ],
  ['only', { by: 'a', subject: 's', headers: only, listeners: [['a', 'SUB s 4']] }],
  [
    'only, with a request',
    { by: 'a', subject: 's', reply: 'r', headers: only, listeners: [['a', 'SUB s 4']] },
  ],
  [
    'only, as a request that no client serves',
    { by: 'a', subject: 's', reply: 'r', headers: only, listeners: [['self', 'SUB r 9']] },
  ],
  [
    'only, in other words',
    { by: 'a', subject: 's', headers: [...traced, 'Nats-Trace-Only: ON'], listeners: [['a', 'SUB s 4']] },
  ],
  [
    'without a destination',
    { by: 'a', subject: 's', headers: ['Nats-Trace-Only: true'], listeners: [['a', 'SUB s 4']] },
  ],
  [
    'with an empty destination',
    {
      by: 'a',
      subject: 's',
      headers: ['Nats-Trace-Dest: ', 'Nats-Trace-Only: 1'],
      listeners: [['a', 'SUB s 4']],
    },
  ],
  [
    'with tracing disabled',
    { by: 'a', subject: 's', headers: ['Nats-Trace-Dest: trace disabled'], listeners: [['a', 'SUB s 4']] },
  ],
  [
    'with the name of the header in lower case',
    { by: 'a', subject: 's', headers: ['nats-trace-dest: t.one'], listeners: [['a', 'SUB s 4']] },
  ],
  [
    'with a wildcard as destination',
    { by: 'a', subject: 's', headers: ['Nats-Trace-Dest: t.*'], listeners: [['a', 'SUB s 4']] },
  ],
  [
    'only, with a wildcard as destination',
    {
      by: 'a',
      subject: 's',
      headers: ['Nats-Trace-Dest: t.*', 'Nats-Trace-Only: 1'],
      listeners: [['a', 'SUB s 4']],
    },
  ],
  [
    'with the header of an old version',
    {
      by: 'a',
      subject: 's',
      headers: [...traced, 'Nats-Trace-Origin-Account: A'],
      listeners: [['a', 'SUB s 4']],
    },
  ],
  [
    'to a subscriber without echo',
    { by: 'a', subject: 's', headers: traced, connect: { echo: false }, listeners: [['self', 'SUB s 4']] },
  ],
  [
    'to a subscription that denies the subject',
    { by: 'a', subject: 'secret', headers: traced, listeners: [['narrow', 'SUB * 4']] },
  ],
  [
    'to a subject that the client may not publish to',
    { by: 'narrow', subject: 'no', headers: traced, listeners: [['a', 'SUB no 4']] },
  ],
  ['with a reserved reply subject', { by: 'a', subject: 's', reply: '_R_.x', headers: traced }],
  [
    'with a destination that the client may not publish to',
    { by: 'narrow', subject: 'ok.x', headers: ['Nats-Trace-Dest: no'], listeners: [['a', 'SUB ok.x 4']] },
  ],
  [
    'with a reserved destination',
    { by: 'a', subject: 's', headers: ['Nats-Trace-Dest: $NRG.x'], listeners: [['a', 'SUB s 4']] },
  ],
  [
    'to a client without headers',
    { by: 'a', subject: 's', headers: traced, listeners: [['plain', 'SUB s 4']] },
  ],
  [
    'with the last message of a subscription',
    { by: 'a', subject: 's', headers: traced, listeners: [['a', 'SUB s 4\r\nUNSUB 4 1']] },
  ],
  [
    'as a stream to another account',
    {
      by: 'a',
      subject: 'news.x',
      headers: traced,
      listeners: [
        ['b', 'SUB in.> 4'],
        ['b', 'SUB in.news.* group 5'],
      ],
    },
  ],
  [
    'only, as a stream to another account',
    { by: 'a', subject: 'news.x', headers: only, listeners: [['b', 'SUB in.> 4']] },
  ],
  [
    'as a stream that allows it',
    {
      by: 'a',
      subject: 'open.x',
      headers: traced,
      listeners: [
        ['b', 'SUB door.> 4'],
        ['b', 'SUB door.x group 5'],
      ],
    },
  ],
  [
    'only, as a stream that allows it',
    { by: 'a', subject: 'open.x', headers: only, listeners: [['b', 'SUB door.* 4']] },
  ],
  [
    'as a request to a service',
    { by: 'b', subject: 'their.ask', reply: 'r', headers: traced, listeners: [['a', 'SUB ask 4']] },
  ],
  [
    'only, as a request to a service',
    {
      by: 'b',
      subject: 'their.ask',
      reply: 'r',
      headers: only,
      listeners: [
        ['a', 'SUB ask 4'],
        ['self', 'SUB r 9'],
      ],
    },
  ],
  [
    'as a request to a service that allows it',
    { by: 'b', subject: 'our.x', reply: 'r', headers: traced, listeners: [['a', 'SUB traced.* 4']] },
  ],
  [
    'only, as a request to a service that allows it',
    {
      by: 'b',
      subject: 'our.x',
      reply: 'r',
      headers: only,
      listeners: [
        ['a', 'SUB traced.* 4'],
        ['self', 'SUB r 9'],
      ],
    },
  ],
  [
    'as a request to a service without a subscriber',
    { by: 'b', subject: 'our.x', reply: 'r', headers: traced, listeners: [['self', 'SUB r 9']] },
  ],
  [
    'as a request to the service of a third account',
    { by: 'a', subject: 'deeper', reply: 'r', headers: traced, listeners: [['c', 'SUB deep 4']] },
  ],
  [
    'with sampling, in an account without a destination',
    { by: 'a', subject: 's', headers: [sampled], listeners: [['a', 'SUB s 4']] },
  ],
  [
    'with sampling, in an account with a destination',
    { by: 'd', subject: 's', headers: [sampled], listeners: [['d', 'SUB s 4']] },
  ],
  [
    'with sampling in capitals',
    {
      by: 'c',
      subject: 's',
      headers: [sampled.replace('traceparent', 'TraceParent'), 'Nats-Trace-Only: 1'],
      listeners: [['c', 'SUB s 4']],
    },
  ],
  [
    'without sampling',
    { by: 'd', subject: 's', headers: [sampled.replace(/01$/, '00')], listeners: [['d', 'SUB s 4']] },
  ],
  [
    'with sampling and a destination',
    { by: 'd', subject: 's', headers: [sampled, ...only], listeners: [['d', 'SUB s 4']] },
  ],
  ['with events as gzip', { by: 'a', subject: 's', headers: [...traced, 'Accept-Encoding: gzip'] }],
  [
    'with events in an unknown encoding',
    { by: 'a', subject: 's', headers: [...traced, 'Accept-Encoding: br'] },
  ],
];

const message = (subject: string, headers: readonly string[], reply?: string) => {
  const block = `NATS/1.0\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
  const words = [subject, ...(reply === undefined ? [] : [reply]), block.length, block.length + 2];
  return `HPUB ${words.join(' ')}\r\n${block}hi\r\n`;
};

/** Removes what differs between runs, and keeps every other byte. */
const normal = (text: string) =>
  text
    .replace(/_R_\.\w{6}\.\w{6}/g, '_R_')
    .replace(/"ts":"[\d:.TZ-]+"/g, '"ts":""')
    .replace(/"(cid|rtt|id|seq)":\d+/g, '"$1":0')
    .replace(/"server":\{[^{}]*(\{[^{}]*\})?[^{}]*\}/g, '"server":{}')
    // The length of the header block depends on the measured round trip.
    .replace(/,"rtt":0/g, '')
    .replace(/(HMSG .*) \d+ \d+\r\n/g, '$1\r\n')
    .replace(/(MSG t\.\S+ \d+) \d+\r\n/g, '$1\r\n');

/** Reads the events until that of the message that ends a case. */
async function events(collector: Wire): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const line = await collector.line();
    const body = await collector.bytes(Number(line.split(' ').at(-1)) + 2);
    if (line.startsWith('MSG t.end ')) return found;
    found.push(normal(`${line.startsWith('HMSG') ? `${body.slice(0, 40)}` : body}`));
  }
}

async function outcome(side: Suite, { by, subject, headers, reply, connect, listeners = [] }: Case) {
  const open = (user: string, more: object = {}) =>
    side.connect({ user, pass: 'p', headers: true, no_responders: true, ...more });
  const collector = await open(by === 'narrow' ? 'a' : by);
  await collector.receives('');
  collector.send('SUB t.> 1\r\n');
  await collector.receives('');
  const self = await open(by, { ...connect });
  const others: Wire[] = [];
  for (const [user, line] of listeners) {
    const plain = { user: 'a', headers: false, no_responders: false };
    const wire = user === 'self' ? self : await open(user, user === 'plain' ? plain : {});
    wire.send(`${line}\r\n`);
    await wire.receives('');
    if (wire !== self) others.push(wire);
  }
  self.send(message(subject, headers, reply) + message('ok.nobody', ['Nats-Trace-Dest: t.end']));
  const found = await events(collector);
  const received = await Promise.all([self, ...others].map(async (wire) => normal(await wire.drain())));
  for (const wire of [collector, self, ...others]) wire.end();
  return { found, received };
}

/** A service that traces its answer. */
async function answered(side: Suite, headers: readonly string[]) {
  const open = (user: string) => side.connect({ user, pass: 'p', headers: true });
  const [collector, service, client] = [await open('a'), await open('a'), await open('b')];
  collector.send('SUB t.> 1\r\n');
  await collector.receives('');
  service.send('SUB traced.* 4\r\n');
  await service.receives('');
  client.send('SUB r 9\r\nPUB our.x r 1\r\nx\r\n');
  const reply = /_R_\.\w{6}\.\w{6}/.exec(await service.line())?.[0] ?? '';
  service.send(message(reply, headers) + message('ok.nobody', ['Nats-Trace-Dest: t.end']));
  const found = await events(collector);
  const received = normal(await client.drain());
  for (const wire of [collector, service, client]) wire.end();
  return { found, received };
}

besideNatsServer('a traced message', configuration, (sides) => {
  it.each([
    ['and delivered', traced],
    ['only', only],
  ])('%s, as the answer of a service', async (_title, headers) => {
    const [ours, theirs] = await Promise.all(sides.map((side) => answered(side, headers)));
    expect(ours).toEqual(theirs);
  });

  it('that is too large has an event with the error', async () => {
    const outcomes = await Promise.all(
      sides.map(async (side) => {
        const [collector, client] = [
          await side.connect({ user: 'a', pass: 'p' }),
          await side.connect({ user: 'a', pass: 'p', headers: true }),
        ];
        collector.send('SUB t.> 1\r\n');
        await collector.receives('');
        const block = 'NATS/1.0\r\nNats-Trace-Dest: t.one\r\n\r\n';
        client.send(`HPUB s ${block.length} 99999999\r\n${block}`);
        const size = Number((await collector.line()).split(' ').at(-1));
        const event = normal(await collector.bytes(size));
        for (const wire of [collector, client]) wire.end();
        return event;
      }),
    );
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(outcomes[0]).toContain('"error":"maximum payload exceeded"');
  });

  it.each(cases)('%s', async (_title, traces) => {
    const [ours, theirs] = await Promise.all(sides.map((side) => outcome(side, traces)));
    expect(ours).toEqual(theirs);
  });
});
