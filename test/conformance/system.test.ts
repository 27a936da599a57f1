// The system account: requests about the server and the events that it publishes. The same tests run on both
// servers; a second part compares every key of the answers with its JSON type.
import { describe, expect, it } from 'vitest';
import type { Wire } from '../harness/wire.ts';
import { typesOf } from '../support/monitoring.ts';
import { besideNatsServer, conformance, type Suite } from './suite.ts';

const configuration = `
server_name: one
system_account: SYS
accounts {
  SYS { users: [{ user: sys, password: pw }] }
  A { users: [
    { user: alice, password: pw, permissions: { publish: ["$SYS.REQ.>", "a.>"], subscribe: { deny: "b" } } }
    { user: other, password: pw }
  ], exports: [{ service: "q.*" }, { service: measured, latency: { sampling: 10%, subject: results } }, { stream: "s.>" }] }
  B { imports: [
    { service: { account: A, subject: "q.x" }, to: "local.q" }
    { service: { account: A, subject: measured }, to: local.measured }
    { stream: { account: A, subject: "s.>" }, prefix: "from.a" }
  ] }
}
`;

const sys = { user: 'sys', pass: 'pw', name: 'watcher', headers: true, no_responders: true };
const alice = { user: 'alice', pass: 'pw', name: 'asker', lang: 'test', version: '1.2.3' };

// biome-ignore lint/suspicious/noExplicitAny: JSON
type Json = any;

/** Waits for the next message and parses its payload as JSON. */
async function nextMessage(wire: Wire): Promise<{ subject: string; body: Json }> {
  const line = await wire.line();
  const [keyword, subject, ...rest] = line.split(' ');
  const size = Number(rest.at(-1));
  const payload = await wire.bytes(size + 2);
  if (keyword === 'HMSG') return { subject: String(subject), body: payload.slice(0, -2) };
  return { subject: String(subject), body: JSON.parse(payload.slice(0, -2)) };
}

async function request(wire: Wire, subject: string, options?: object): Promise<Json> {
  const payload = options === undefined ? '' : JSON.stringify(options);
  wire.send(`SUB inbox 9\r\nUNSUB 9 1\r\nPUB ${subject} inbox ${payload.length}\r\n${payload}\r\n`);
  return (await nextMessage(wire)).body;
}

/** Sends a request and expects no answer before the answer to a request that is always answered. */
async function isSilent(wire: Wire, subject: string, options: object): Promise<void> {
  const payload = JSON.stringify(options);
  wire.send(`SUB silent 8\r\nPUB ${subject} silent ${payload.length}\r\n${payload}\r\n`);
  expect(await request(wire, '$SYS.REQ.SERVER.PING.IDZ')).toMatchObject({ name: 'one' });
  await wire.receives('');
  wire.send('UNSUB 8\r\n');
}

async function serverId(suite: Suite): Promise<string> {
  return String((await suite.connect(sys)).info.server_id);
}

