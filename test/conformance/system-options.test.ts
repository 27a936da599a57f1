// The options of requests in the system account: compares the answers of the broker and nats-server to the same
// requests. Values that depend on the time or the server are left out.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundledBroker, natsServer, type ServerUnderTest } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { natsServerHas } from '../support/nats-server-changes.ts';
import { describePeer } from '../support/peers.ts';

const configuration = `
server_name: one
system_account: SYS
accounts {
  SYS { users: [{ user: sys, password: pw }] }
  A { users: [{ user: alice, password: pw }, { user: anne, password: pw }] }
}
`;

const sys = { user: 'sys', pass: 'pw', name: 'watcher' };

/** Options that select the servers to answer, valid and invalid, and options that only some requests have. */
const filters = [
  ...['', '{}', 'null', 'x', '[]', '7', '"x"', '{"server_name":"one"}', '{"SERVER_NAME":"two"}'],
  ...['{"server_name":7}', '{"server_name":null}', '{"server_name":"o"}', '{"server_name":"two"}'],
  ...['{"server_name":"on","exact_match":true}', '{"host":"127"}', '{"host":"10."}', '{"cluster":""}'],
  ...['{"cluster":"c"}', '{"tags":["a"]}', '{"tags":[]}', '{"tags":"a"}', '{"domain":""}', '{"domain":"d"}'],
  ...['{"nobody":"knows"}', '{"limit":"x"}', '{"sort":7}'],
];

const requests: [subject: string, body: string][] = [
  ...['SERVER.PING.ACCOUNTZ', 'SERVER.PING.CONNZ', 'SERVER.ID.HEALTHZ', 'ACCOUNT.A.STATZ'].flatMap(
    (subject) => filters.map((body): [string, string] => [subject, body]),
  ),
  ...[
    ...['{"auth":true}', '{"auth":1}', '{"subscriptions_detail":true,"acc":"A"}', '{"AUTH":true,"ACC":"A"}'],
    ...['{"subscriptions":true,"acc":"A"}', '{"sort":"subs","limit":1}', '{"sort":"x"}', '{"sort":"stop"}'],
    ...['{"sort":"reason","state":1}', '{"state":0}', '{"state":1}', '{"state":2}', '{"state":"open"}'],
    ...['{"cid":99999}', '{"cid":-1}', '{"cid":"1"}', '{"offset":-1}', '{"offset":1}', '{"limit":1.5}'],
    ...['{"user":"alice"}', '{"user":"alice","auth":true}', '{"acc":"A"}', '{"acc":"A","user":"anne"}'],
    ...['{"acc":"A","filter_subject":"b.*"}', '{"acc":"A","filter_subject":">"}', '{"filter_subject":"b"}'],
  ].map((body): [string, string] => ['SERVER.PING.CONNZ', body]),
  ...['{"account":"A"}', '{"account":"nosuch"}', '{"account":7}', '{"acc":"A"}'].map(
    (body): [string, string] => ['SERVER.PING.ACCOUNTZ', body],
  ),
  ...[
    ...['{"details":true}', '{"details":"x"}', '{"js-enabled-only":true}', '{"stream":"x"}'],
    ...[
      '{"leaf-remotes-connected":true}',
      ...(natsServerHas('healthz-of-leafnodes') ? ['{"leaf-remotes-connected":"x"}'] : []),
    ],
    ...['{"consumer":"x"}', '{"account":"A","stream":"x"}', '{"details":true,"consumer":"x"}'],
  ].map((body): [string, string] => ['SERVER.PING.HEALTHZ', body]),
  ...['{"offset":1}', '{"limit":1}', '{"account":"nosuch"}', '{"test":"a.*"}', '{"subscriptions":"x"}'].map(
    (body): [string, string] => ['SERVER.PING.SUBSZ', body],
  ),
  ...[
    '',
    '{"accounts":["A"]}',
    '{"accounts":["nosuch"]}',
    '{"accounts":["A","SYS"],"include_unused":true}',
  ].map((body): [string, string] => ['ACCOUNT.PING.STATZ', body]),
  ...['INFO', 'STATZ', 'CONNZ', 'SUBSZ'].map((name): [string, string] => [
    `ACCOUNT.SYS.${name}`,
    '{"limit":1}',
  ]),
  ...['', '{"include_unused":true}'].map((body): [string, string] => ['ACCOUNT.nosuch.STATZ', body]),
  ...['', '{"acc":"A"}', '{"acc":"SYS"}', '{"acc":7}', '{"account":"SYS"}', 'x', '{"server_name":"two"}'].map(
    (body): [string, string] => ['ACCOUNT.A.CONNS', body],
  ),
  ...['nosuch', '$G', 'PING', 'SYS'].map((name): [string, string] => [`ACCOUNT.${name}.CONNS`, '']),
  ...['', '{"server_name":"two"}', '{"account":7}', '{"subscriptions":1}'].flatMap((body) =>
    ['SERVER.PING.LEAFZ', 'SERVER.ID.GATEWAYZ', 'ACCOUNT.nosuch.LEAFZ', 'ACCOUNT.A.JSZ'].map(
      (subject): [string, string] => [subject, body],
    ),
  ),
  ...['', '{"leader_only":true}', '{"raft":1}', '{"limit":"x"}', '{"streams":true,"config":true}'].map(
    (body): [string, string] => ['SERVER.PING.JSZ', body],
  ),
  ...['', '{"server_name":"two"}'].map((body): [string, string] => ['SERVER.PING.RAFTZ', body]),
  ...['{"filter":"nosuch"}', '{"filter":7}', '{"all":1}'].map((body): [string, string] => [
    'SERVER.ID.IPQUEUESZ',
    body,
  ]),
  ['ACCOUNT.nosuch.INFO', ''],
  ['ACCOUNT.A.CONNZ', '{"acc":"SYS"}'],
  ...['KICK', 'LDM'].flatMap((name) =>
    ['', 'x', '{}', '{"cid":0}', '{"cid":99999}', '{"cid":"1"}', '{"server_name":"two"}'].map(
      (body): [string, string] => [`SERVER.ID.${name}`, body],
    ),
  ),
];

