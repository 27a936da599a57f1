// The options of a cluster block and nats-server's cluster flags, between two servers: what each accepts, imports and
// exports, and that options which the broker lacks do not keep it from working with a nats-server that has them.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Client } from '../harness/client.ts';
import { freePorts, type ServerProcess, startProcess } from '../harness/server.ts';
import { Cluster, type Node, type NodeOptions } from './cluster.ts';
import { commandOf, describePairs } from './set-ups.ts';

describePairs('a cluster', (kind, other) => {
  let cluster: Cluster | undefined;

  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
  });

  async function make(first: NodeOptions = {}, second: NodeOptions = {}): Promise<[Cluster, Node, Node]> {
    cluster = await Cluster.make([kind, other]);
    const [one, two] = cluster.nodes as [Node, Node];
    cluster.configure(one, first);
    cluster.configure(two, second);
    await Promise.all([one.start(), two.start()]);
    return [cluster, one, two];
  }

  it.each([
    ['compression on both servers', 'compression: s2_fast', 'compression: s2_fast'],
    [
      'compression that one server only accepts',
      'compression: accept',
      'compression { mode: "s2_auto", rtt_thresholds: ["5ms"] }',
    ],
    ['a route pool on one server only', 'pool_size: -1', 'pool_size: 5'],
    ['dedicated routes for accounts', 'accounts: [A, B]', 'accounts: [A, B]'],
    [
      'ping and deadline options',
      'ping_interval: "50ms", ping_max: 50',
      'ping_interval: "50ms", write_deadline: "2s"',
    ],
  ])('delivers messages with %s', async (_, first, second) => {
    const more = `accounts { A { users: [{user: a, password: a}] }, B { users: [{user: b, password: b}] } }
      no_auth_user: a`;
    const [made, one, two] = await make({ more, inCluster: first }, { more, inCluster: second });
    await made.complete();
    const inB = await Promise.all([one, two].map((node) => made.connect(node, { user: 'b', pass: 'b' })));
    await made.settled(inB);
  });

  it('accepts a server with the configured user and password, and logs the rejection of others', async () => {
    const login = (password: string) => `authorization { user: routes, password: ${password}, timeout: 2 }`;
    const [made, one, two] = await make({ inCluster: login('right'), routes: [] });
    await two.process.logged(/Authorization Violation/i);
    await one.process.logged(/Authorization Violation|authentication error/i);
    expect(one.process.log()).not.toContain('right');
    await two.stop();
    made.configure(two, { routes: [one.url.replace('//', '//routes:right@')] });
    await two.start();
    await made.complete();
    expect(two.process.log()).not.toContain('right@');
  });

  it('accepts a server by the name in its certificate with verify_and_map', async () => {
    const inCluster = 'authorization { user: "n2.example.com", password: x }';
    const [made, one, two] = await make({ inCluster, inTls: 'verify_and_map: true', routes: [] });
    await one.process.logged(/Authorization Violation|authentication error/i);
    const sans = ['dns:localhost', 'ip:127.0.0.1', 'dns:n2.example.com'];
    const pair = await made.authority.server('n2', { purposes: ['serverAuth', 'clientAuth'], sans });
    await two.stop();
    made.configure(two, { pair });
    await two.start();
    await made.complete();
  });

  it('accepts a certificate with the host of a route with verify_cert_and_check_known_urls', async () => {
    const inTls = 'verify_cert_and_check_known_urls: true';
    const [made, one, two] = await make({ inTls, routes: ['nats://known.example.com:6222'] });
    await one.process.logged(/Authorization Violation|authentication error/i);
    const sans = ['dns:localhost', 'ip:127.0.0.1', 'dns:*.example.com'];
    const pair = await made.authority.server('n2', { purposes: ['serverAuth', 'clientAuth'], sans });
    await two.stop();
    made.configure(two, { pair });
    await two.start();
    await made.complete();
  });

  it('accepts any server certificate with insecure, and warns about it in the log', async () => {
    const [made, one, two] = await make({ inTls: 'insecure: true' }, { routes: [] });
    await one.process.logged(/will not be verified\. DO NOT USE IN PRODUCTION!/);
    await two.stop();
    const sans = ['dns:elsewhere.example.com'];
    const pair = await made.authority.server('n2', { purposes: ['serverAuth', 'clientAuth'], sans });
    made.configure(two, { pair, routes: [] });
    await two.start();
    await made.complete();
  });

  it('imports and exports only subjects that its permissions allow', async () => {
    const inCluster =
      'permissions { import: {deny: "in.>"}, export: {allow: ["out.>", "probe.>", "_INBOX.>"]} }';
    const [made, one, two] = await make({ inCluster });
    const [here, there] = [await made.connect(one), await made.connect(two)];
    const inboxes = [
      ...['in.x', 'other', 'out.x'].map((subject) => here.subscribe(subject)),
      ...['out.x', 'other'].map((subject) => there.subscribe(subject)),
    ];
    await made.settled([here, there]);
    for (const subject of ['in.x', 'other', 'out.x']) there.publish(subject);
    for (const subject of ['out.x', 'other']) here.publish(subject);
    await made.settled([here, there]);
    await Promise.all([inboxes[1]?.has(2), inboxes[2]?.has(2), inboxes[3]?.has(2)]);
    // Each client receives its own messages, and none that the permissions deny.
    expect(inboxes.map(({ messages }) => messages.length)).toEqual([0, 2, 2, 2, 1]);
  });

  it('does not announce a server to clients with no_advertise', async () => {
    const [made, one, two] = await make({ inCluster: 'no_advertise: true' });
    await made.complete();
    const [here, there] = [await made.connect(one), await made.connect(two)];
    await made.settled([here, there]);
    expect([here, there].map(({ info }) => JSON.stringify(info.connect_urls ?? []))).toEqual([
      '[]',
      expect.not.stringContaining(String(one.port)),
    ]);
  });

  it('forms by flags alone, without a configuration', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'natspki-flags-'));
    const [port] = (await freePorts(1)) as [number];
    const servers: ServerProcess[] = [];
    const start = async (of: typeof other, ...flags: string[]) => {
      const usual = ['-a', '127.0.0.1', '-p', '-1', '--cluster_name', 'flags'];
      servers.push(await startProcess([...commandOf(of), ...usual, ...flags], folder));
    };
    try {
      await start(
        kind,
        '--cluster',
        `nats://u:p@127.0.0.1:${port}`,
        '--no_advertise',
        '--ports_file_dir',
        '.',
      );
      const ports = join(folder, `nats-server_${servers[0]?.pid}.ports`);
      await expect.poll(() => existsSync(ports)).toBe(true);
      expect(JSON.parse(readFileSync(ports, 'utf8'))).toEqual({
        nats: [`nats://127.0.0.1:${servers[0]?.port}`],
        cluster: [`nats://127.0.0.1:${port}`],
      });
      await start(
        other,
        '-cluster_listen',
        'nats://127.0.0.1:-1',
        '--routes',
        `nats://u:p@127.0.0.1:${port}`,
      );
      const [here, there] = await Promise.all(servers.map((server) => Client.connect(server.port)));
      const inbox = (here as Client).subscribe('x');
      await here?.flush();
      await expect
        .poll(() => {
          there?.publish('x');
          return inbox.messages.length;
        })
        .toBeGreaterThan(0);
      for (const client of [here, there]) client?.close();
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