conformance('the system account', configuration, (suite) => {
  it('returns statistics to a request to all servers and to one to this server', async () => {
    const wire = await suite.connect(sys);
    const id = await serverId(suite);
    for (const subject of ['PING', 'PING.STATSZ', `${id}.STATSZ`]) {
      expect(await request(wire, `$SYS.REQ.SERVER.${subject}`)).toMatchObject({
        server: { name: 'one', id, host: '127.0.0.1', jetstream: false },
        statsz: { connections: expect.any(Number), sent: { msgs: expect.any(Number) } },
      });
    }
  });

  it.each(['VARZ', 'CONNZ', 'SUBSZ', 'ROUTEZ', 'GATEWAYZ', 'LEAFZ', 'JSZ', 'ACCOUNTZ', 'HEALTHZ'])(
    'answers %s with the document of the monitoring port',
    async (name) => {
      const wire = await suite.connect(sys);
      const id = await serverId(suite);
      for (const who of ['PING', id]) {
        const { server, data } = await request(wire, `$SYS.REQ.SERVER.${who}.${name}`);
        expect(server).toMatchObject({ name: 'one', id });
        expect(data).toMatchObject(name === 'HEALTHZ' ? { status: 'ok' } : { server_id: id });
      }
    },
  );

  it('returns no profile under a name that Go does not know', async () => {
    const wire = await suite.connect(sys);
    for (const [options, error] of [
      [undefined, 'Profile name not specified'],
      [{ name: 'no "such" \u0001' }, 'Profile "no \\"such\\" \\x01" not found'],
    ] as const) {
      const { data } = await request(wire, '$SYS.REQ.SERVER.PING.PROFILEZ', options);
      expect(data).toEqual({ profile: null, error });
    }
  });

  it('returns its name, host and id', async () => {
    const wire = await suite.connect(sys);
    const id = await serverId(suite);
    expect(await request(wire, '$SYS.REQ.SERVER.PING.IDZ')).toEqual({ name: 'one', host: '127.0.0.1', id });
  });

  it('accepts the options of CONNZ as JSON', async () => {
    await suite.connect({ ...alice, name: 'listed' });
    const wire = await suite.connect(sys);
    const options = { acc: 'A', auth: true, sort: 'start', limit: 1, offset: 0 };
    const { data } = await request(wire, '$SYS.REQ.SERVER.PING.CONNZ', options);
    expect(data).toMatchObject({ limit: 1, num_connections: 1, connections: [{ account: 'A' }] });
  });

  it('filters the connections of an account by subscription', async () => {
    const listener = await suite.connect({ ...alice, name: 'listener' });
    listener.send('SUB x.*.z 1\r\n');
    await listener.receives('');
    const wire = await suite.connect(sys);
    const ask = (filter: object) => request(wire, '$SYS.REQ.SERVER.PING.CONNZ', filter);
    for (const [subject, names] of [
      ['x.y.z', ['listener']],
      ['x.y.>', ['listener']],
      ['*.y.*', ['listener']],
      ['x.y', []],
      ['y.>', []],
      ...(suite.has('wildcards-are-whole-tokens') ? [['*x.y.z', []] as const] : []),
    ] as const) {
      const { data } = await ask({ acc: 'A', filter_subject: subject });
      expect(data.connections.map(({ name }: Json) => name)).toEqual(names);
      if (suite.has('connz-total-of-chosen')) expect(data.total).toBe(names.length);
      else expect(data.total).toBeGreaterThan(0);
    }
    const { error } = await ask({ filter_subject: 'x' });
    expect(error).toEqual({
      code: 500,
      description: 'filter by subject only valid with account filtering',
    });
  });

  it('marks only its own users as system users in the INFO', async () => {
    for (const [user, isSystem] of [
      [sys, true],
      [alice, undefined],
    ] as const) {
      const wire = await suite.connect({ ...user, protocol: 1 });
      expect((await wire.nextInfo()).acc_is_sys).toBe(isSystem);
    }
  });

  it('describes the error of an invalid request', async () => {
    const wire = await suite.connect(sys);
    const wrongType = await request(wire, '$SYS.REQ.SERVER.PING.CONNZ', { limit: 'x' });
    expect(wrongType.error).toMatchObject({ code: 400, description: expect.stringContaining('limit') });
    const wrongValue = await request(wire, '$SYS.REQ.SERVER.PING.CONNZ', { sort: 'nonsense' });
    expect(wrongValue.error).toEqual({ code: 500, description: 'invalid sorting option: nonsense' });
    const unknown = await request(wire, '$SYS.REQ.ACCOUNT.NONE.INFO');
    expect(unknown.error).toEqual({ code: 500, description: 'Account NONE does not exist' });
  });

  it.each([
    { server_name: 'two' },
    { server_name: 'on', exact_match: true },
    { host: '10.0.0.1' },
    { cluster: 'C' },
    { tags: ['a'] },
    { domain: 'd' },
  ])('does not answer requests for other servers: %o', async (filter) => {
    await isSilent(await suite.connect(sys), '$SYS.REQ.SERVER.PING.VARZ', filter);
  });

  it.each([{ server_name: 'on' }, { server_name: 'one', exact_match: true }, { host: '127' }])(
    'answers requests that select this server: %o',
    async (filter) => {
      const answer = await request(await suite.connect(sys), '$SYS.REQ.SERVER.PING.HEALTHZ', filter);
      expect(answer.data).toMatchObject({ status: 'ok' });
    },
  );

  it('describes one account', async () => {
    await suite.connect(alice);
    const wire = await suite.connect(sys);
    const ask = async (name: string) => (await request(wire, `$SYS.REQ.ACCOUNT.A.${name}`)).data;
    expect(await ask('INFO')).toMatchObject({ account_name: 'A', complete: true, jetstream_enabled: false });
    expect((await ask('CONNZ')).connections.length).toBeGreaterThan(0);
    expect(await ask('STATZ')).toMatchObject({ account_statz: [{ acc: 'A', leafnodes: 0 }] });
    expect(await ask('SUBSZ')).toMatchObject({ num_subscriptions: expect.any(Number) });
    const all = (await request(wire, '$SYS.REQ.ACCOUNT.PING.STATZ')).data.account_statz;
    expect(all.map(({ acc }: Json) => acc).sort()).toEqual(['A', 'SYS']);
  });

  it('lists exports and imports of accounts', async () => {
    const { data } = await request(await suite.connect(sys), '$SYS.REQ.ACCOUNT.B.INFO');
    const imports = data.imports.filter(({ account }: Json) => account !== 'SYS');
    const exported = (await request(await suite.connect(sys), '$SYS.REQ.ACCOUNT.A.INFO')).data.exports;
    expect(exported).toContainEqual({ subject: 'q.*', type: 'service', response_type: 'Singleton' });
    expect(exported).toContainEqual({ subject: 's.>', type: 'stream' });
    const byName = Object.fromEntries(imports.map((each: Json) => [each.local_subject, each]));
    expect(byName['from.a.s.>']).toMatchObject({ subject: 's.>', account: 'A', type: 'stream' });
    expect(byName['local.q']).toMatchObject({ subject: 'q.x', account: 'A', type: 'service' });
    const latency = { sampling: 10, results: 'results' };
    expect(byName['local.measured']).toMatchObject({ account: 'A', tracking: false, latency });
    expect(exported).toContainEqual({
      subject: 'measured',
      type: 'service',
      response_type: 'Singleton',
      service_latency: latency,
    });
  });

  it('reloads the configuration on request', async () => {
    const wire = await suite.connect(sys);
    const answer = await request(wire, `$SYS.REQ.SERVER.${await serverId(suite)}.RELOAD`);
    expect(answer).toMatchObject({ server: { name: 'one' } });
  });

  it('disconnects one client, or asks it to leave, on request', async () => {
    const wire = await suite.connect(sys);
    const id = await serverId(suite);
    const leaving = await suite.connect({ ...alice, protocol: 1 });
    await leaving.nextInfo();
    const told = await request(wire, `$SYS.REQ.SERVER.${id}.LDM`, { cid: leaving.info.client_id });
    expect(told.error).toBeUndefined();
    expect(await leaving.nextInfo()).toMatchObject({ ldm: true });
    const kicked = await suite.connect(alice);
    await request(wire, `$SYS.REQ.SERVER.${id}.KICK`, { cid: kicked.info.client_id });
    await kicked.closed();
    const nobody = await request(wire, `$SYS.REQ.SERVER.${id}.KICK`, { cid: 999_999 });
    expect(nobody.error).toEqual({ code: 500, description: 'no such client or leafnode id' });
  });
});

