// Compares monitoring with the real nats-server under the same traffic: every key with its JSON type, and every
// value that does not depend on the time or the machine. Differences are listed with their reasons.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { clientTls, makeCertificateSet, verifyingTls } from '../harness/certificate-set.ts';
import { bundledBroker, natsServer, type ServerUnderTest } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { ask, askJson, monitorUrlOf, typesOf } from '../support/monitoring.ts';
import { natsServerHas } from '../support/nats-server-changes.ts';
import { describePeer } from '../support/peers.ts';

const imports =
  'nats-server answers for the system account through imports of its own, which the broker does not need';

/** Keys, with everything below them, that only one server has or that have another type. */
const differences: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '/varz': {
    git_commit: 'a build of nats-server may contain its commit',
    feature_flags: 'feature flags of nats-server',
  },
  '/accountz?acc=A': { 'account_detail.imports': imports },
  '/accountz?acc=$SYS': {
    'account_detail.imports': imports,
    'account_detail.exports': imports,
    'account_detail.responses': imports,
  },
};

const folder = testFolder('monitoring');
const certificates = makeCertificateSet(folder);
const configuration = `
http: "127.0.0.1:-1"
server_name: one
${verifyingTls(certificates)}
accounts { A { users: [{ user: alice, password: "s3cret" }] }, B { users: [{ user: bob, password: "s3cret" }] } }
`;

const paths = [
  '/varz',
  '/connz',
  '/connz?subs=1',
  '/connz?subs=detail',
  '/connz?auth=1',
  '/connz?auth=true&subs=detail&state=closed',
  '/connz?auth=true&subs=1&state=any',
  '/subsz',
  '/subsz?subs=1&acc=A',
  '/accountz',
  '/accountz?acc=A',
  '/accountz?acc=$SYS',
  '/gatewayz',
  '/gatewayz?accs=1&subs=detail&gw_name=x&acc_name=y',
  '/leafz',
  '/leafz?subs=1&acc=nosuch',
  '/jsz',
  '/jsz?accounts=1&config=1&streams=1&acc=nosuch',
  '/accstatz',
  '/accstatz?unused=1',
  '/healthz',
];

const refusals = [
  '/connz?state=bogus',
  '/connz?sort=stop',
  '/connz?sort=reason&state=any',
  '/connz?sort=nonsense',
  '/connz?limit=a',
  '/connz?limit=99999999999999999999',
  '/connz?offset=1.5',
  '/connz?cid=-1',
  '/connz?cid=99999999999999999999999',
  '/connz?auth=yes',
  '/connz?subs=details',
  '/subsz?subs=detail',
  '/subsz?test=a.*',
  '/accountz?acc=nosuch',
  '/accstatz?unused=z',
  '/gatewayz?accs=x',
  '/gatewayz?subs=x',
  '/leafz?subs=detail',
  '/jsz?limit=x',
  '/jsz?leader-only=1',
  '/jsz?raft=x',
  '/healthz?details=x',
  '/healthz?js-enabled-only=x',
  '/healthz?js-server-only=x',
  '/healthz?js-meta-only=x',
  ...(natsServerHas('healthz-of-leafnodes') ? ['/healthz?leaf-remotes-connected=x'] : []),
  '/healthz?stream=x',
  '/healthz?consumer=x',
  '/healthz?stream=x&details=1',
  '/subsz?limit=x',
  '/subsz?offset=x',
  '/subsz?test=a..b',
  '/subsz?test=%3E',
  '/routez?subs=x',
  '/nosuch',
];

interface Peer {
  readonly server: ServerUnderTest;
  readonly url: string;
  readonly wires: Wire[];
}

