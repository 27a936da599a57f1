// How the broker reads the cluster block and nats-server's cluster flags, and that no message repeats a secret of
// either.
import { describe, expect, it } from 'vitest';
import type { BrokerFlags } from '../../../src/broker/options/options.ts';
import { readBrokerOptions } from '../../../src/broker/options/options.ts';
import type { ConfProblem } from '../../../src/conf/error.ts';
import { parseConf } from '../../../src/conf/parser.ts';

function read(text: string, flags: BrokerFlags = {}) {
  const problems: ConfProblem[] = [];
  const { cluster } = readBrokerOptions(parseConf(text, { file: 'nats.conf' }), problems, { flags });
  const shown = problems.map(
    ({ severity, position, message }) => `${severity} ${position.line}:${position.column} ${message}`,
  );
  return { cluster, problems: shown, hints: problems.map(({ hint }) => hint) };
}

const inBlock = (text: string) => read(`cluster { port: 6222\n${text} }`);

describe('the cluster block', () => {
  it('is read with all its options', () => {
    const { cluster, problems } = read(`cluster {
      name: c1, listen: "127.0.0.1:6222", advertise: "n1.example.com:7222", no_advertise: true
      connect_retries: 5, connect_backoff: true
      routes: ["nats://n1:6222", " nats://u:p@n2:6222 ", "nats://[::1]:6222"]
      authorization { user: u, password: p, timeout: "3s" }
      permissions { import: "foo.>", export: { allow: ["a", "b.*"], deny: "c" } }
      ping_interval: "10s", ping_max: 5, write_deadline: "2s", write_timeout: retry
      pool_size: 4, accounts: [A], compression: accept
      tls { cert_file: c, key_file: k, ca_file: ca, verify_cert_and_check_known_urls: true }
    }`);
    expect(problems).toEqual([]);
    const rule = (subject: string) => ({ subject, queue: undefined });
    expect(cluster).toMatchObject({
      name: 'c1',
      host: '127.0.0.1',
      port: 6222,
      advertise: { host: 'n1.example.com', port: 7222 },
      noAdvertise: true,
      connectRetries: 5,
      connectBackoff: true,
      routes: ['nats://n1:6222', 'nats://u:p@n2:6222', 'nats://[::1]:6222'],
      authorization: { user: 'u', password: 'p', timeoutMs: 3000 },
      permissions: {
        import: { allow: [rule('foo.>')], deny: [] },
        export: { allow: [rule('a'), rule('b.*')], deny: [rule('c')] },
      },
      pool: { size: 4, accounts: ['A', '$SYS'] },
      pingIntervalMs: 10_000,
      pingMax: 5,
      writeDeadlineMs: 2000,
      tls: { verify: true, verifyKnownUrls: true },
    });
  });

  it('takes defaults for everything but the port', () => {
    expect(inBlock('')).toEqual({
      cluster: {
        name: undefined,
        host: '0.0.0.0',
        port: 6222,
        advertise: undefined,
        noAdvertise: false,
        connectRetries: 0,
        connectBackoff: false,
        routes: [],
        authorization: undefined,
        pool: { size: 3, accounts: ['$SYS'] },
        permissions: undefined,
        pingIntervalMs: undefined,
        pingMax: undefined,
        writeDeadlineMs: undefined,
        tls: undefined,
      },
      problems: [],
      hints: [],
    });
  });

  it.each([
    ['cluster_advertise: "n1.example.com"', { advertise: { host: 'n1.example.com', port: 0 } }],
    ['advertise: ""', { advertise: undefined }],
    ['net: "::1"', { host: '::1' }],
    ['connect_retries: -1', { connectRetries: 0 }],
    ['ping_interval: "0s", ping_max: 0', { pingIntervalMs: undefined, pingMax: undefined }],
    ['authorization { username: u, pass: p }', { authorization: { user: 'u', password: 'p' } }],
    ['authorization {}', { authorization: undefined }],
    ['compression: false', {}],
    ['compression { mode: "off" }', {}],
    ['permissions { publish: a, allow_responses: false }', { permissions: { export: { deny: [] } } }],
  ])('reads "%s" as nats-server does', (text, expected) => {
    const { cluster, problems } = inBlock(text);
    expect(problems).toEqual([]);
    expect(cluster).toMatchObject(expected);
  });

  it.each([
    ['name: "_"', 'cluster name "_" is reserved'],
    ['advertise: "a:b:c"', '"advertise" in cluster is neither a host nor a host with a port'],
    ['routes: "nats://n1:6222"', 'expected an array for "routes" in cluster, found a string'],
    ['routes: [5 ]', 'an entry of "routes" in cluster must be a string'],
    ['routes: ["nats://n1"]', 'a route in cluster is not a URL such as nats://host:6222'],
    ['authorization { users: [] }', 'cluster authorization does not allow multiple users'],
    ['authorization { token: t }', 'cluster authorization does not support tokens'],
    ['authorization { pass: p }', '"password" in cluster.authorization needs "user"'],
    [
      'authorization { auth_callout {} }',
      '"auth_callout" is not supported: the bundled broker does not have the authorization callout',
    ],
    [
      'authorization { user: u, pass: "$2a$11$Tt2wuRy6qOyjbH1dkSj5wO" }',
      '"password" in cluster.authorization is a bcrypt hash: servers that a peer announces would reject it',
    ],
    ['authorization { user: u, timeout: -1 }', '"timeout" in cluster.authorization cannot be negative'],
    ['permissions { export: "a b" }', expect.stringContaining('has a queue group')],
    ['permissions { import: "a..b" }', 'an entry of cluster.permissions.import is not a subject'],
    ['permissions { allow_responses: true }', 'cluster.permissions does not support "allow_responses"'],
    ['compression: fastest', '"compression" in cluster is not a compression mode of nats-server'],
    ['compression { mode: auto, rtt_thresholds: ["x"] }', 'an entry of "rtt_thresholds" is not a duration'],
    [
      'compression { mode: auto, rtts: ["5s", "1s"] }',
      '"rtt_thresholds" takes one to four durations in ascending order',
    ],
    ['write_timeout: never', '"write_timeout" in cluster must be "default", "close" or "retry"'],
    ['pool_size: -1, accounts: [A]', '"pool_size" in cluster cannot be negative beside "accounts"'],
    ['accounts: [A, A]', 'an account in cluster.accounts is listed twice'],
    ['ping_interval: -1', '"ping_interval" cannot be negative'],
  ])('with "%s" is rejected', (text, message) => {
    const errors = inBlock(text).problems.filter((problem) => problem.startsWith('error'));
    expect(errors.map((problem) => problem.replace(/^error 2:\d+ /, ''))).toContainEqual(message);
  });

  it.each([
    ['routes: ["nats://a:1", "nats://a:1"]', 'a route in cluster is listed twice'],
    ['ping_interval: "1m"', '"ping_interval" in cluster is reduced to 30s, the maximum for routes'],
    ['compression: s2_fast', '"compression" is ignored: the bundled broker does not compress routes'],
    [
      'authorization { user: u, permissions { publish: a } }',
      '"permissions" in cluster.authorization is deprecated',
    ],
    [
      'tls { cert_file: c, key_file: k, ca_file: ca, insecure: true }',
      '"insecure" turns off the verification of remote servers: an attacker on the path can read all traffic',
    ],
  ])('with "%s" triggers a warning', (text, message) => {
    const { problems } = inBlock(text);
    expect(problems).toEqual([expect.stringMatching(/^warning 2:\d+ /)]);
    expect(problems[0]).toContain(message);
  });

  it('prefers its own permissions to those of its authorization', () => {
    const login = 'authorization { user: u, permissions { publish: a } }';
    expect(inBlock(login).cluster?.permissions?.import.allow).toEqual([{ subject: 'a' }]);
    expect(inBlock(`${login}, permissions { import: b }`).cluster?.permissions?.import.allow).toEqual([
      { subject: 'b' },
    ]);
  });

  it('without a port triggers the warning that there is no cluster, as on nats-server', () => {
    const { cluster, problems } = read('cluster { name: c }');
    expect(cluster?.port).toBe(0);
    expect(problems).toEqual([
      'warning 1:9 cluster has no port: this server neither accepts nor opens routes',
    ]);
  });

  it.each([
    'routes: ["nats://u:hunter2@"]',
    'routes: ["hunter2@n1:6222", "nats://u:hunter2@n1"]',
    'routes: ["nats://u:hunter2@n1:6222", "nats://u:hunter2@n1:6222"]',
    'authorization { pass: hunter2 }',
    'authorization { user: u, password: hunter2, token: hunter2, users: [hunter2] }',
  ])('with %j is rejected without repeating the secret', (text) => {
    const { problems, hints } = inBlock(text);
    expect(problems.length).toBeGreaterThan(0);
    expect([...problems, ...hints].join()).not.toContain('hunter2');
  });
});