conformance('a user of another account', configuration, (suite) => {
  it('receives its identity and its permissions', async () => {
    const { data } = await request(await suite.connect(alice), '$SYS.REQ.USER.INFO');
    // nats-server lists them in random order.
    data.permissions.publish.allow.sort();
    expect(data).toMatchObject({
      user: 'alice',
      account: 'A',
      permissions: { publish: { allow: ['$SYS.REQ.>', 'a.>'] }, subscribe: { deny: ['b'] } },
    });
  });

  it('receives no permissions when it has no restrictions', async () => {
    const { data } = await request(await suite.connect({ user: 'other', pass: 'pw' }), '$SYS.REQ.USER.INFO');
    expect(data).toMatchObject({ user: 'other', account: 'A' });
    expect(data.permissions).toBeUndefined();
  });

  it.each(['$SYS.REQ.ACCOUNT.PING.CONNZ', '$SYS.REQ.SERVER.PING.CONNZ'])(
    'receives from %s the connections of its account only',
    async (subject) => {
      await suite.connect(sys);
      const { data } = await request(await suite.connect(alice), subject, { auth: true });
      const accounts = data.connections.map(({ account }: Json) => account);
      expect([...new Set(accounts)]).toEqual(['A']);
    },
  );

  it('receives the statistics of its account only', async () => {
    await suite.connect(sys);
    const { data } = await request(await suite.connect(alice), '$SYS.REQ.ACCOUNT.PING.STATZ');
    expect(data.account_statz.map(({ acc }: Json) => acc)).toEqual(['A']);
  });

  it('does not reach the services of the system account', async () => {
    const wire = await suite.connect({ user: 'other', pass: 'pw', headers: true, no_responders: true });
    for (const subject of ['$SYS.REQ.SERVER.PING.VARZ', '$SYS.REQ.SERVER.PING']) {
      wire.send(`SUB inbox 1\r\nUNSUB 1 1\r\nPUB ${subject} inbox 0\r\n\r\n`);
      expect((await nextMessage(wire)).body).toContain('NATS/1.0 503');
    }
  });
});