async function connect({ server, wires }: Peer, connect: object): Promise<Wire> {
  const wire = await Wire.open(server.port, { tls: clientTls(certificates) });
  wires.push(wire);
  wire.send(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, headers: true, ...connect })}\r\n`);
  return wire;
}

/**
 * Produces the same traffic on both servers: two accounts, headers, a queue group, and connections that end in
 * several ways.
 */
async function traffic(peer: Peer): Promise<void> {
  const alice = { user: 'alice', pass: 's3cret', lang: 'test', version: '1.2.3' };
  const consumer = await connect(peer, { ...alice, name: 'consumer <one>' });
  consumer.send('SUB a.* 1\r\nSUB a.b workers 2\r\nSUB c 3\r\nUNSUB 3 9\r\nSUB d 10\r\nSUB b B\r\n');
  await consumer.drain();
  const plain = await connect(peer, { ...alice, name: 'plain', headers: false });
  plain.send('SUB a.> 7\r\n');
  await plain.drain();
  const publisher = await connect(peer, { ...alice, name: 'publisher' });
  publisher.send('PUB a.b 5\r\nhello\r\nPUB nobody 3\r\nabc\r\n');
  publisher.send('HPUB a.b 19 24\r\nNATS/1.0\r\nk: val\r\n\r\nhello\r\n'.replace('19 24', '20 25'));
  await publisher.drain();
  await consumer.drain();
  await (await connect(peer, { user: 'bob', pass: 's3cret', name: 'other' })).drain();
  const leaving = await connect(peer, { ...alice, name: 'leaving' });
  leaving.send('SUB x y 1\r\nPUB a.b 2\r\nhi\r\n');
  await leaving.drain();
  leaving.end();
  await ended(peer, 1);
  const wrong = await connect(peer, { user: 'alice', pass: 'wrong', name: 'wrong' });
  await wrong.closes("-ERR 'Authorization Violation'\r\n");
  const lost = await connect(peer, { ...alice, name: 'lost' });
  await lost.drain();
  lost.send('NONSENSE\r\n');
  await lost.closes("-ERR 'Unknown Protocol Operation'\r\n");
  await ended(peer, 3);
}

async function ended({ url }: Peer, count: number): Promise<void> {
  const closed = async () => expect((await askJson(`${url}/connz?state=closed`)).total).toBe(count);
  await vi.waitFor(closed, { timeout: 5000 });
}

// biome-ignore lint/suspicious/noExplicitAny: JSON
function steady(connections: any[]): unknown[] {
  // For a closed connection, the broker reports the bytes pending when the close began, nats-server when it ended.
  const momentary = [
    'pending_bytes',
    'cid',
    'port',
    'start',
    'last_activity',
    'stop',
    'rtt',
    'uptime',
    'idle',
  ];
  return connections
    .map((connection) => {
      const rest = { ...connection };
      for (const key of momentary) delete rest[key];
      const own = 'subscriptions_list_detail';
      if (rest[own]) rest[own] = bySid(rest[own]);
      rest.subscriptions_list?.sort();
      // Node provides only the certificate of the client, not the authority that the client sent with it.
      rest.tls_peer_certs = rest.tls_peer_certs?.slice(0, 1);
      return rest;
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

// biome-ignore lint/suspicious/noExplicitAny: JSON
function bySid(subscriptions: any[]): unknown[] {
  return subscriptions
    .map(({ cid, ...rest }) => rest)
    .sort((a, b) => (`${a.subject} ${a.sid}` < `${b.subject} ${b.sid}` ? -1 : 1));
}

/** The parts of an answer of /connz that must be the same on both servers. */
function page({
  connections,
  total,
  offset,
  limit,
  num_connections,
}: Awaited<ReturnType<typeof askJson>>): object {
  return {
    names: connections.map(({ name }: { name: string }) => name),
    offset,
    limit,
    num_connections,
    total: natsServerHas('connz-total-of-chosen') ? total : 'of the state and the account',
  };
}

describePeer('nats-server', 'monitoring, compared with nats-server', (bin) => {
  let ours: Peer;
  let theirs: Peer;
  const started: Peer[] = [];

  beforeAll(async () => {
    const start = async (server: ServerUnderTest): Promise<Peer> => {
      const peer = { server, url: monitorUrlOf(server.log()), wires: [] };
      started.push(peer);
      await traffic(peer);
      return peer;
    };
    ours = await start(await bundledBroker(configuration));
    theirs = await start(await natsServer(bin)(configuration));
  });

  afterAll(async () => {
    for (const { wires, server } of started) {
      for (const wire of wires) wire.end();
      await server.stop();
    }
  });

  const both = (path: string) => Promise.all([ours, theirs].map(({ url }) => askJson(`${url}${path}`)));

  it.each(paths)('has the same keys and types as nats-server in %s', async (path) => {
    const [mine, real] = await both(path);
    const [a, b] = [typesOf(mine), typesOf(real)];
    const different = [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key));
    const expected = Object.keys(differences[path] ?? {});
    const isExpected = (key: string) =>
      expected.some((known) => key === known || key.startsWith(`${known}.`) || key.startsWith(`${known}[`));
    expect(different.filter((key) => !isExpected(key))).toEqual([]);
  });

  it.each(['open', 'closed', 'any'])(
    'reports each connection as nats-server does, state=%s',
    async (state) => {
      for (const query of ['auth=1&subs=1', 'auth=1&subs=detail', '']) {
        const [mine, real] = await both(`/connz?state=${state}&${query}`);
        expect(mine.total).toBe(real.total);
        expect(mine.num_connections).toBe(real.num_connections);
        expect(steady(mine.connections)).toEqual(steady(real.connections));
      }
    },
  );

  it('reports the same counters and settings as nats-server in /varz', async () => {
    const [mine, real] = await both('/varz');
    const keys = [
      ...['in_msgs', 'in_bytes', 'out_msgs', 'in_client_msgs', 'in_client_bytes', 'out_client_msgs'],
      ...['connections', 'total_connections', 'slow_consumers', 'stale_connections', 'stalled_clients'],
      ...['max_connections', 'ping_interval', 'ping_max', 'auth_timeout', 'tls_timeout', 'write_deadline'],
      ...['max_control_line', 'max_payload', 'max_pending', 'auth_required', 'tls_required', 'tls_verify'],
      ...['host', 'proto', 'server_name', 'http_host', 'http_base_path', 'https_port', 'tls_cert_not_after'],
      ...['slow_consumer_stats', 'stale_connection_stats', 'disk_io_wait_stats'],
    ];
    const pick = (document: Record<string, unknown>) => keys.map((key) => [key, document[key]]);
    expect(pick(mine)).toEqual(pick(real));
    // The total of nats-server includes headers that it removed, 20 bytes here; the count of the connection does
    // not.
    expect(mine.out_bytes).toBe(real.out_bytes - 20);
    expect(mine.out_client_bytes).toBe(mine.out_bytes);
  });

  it.each(['A', 'A&test=a.b', 'A&test=a.b.c', 'A&test=c', 'B'])(
    'lists the same subscriptions of account %s',
    async (account) => {
      const [mine, real] = await both(`/subsz?subs=1&acc=${account}`);
      // nats-server adds subscriptions of its own to every account.
      const others = ({ subject }: { subject: string }) => !subject.startsWith('$');
      const expected = bySid((real.subscriptions_list ?? []).filter(others));
      expect(bySid(mine.subscriptions_list ?? [])).toEqual(expected);
      expect(mine.total).toBe(expected.length);
    },
  );

  it.runIf(natsServerHas('subsz-in-order'))('lists subscriptions in the same order', async () => {
    const [mine, real] = await both('/subsz?subs=1&acc=A');
    const [own, others] = [mine, real].map(({ subscriptions_list: list }) =>
      list.map(({ subject, sid }: Record<string, string>) => `${sid} ${subject}`),
    );
    expect(own).toEqual(others?.filter((line: string) => !line.includes('$')));
    expect(own).toHaveLength(mine.total);
  });

  it.each([
    'state=any&sort=start',
    'sort=bytes_to&limit=2',
    'sort=msgs_from&limit=1',
    'sort=subs&offset=1&limit=1',
    'sort=subs&limit=1',
    'user=alice&sort=cid',
    'user=bob',
    'acc=B',
    'acc=A&sort=cid',
    'acc=A&state=closed&sort=stop',
    'state=closed&sort=reason',
    'limit=1&offset=1',
    'offset=99',
    'offset=-1&limit=-1&sort=cid',
    'cid=99999',
    'limit=2&limit=1',
    'limit=%2B1&offset=-2',
    'STATE=closed&AUTH=x',
    ...['open', 'closed', 'any', 'ALL', 'Closed'].flatMap((state) =>
      [
        '',
        'sort=',
        'user=alice',
        'user=nobody',
        'acc=A&user=bob',
        'acc=B',
        'limit=2&offset=1',
        'acc=$SYS',
      ].map((query) => `state=${state}&${query}`),
    ),
    'cid=99999&state=any',
    ...['open', 'any'].flatMap((state) =>
      ['msgs_to', 'subs', 'bytes_to'].map((sort) => `state=${state}&sort=${sort}&limit=1`),
    ),
  ])('selects, sorts and pages the same connections for %s', async (query) => {
    const [mine, real] = await both(`/connz?${query}`);
    expect(page(mine)).toEqual(page(real));
  });

  it
    .runIf(natsServerHas('connz-ties-by-cid'))
    .each(
      ['msgs_to', 'msgs_from', 'bytes_to', 'bytes_from', 'subs', 'reason'].flatMap((sort) =>
        ['open', 'closed', 'any']
          .filter((state) => sort !== 'reason' || state === 'closed')
          .flatMap((state) => ['', '&offset=1&limit=1'].map((cut) => `state=${state}&sort=${sort}${cut}`)),
      ),
    )('sorts connections with equal sort keys as nats-server does, for %s', async (query) => {
    const [mine, real] = await both(`/connz?${query}`);
    expect(page(mine)).toEqual(page(real));
  });

  it.each(['stop', 'reason', 'nonsense', 'CID', 'Subs'])(
    'accepts and rejects sort=%s as nats-server does',
    async (sort) => {
      for (const state of ['open', 'closed', 'any']) {
        const [mine, real] = await Promise.all(
          [ours, theirs].map(({ url }) => ask(`${url}/connz?state=${state}&sort=${sort}`)),
        );
        expect(mine?.status).toBe(real?.status);
        if (real?.status !== 200) expect(mine?.body.trim()).toBe(real?.body.trim());
      }
    },
  );

  it.each(['start', 'pending', 'msgs_from', 'bytes_from', 'last', 'idle', 'uptime', 'rtt'])(
    'lists the same connections, in any order, with sort=%s',
    async (sort) => {
      for (const state of ['open', 'closed', 'any']) {
        const [mine, real] = await both(`/connz?state=${state}&sort=${sort}`);
        expect(steady(mine.connections)).toEqual(steady(real.connections));
      }
    },
  );

  it.each(['', 'unused=1', 'unused=false', 'acc=A'])(
    'reports the same counters of each account, %s',
    async (query) => {
      const [mine, real] = await both(`/accstatz?${query}`);
      const counts = (document: { account_statz: { acc: string }[] }) =>
        document.account_statz
          // nats-server counts subscriptions of its own, and counts headers that it removed as bytes sent.
          .map((each) => ({ ...each, num_subscriptions: 0, sent: { ...Object(each).sent, bytes: 0 } }))
          .sort((a, b) => (a.acc < b.acc ? -1 : 1));
      expect(counts(mine)).toEqual(counts(real));
    },
  );

  it('reports the same accounts', async () => {
    const [mine, real] = await both('/accountz');
    expect(mine.accounts.sort()).toEqual(real.accounts.sort());
    expect(mine.system_account).toBe(real.system_account);
    for (const name of mine.accounts) {
      const [one, other] = await both(`/accountz?acc=${name}`);
      const facts = ({ account_detail: detail }: Awaited<ReturnType<typeof askJson>>) =>
        ['account_name', 'is_system', 'expired', 'complete', 'client_connections', 'name_tag'].map(
          (key) => detail[key],
        );
      expect(facts(one)).toEqual(facts(other));
    }
  });

  it.each<[string, string, (document: unknown) => unknown, unknown, unknown]>([
    [
      'an empty list, which scripts can iterate, instead of null',
      'connz?acc=nosuch',
      (document) => Object(document).connections,
      [],
      null,
    ],
    [
      'closed connections of the global account, which nats-server no longer assigns to it',
      'connz?state=closed&acc=$G',
      (document) => Object(document).total,
      1,
      0,
    ],
  ])('differs deliberately: returns %s', async (_, path, pick, mine, real) => {
    expect((await both(`/${path}`)).map(pick)).toEqual([mine, real]);
  });

  it('differs deliberately: rejects a filter for MQTT clients, which the broker does not support', async () => {
    const [mine, real] = await Promise.all(
      [ours, theirs].map(({ url }) => ask(`${url}/connz?mqtt_client=x`)),
    );
    expect([mine?.status, real?.status]).toEqual([400, 200]);
    expect(JSON.parse(real?.body ?? '').connections).toEqual([]);
  });

  it.each(refusals)('rejects %s with the same text', async (path) => {
    const [mine, real] = await Promise.all([ours, theirs].map(({ url }) => ask(`${url}${path}`)));
    expect([mine?.status, mine?.body.trim()]).toEqual([real?.status, real?.body.trim()]);
    expect(mine?.headers['content-type']).toBe(real?.headers['content-type']);
  });

  it('formats times and text as nats-server does', async () => {
    const [mine, real] = await Promise.all([ours, theirs].map(({ url }) => ask(`${url}/connz?auth=1`)));
    for (const body of [mine?.body ?? '', real?.body ?? '']) {
      expect(body).toMatch(
        /^\{\n {2}"server_id": "N[A-Z2-7]{55}",\n {2}"now": "20[\d-]{8}T[\d:]{8}(\.\d+)?Z",\n/,
      );
      expect(body).toContain('"name": "consumer \\u003cone\\u003e"');
      expect(body).toMatch(/"rtt": "[\d.]+(µs|ms)"/);
      expect(body).toMatch(/"uptime": "\d+s"/);
    }
  });

  it('contains no secret', async () => {
    for (const path of [...paths, '/tlsz', '/']) {
      const { body } = await ask(`${ours.url}${path}`);
      expect(body).not.toContain('s3cret');
      expect(body).not.toContain(readFileSync(certificates.server.key, 'utf8').split('\n')[1]);
    }
  });

  it('does not let other web sites read it, unlike nats-server', async () => {
    const [mine, real] = await Promise.all([ours, theirs].map(({ url }) => ask(`${url}/varz`)));
    expect(real?.headers['access-control-allow-origin']).toBe('*');
    expect(mine?.headers['access-control-allow-origin']).toBeUndefined();
    expect(mine?.headers['x-content-type-options']).toBe('nosniff');
  });
});