describe('the cluster flags', () => {
  it('define a cluster without a configuration file', () => {
    const flags = {
      cluster: 'nats://u:p%40ss@127.0.0.1:-1',
      clusterName: 'c2',
      clusterAdvertise: 'n1',
      noAdvertise: true,
      connectRetries: 3,
      routes: 'nats://n1:6222, nats://n2:6222',
    };
    expect(read('', flags).cluster).toMatchObject({
      name: 'c2',
      host: '127.0.0.1',
      port: -1,
      advertise: { host: 'n1', port: 0 },
      noAdvertise: true,
      connectRetries: 3,
      routes: ['nats://n1:6222', 'nats://n2:6222'],
      authorization: { user: 'u', password: 'p@ss', timeoutMs: undefined },
      tls: undefined,
    });
  });

  const block = `cluster { name: c1, listen: "127.0.0.1:6222", no_advertise: true, connect_retries: 2
    routes: ["nats://n1:6222"], authorization { user: u, password: p, timeout: 5 }
    tls { cert_file: c, key_file: k, ca_file: ca } }`;

  it('take precedence over the file and leave the other options unchanged', () => {
    expect(read(block, { clusterName: 'c2', noAdvertise: false }).cluster).toMatchObject({
      name: 'c2',
      port: 6222,
      noAdvertise: false,
      connectRetries: 2,
      routes: ['nats://n1:6222'],
      authorization: { user: 'u' },
      tls: { verify: true },
    });
    expect(read(block, { routes: '' }).cluster?.routes).toEqual([]);
  });

  it('replace user and password of the file by those in the --cluster URL, or by none', () => {
    expect(read(block, { cluster: 'nats://:7222' }).cluster).toMatchObject({
      host: '0.0.0.0',
      port: 7222,
      authorization: undefined,
    });
    expect(read(block, { cluster: 'nats://a:b@[::1]:7222' }).cluster).toMatchObject({
      host: '::1',
      port: 7222,
      authorization: { user: 'a', password: 'b', timeoutMs: 5000 },
    });
  });

  it('take the server out of its cluster with an empty --cluster', () => {
    expect(read(block, { cluster: '' }).cluster?.port).toBe(0);
  });

  it('have no effect without a cluster', () => {
    expect(read('', { clusterName: 'c', noAdvertise: true }).cluster).toBeUndefined();
    expect(read('', { routes: '' }).cluster).toBeUndefined();
  });

  it.each([
    [
      { routes: 'nats://hunter2:x@n1:6222' },
      '--routes needs --cluster, the address that other servers connect to',
    ],
    [{ cluster: 'n1:6222' }, '--cluster is not a URL with a host and a port'],
    [{ cluster: 'nats://hunter2:hunter2@n1' }, '--cluster is not a URL with a host and a port'],
    [
      { cluster: 'nats://hunter2@n1:6222' },
      '--cluster has a user without a password, or a password without a user',
    ],
    [
      { cluster: 'nats://hunter2:%@n1:6222' },
      '--cluster has a user or a password that is not percent-encoded',
    ],
    [
      { cluster: 'nats://n1:6222', routes: 'nats://hunter2:x@n2' },
      '--routes has an entry that is not a URL with a host and a port',
    ],
    [
      { cluster: 'nats://n1:6222', clusterAdvertise: 'a:b:c' },
      '--cluster_advertise is neither a host nor a host with a port',
    ],
    [{ cluster: 'nats://n1:6222', clusterName: 'a b' }, '--cluster_name cannot contain spaces'],
  ])('are rejected without repeating a password: %j', (flags, message) => {
    expect(() => read('', flags)).toThrow(
      expect.objectContaining({ code: 'usage', message, hint: expect.not.stringContaining('hunter2') }),
    );
  });
});