const global = `${configuration}\nauthorization { users: [{ user: visitor, password: pw }] }`;

conformance('the global account', global, (suite) => {
  it('receives authentication errors, and no other account does', async () => {
    const [watcher, other] = [
      await suite.connect({ user: 'visitor', pass: 'pw' }),
      await suite.connect(alice),
    ];
    for (const wire of [watcher, other]) {
      wire.send('SUB $SYS.> 1\r\n');
      await wire.receives('');
    }
    const wrong = await suite.open();
    wrong.send('CONNECT {"user":"alice","pass":"wrong","name":"guess"}\r\n');
    await wrong.closed();
    const { subject, body } = await nextMessage(watcher);
    expect(subject).toBe('$SYS.ACCOUNT.CLIENT.AUTH.ERR');
    expect(body).toMatchObject({
      type: 'io.nats.server.advisory.v1.client_disconnect',
      client: { user: 'alice', name: 'guess', acc: '$G' },
      reason: 'Authentication Failure',
    });
    expect(JSON.stringify(body)).not.toContain('wrong');
    await other.receives('');
    await watcher.receives('');
  });
});

conformance('system subjects in another account', configuration, (suite) => {
  const other = { user: 'other', pass: 'pw', headers: true, no_responders: true };

  it('are ordinary subjects, isolated in the account', async () => {
    const watcher = await suite.connect(sys);
    const client = await suite.connect(other);
    for (const wire of [watcher, client]) {
      wire.send('SUB $SYS.ACCOUNT.A.MADEUP 1\r\nSUB $SYS.SERVER.X.> 2\r\n');
      await wire.receives('');
    }
    client.send('PUB $SYS.ACCOUNT.A.MADEUP 1\r\nx\r\nPUB $SYS.SERVER.X.Y 1\r\ny\r\n');
    await client.receives('MSG $SYS.ACCOUNT.A.MADEUP 1 1\r\nx\r\nMSG $SYS.SERVER.X.Y 2 1\r\ny\r\n');
    await watcher.receives('');
  });

  it('carry none of the events of the system account', async () => {
    const watcher = await suite.connect(sys);
    watcher.send('SUB $SYS.ACCOUNT.A.CONNECT 1\r\n');
    await watcher.receives('');
    const client = await suite.connect(other);
    client.send('SUB $SYS.> 1\r\n');
    await client.receives('');
    const another = await suite.connect(other);
    await nextMessage(watcher);
    await nextMessage(watcher);
    expect(another.info.client_id).toBeGreaterThan(Number(client.info.client_id));
    await client.receives('');
  });
});

conformance('a server without a system account', 'no_system_account: true', (suite) => {
  it('answers no system requests', async () => {
    const wire = await suite.connect({ headers: true, no_responders: true });
    for (const subject of ['SERVER.PING', 'SERVER.PING.VARZ', 'USER.INFO', 'ACCOUNT.PING.STATZ']) {
      wire.send(`SUB inbox 1\r\nUNSUB 1 1\r\nPUB $SYS.REQ.${subject} inbox 0\r\n\r\n`);
      expect((await nextMessage(wire)).body).toContain('NATS/1.0 503');
    }
  });
});

conformance('the default system account', 'server_name: one', (suite) => {
  it('returns the identity of each client, and has no users', async () => {
    const wire = await suite.connect({ headers: true, no_responders: true });
    const { server, data } = await request(wire, '$SYS.REQ.USER.INFO');
    expect(server).toMatchObject({ name: 'one' });
    expect(data).toEqual({ user: '', account: '$G', account_name: '$G' });
    wire.send('SUB inbox 1\r\nUNSUB 1 1\r\nPUB $SYS.REQ.SERVER.PING inbox 0\r\n\r\n');
    expect((await nextMessage(wire)).body).toContain('NATS/1.0 503');
  });
});