/**
 * Keys whose values depend on the time or the server, are counted differently, or differ for a reason given
 * elsewhere.
 */
const unsteady = new Set([
  ...['id', 'server_id', 'ver', 'time', 'seq', 'now', 'start', 'update_time', 'last_activity', 'stop', 'rtt'],
  ...['uptime', 'idle', 'cid', 'port', 'pending_bytes', 'mem', 'cpu', 'cores', 'gomaxprocs', 'feature_flags'],
  // nats-server includes its internal clients.
  ...[
    'subscriptions',
    'num_subscriptions',
    'sublist_stats',
    'total',
    'active_accounts',
    'imports',
    'exports',
  ],
  ...['num_cache', 'num_inserts', 'num_removes', 'num_matches', 'cache_hit_rate', 'max_fanout', 'avg_fanout'],
  ...['in_msgs', 'out_msgs', 'in_bytes', 'out_bytes', 'msgs', 'bytes', 'responses', 'subscriptions_list'],
  ...['total_connections', 'timestamp'],
]);

function steady(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => JSON.stringify(steady(each))).sort();
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !unsteady.has(key));
  return Object.fromEntries(
    kept.map(([key, each]) => [
      key,
      // The text of a JSON error is Go's.
      key === 'error' && each.code === 400 ? { code: 400 } : steady(each),
    ]),
  );
}

/** Sends a request and returns all answers that precede the answer to IDZ, which every server gives. */
async function ask(wire: Wire, subject: string, body: string): Promise<unknown[]> {
  const named = subject.replace('.ID.', `.${wire.info.server_id}.`);
  wire.send(`PUB $SYS.REQ.${named} inbox ${Buffer.byteLength(body)}\r\n${body}\r\n`);
  wire.send('PUB $SYS.REQ.SERVER.PING.IDZ inbox 0\r\n\r\n');
  const answers: unknown[] = [];
  for (;;) {
    const size = Number((await wire.line()).split(' ').at(-1));
    const answer: object = JSON.parse((await wire.bytes(size + 2)).slice(0, -2));
    if (!('server' in answer)) return answers;
    answers.push(steady(answer));
  }
}

describePeer('nats-server', 'requests in the system account, compared with nats-server', (bin) => {
  const wires: Wire[] = [];
  const askers: Wire[] = [];
  let servers: ServerUnderTest[] = [];

  const connect = async (server: ServerUnderTest, options: object) => {
    const wire = await Wire.open(server.port);
    wires.push(wire);
    wire.send(`CONNECT ${JSON.stringify({ verbose: false, headers: true, ...options })}\r\n`);
    await wire.receives('');
    return wire;
  };

  beforeAll(async () => {
    servers = [await bundledBroker(configuration), await natsServer(bin)(configuration)];
    for (const server of servers) {
      const asker = await connect(server, sys);
      asker.send('SUB inbox 1\r\n');
      askers.push(asker);
      for (const user of ['alice', 'anne']) {
        const client = await connect(server, { user, pass: 'pw', name: user });
        client.send(`SUB ${user} 1\r\nSUB b.x 2\r\n`.slice(0, user === 'alice' ? undefined : -11));
        await client.receives('');
      }
      const leaving = await connect(server, { user: 'alice', pass: 'pw', name: 'leaving' });
      leaving.send('NONSENSE\r\n');
      await leaving.closed();
    }
  });

  afterAll(async () => {
    for (const wire of wires) wire.end();
    await Promise.all(servers.map((server) => server.stop()));
  });

  it.each(requests)('%s with %s gets the same answers', async (subject, body) => {
    const [mine, real] = await Promise.all(askers.map((wire) => ask(wire, subject, body)));
    expect(mine).toEqual(real);
  });
});