conformance('a subscriber of the system account', configuration, (suite) => {
  it('sees clients connect and disconnect', async () => {
    const watcher = await suite.connect(sys);
    watcher.send('SUB $SYS.ACCOUNT.A.CONNECT 1\r\nSUB $SYS.ACCOUNT.A.DISCONNECT 2\r\n');
    await watcher.receives('');
    const client = await suite.connect(alice);
    client.send('PUB a.b 5\r\nhello\r\n');
    await client.receives('');
    const came = await nextMessage(watcher);
    expect(came.subject).toBe('$SYS.ACCOUNT.A.CONNECT');
    const who = { acc: 'A', user: 'alice', name: 'asker', lang: 'test', ver: '1.2.3', kind: 'Client' };
    expect(came.body).toMatchObject({
      type: 'io.nats.server.advisory.v1.client_connect',
      id: expect.stringMatching(/^[0-9A-Za-z]{22}$/),
      server: { name: 'one' },
      client: { ...who, id: client.info.client_id, host: '127.0.0.1', client_type: 'nats' },
    });
    client.end();
    expect((await nextMessage(watcher)).body).toMatchObject({
      type: 'io.nats.server.advisory.v1.client_disconnect',
      client: { ...who, stop: expect.any(String) },
      sent: { msgs: 1, bytes: 5 },
      received: { msgs: 0, bytes: 0 },
      reason: 'Client Closed',
    });
  });

  it('sees authentication errors', async () => {
    const watcher = await suite.connect(sys);
    watcher.send('SUB $SYS.SERVER.*.CLIENT.AUTH.ERR 1\r\n');
    await watcher.receives('');
    const wrong = await suite.open();
    wrong.send('CONNECT {"user":"alice","pass":"wrong"}\r\n');
    await wrong.closed();
    const { body } = await nextMessage(watcher);
    expect(body).toMatchObject({ reason: 'Authentication Failure', client: { user: 'alice' } });
    expect(JSON.stringify(body)).not.toContain('wrong');
  });

  it('sees the number of connections of an account', async () => {
    const watcher = await suite.connect(sys);
    watcher.send('SUB $SYS.ACCOUNT.A.SERVER.CONNS 1\r\n');
    await watcher.receives('');
    await suite.connect(alice);
    expect((await nextMessage(watcher)).body).toMatchObject({
      type: 'io.nats.server.advisory.v1.account_connections',
      acc: 'A',
      leafnodes: 0,
    });
  });
});

/** Keys that only one of the two servers has, with the reason. */
const differences = [
  // nats-server lists feature flags; the broker has none.
  /^server\.feature_flags/,
  /^data\.feature_flags/,
  // A build of nats-server may contain its commit.
  /^data\.git_commit/,
  // nats-server implements this with imports of its own, which the broker does not need.
  /^data\.imports/,
  /^data\.subscriptions_list/,
];

besideNatsServer('the system account', configuration, (sides) => {
  describe.each([
    ['$SYS.REQ.SERVER.PING', sys],
    ['$SYS.REQ.SERVER.PING.VARZ', sys],
    ['$SYS.REQ.SERVER.PING.CONNZ', sys],
    ['$SYS.REQ.SERVER.PING.SUBSZ', sys],
    ['$SYS.REQ.SERVER.PING.ROUTEZ', sys],
    ['$SYS.REQ.SERVER.PING.GATEWAYZ', sys],
    ['$SYS.REQ.SERVER.PING.LEAFZ', sys],
    ['$SYS.REQ.SERVER.PING.JSZ', sys],
    ['$SYS.REQ.SERVER.PING.RAFTZ', sys],
    ['$SYS.REQ.ACCOUNT.SYS.CONNS', sys],
    ['$SYS.REQ.ACCOUNT.A.LEAFZ', sys],
    ['$SYS.REQ.ACCOUNT.A.JSZ', sys],
    ['$SYS.REQ.SERVER.PING.ACCOUNTZ', sys],
    ['$SYS.REQ.SERVER.PING.HEALTHZ', sys],
    ['$SYS.REQ.ACCOUNT.A.INFO', sys],
    ['$SYS.REQ.ACCOUNT.SYS.STATZ', sys],
    ['$SYS.REQ.ACCOUNT.SYS.CONNZ', sys],
    ['$SYS.REQ.ACCOUNT.A.SUBSZ', sys],
    ['$SYS.REQ.USER.INFO', sys],
    ['$SYS.REQ.USER.INFO', alice],
    ['$SYS.REQ.ACCOUNT.PING.STATZ', alice],
  ])('%s', (subject, user) => {
    it(`has the same keys and types as nats-server, for ${user.name}`, async () => {
      const [ours, theirs] = await Promise.all(
        sides.map(async (side) => typesOf(await request(await side.connect(user), subject))),
      );
      const keys = [...new Set([...(ours?.keys() ?? []), ...(theirs?.keys() ?? [])])];
      const different = keys.filter((key) => ours?.get(key) !== theirs?.get(key));
      expect(different.filter((key) => !differences.some((known) => known.test(key)))).toEqual([]);
    });
  });
});
