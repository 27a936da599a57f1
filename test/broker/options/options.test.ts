// How the broker reads nats-server's configuration: defaults, every spelling of an option, flags, and rejected options.
import { createAccount, createUser } from '@nats-io/nkeys';
import { describe, expect, it } from 'vitest';
import {
  type BrokerFlags,
  defaultBrokerOptions,
  readBrokerOptions,
} from '../../../src/broker/options/options.ts';
import type { ConfProblem } from '../../../src/conf/error.ts';
import { parseConf } from '../../../src/conf/parser.ts';

const pair = 'cert_file: "./certs/server-cert.pem", key_file: "./certs/server-key.pem"';
const verified = `${pair}, ca_file: "./certs/ca.pem", verify: true`;

/** The kinds of configuration that natspki writes, as a NATS operator would write them by hand. */
const examples = {
  basic: `port: 4222\nserver_name: "nats-tls"\ntls { ${pair} }`,
  verify: `port: 4222\nserver_name: "nats-tls-verify"\ntls { ${verified} }`,
  'verify-and-map': `port: 4222\nserver_name: "nats-mtls"
    tls { ${pair}, ca_file: "./certs/ca.pem", verify_and_map: true }
    accounts {
      APP: {
        users: [
          # Certificate CN maps to user
          {user: "client1"}
          {user: "client2"}
        ]
      }
    }`,
  'high-security': `port: 4222\nserver_name: "nats-secure"
    tls { ${verified}, min_version: "1.3"
      cipher_suites: ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"]
      curve_preferences: ["X25519", "CurveP256"]
      timeout: 10.0 }`,
  cluster: `port: 4222\nserver_name: "nats-cluster-tls"\ntls { ${verified} }
    cluster {
      name: "secure-cluster"
      listen: "0.0.0.0:6222"
      tls { cert_file: "./certs/route-cert.pem", key_file: "./certs/route-key.pem", ca_file: "./certs/ca.pem", verify: true }
      routes: [
        "nats://nats-2:6222",
        "nats://nats-3:6222"
      ]
    }`,
  'multi-certificate': `port: 4222\nserver_name: "nats-multi-cert"
    tls {
      certificates: [
        { cert_file: "./certs/example.com.pem", key_file: "./certs/example.com-key.pem" },
        { cert_file: "./certs/api.example.com.pem", key_file: "./certs/api.example.com-key.pem" }
      ]
      ca_file: "./certs/ca.pem"
      verify: true
    }`,
};

function read(text: string, options: { flags?: BrokerFlags; ignoreUnsupported?: boolean } = {}) {
  const problems: ConfProblem[] = [];
  const root = parseConf(text, { file: 'nats.conf' });
  const result = readBrokerOptions(root, problems, options);
  const shown = problems.map(
    ({ severity, position, message }) => `${severity} ${position.line}:${position.column} ${message}`,
  );
  return { options: result, problems: shown, hints: problems.map(({ hint }) => hint) };
}

/** Reads a configuration that must have no problem. */
function valid(text: string, flags: BrokerFlags = {}) {
  const { options, problems } = read(text, { flags });
  expect(problems).toEqual([]);
  return options;
}

describe('readBrokerOptions', () => {
  it("uses nats-server's defaults for an empty configuration", () => {
    expect(valid('')).toEqual(defaultBrokerOptions);
    expect(defaultBrokerOptions).toMatchObject({
      host: '0.0.0.0',
      port: 4222,
      maxPayload: 1048576,
      maxControlLine: 4096,
      maxPending: 67108864,
      maxConnections: 65536,
      pingIntervalMs: 120_000,
      pingMax: 2,
      writeDeadlineMs: 10_000,
      lameDuckDurationMs: 120_000,
      lameDuckGraceMs: 10_000,
    });
  });

  it('reads limits, durations and names under the alternative spellings of each', () => {
    expect(
      valid(`server_name: n1, host: localhost, port: 4333, max_conn: 10, max_subs: 20, max_sub_tokens: 5
        max_control_line: 1KB, max_payload: 2MB, max_pending: 10MB, ping_interval: "5s", ping_max: 3
        write_deadline: "2s", lame_duck_duration: "1m", lame_duck_grace_period: "5s"
        no_header_support: true, no_fast_producer_stall: true, client_advertise: "[::1]:5222"
        pidfile: "a.pid", ports_file_dir: "/tmp", logfile: "a.log", debug: true, trace: true, logtime: false`),
    ).toMatchObject({
      serverName: 'n1',
      host: 'localhost',
      port: 4333,
      maxConnections: 10,
      maxSubscriptions: 20,
      maxSubscriptionTokens: 5,
      maxControlLine: 1024,
      maxPayload: 2 * 1024 * 1024,
      maxPending: 10 * 1024 * 1024,
      pingIntervalMs: 5000,
      pingMax: 3,
      writeDeadlineMs: 2000,
      lameDuckDurationMs: 60_000,
      lameDuckGraceMs: 5000,
      headers: false,
      noFastProducerStall: true,
      clientAdvertise: { host: '::1', port: 5222 },
      pidFile: 'a.pid',
      portsFileDir: '/tmp',
      log: { file: 'a.log', debug: true, trace: true, timestamps: false },
    });
  });

  it('reads "listen" in each of its forms', () => {
    expect(valid('listen: "127.0.0.1:4333"')).toMatchObject({ host: '127.0.0.1', port: 4333 });
    expect(valid('listen: "[::1]:-1"')).toMatchObject({ host: '::1', port: 0 });
    expect(valid('listen: ":4333", host: localhost')).toMatchObject({ host: 'localhost', port: 4333 });
    expect(valid('listen: 4333')).toMatchObject({ host: '0.0.0.0', port: 4333 });
    expect(valid('listen: ":4333"')).toMatchObject({ host: '0.0.0.0', port: 4333 });
    expect(read('listen: nonsense').problems).toEqual([
      'error 1:9 "listen" must be a port or a host with a port',
    ]);
  });

  it('reads port -1 as any free port and port 0 as the default port', () => {
    expect(valid('port: -1').port).toBe(0);
    expect(valid('port: 0').port).toBe(4222);
  });

  it('gives flags precedence over the file', () => {
    const flags: BrokerFlags = {
      addr: '127.0.0.1',
      port: -1,
      serverName: 'flag',
      debug: true,
      log: 'flag.log',
      user: 'u',
      pass: 'p',
      tlscert: 'c.pem',
      tlskey: 'k.pem',
      tlscacert: 'ca.pem',
      tlsverify: true,
    };
    const text = `listen: "0.0.0.0:4333", server_name: file, log_file: file.log
      authorization: {user: a, password: b}
      tls { cert_file: x, key_file: y }`;
    expect(valid(text, flags)).toMatchObject({
      host: '127.0.0.1',
      port: 0,
      serverName: 'flag',
      log: { debug: true, file: 'flag.log' },
      auth: { single: { user: 'u', password: 'p' } },
      tls: { pairs: [{ certFile: 'c.pem', keyFile: 'k.pem' }], caFile: 'ca.pem', verify: true },
    });
  });

  it.each([
    ['http: "localhost:8222"', 'http://localhost:8222'],
    ['http: 8222', 'http://:8222'],
    ['http_port: -1', 'http://:0'],
    ['monitor_port: 8222\nhttp_base_path: /nats/', 'http://:8222/nats'],
    [`https: ":8443"\ntls { ${pair} }`, 'https://:8443'],
    [`https_port: 8443\ntls { ${pair} }`, 'https://:8443'],
    ['http_port: 0', undefined],
    ['port: 1', undefined],
  ])('reads the monitoring address from %j', (text, expected) => {
    const { monitor } = valid(text);
    const url = ({ secure, host = '', port, basePath }: NonNullable<typeof monitor>) =>
      `${secure ? 'https' : 'http'}://${host}:${port}${basePath}`;
    expect(monitor && url(monitor)).toBe(expected);
  });

  it('gives the monitoring flags precedence over the file', () => {
    expect(valid('http: "localhost:8222"', { httpPort: 1 }).monitor).toMatchObject({
      host: 'localhost',
      port: 1,
    });
  });

  it('turns TLS off with --tls=false, and rejects a certificate flag without a key flag', () => {
    expect(valid('tls { cert_file: x, key_file: y }', { tls: false }).tls).toBeUndefined();
    expect(() => read('', { flags: { tls: true, tlscert: 'c.pem' } })).toThrow(/need a server certificate/);
  });

  it.each([
    ['server_name: "a b"', 'error 1:14 server name cannot contain spaces'],
    [
      'max_payload: 2MB, max_pending: 1MB',
      'error 1:14 "max_payload" (2097152) cannot be higher than "max_pending" (1048576)',
    ],
    ['max_payload: -1', 'error 1:14 "max_payload" cannot be negative'],
    ['lame_duck_duration: "5s"', 'error 1:21 "lame_duck_duration" cannot be less than 30s'],
    [
      'lame_duck_duration: "30s", lame_duck_grace_period: "40s"',
      'error 1:52 "lame_duck_grace_period" must be shorter than "lame_duck_duration"',
    ],
    ['port: 70000', 'error 1:7 port 70000 is not between 0 and 65535'],
    ['client_advertise: "x:"', 'error 1:19 "client_advertise" is neither a host nor a host with a port'],
    ['max_sub_tokens: 0', 'error 1:17 "max_subscription_tokens" must be from 1 to 255'],
    ['max_sub_tokens: 256', 'error 1:17 "max_subscription_tokens" must be from 1 to 255'],
    ['max_control_line: 3g', 'error 1:19 "max_control_line" cannot be higher than 2147483647'],
    ['max_closed_clients: "5"', 'error 1:21 expected an integer for "max_closed_clients", found a string'],
    ['no_sys_acc: 1', 'error 1:13 expected a boolean for "no_sys_acc", found an integer'],
    [
      'server_tags: {}',
      'error 1:14 expected a string or an array of strings for "server_tags", found a block',
    ],
    ['server_metadata: {a: 1}', 'error 1:22 an entry of "server_metadata" must be a string'],
    ['write_timeout: retry', 'error 1:16 "write_timeout" must be "default" or "close" for clients'],
    [
      'http_port: 1\nhttps_port: 2',
      'error 1:12 monitoring takes either an http port or an https port, not both',
    ],
    ['https_port: 8443', 'error 1:13 HTTPS for monitoring needs a tls block'],
    ['http_port: 70000', 'error 1:12 port 70000 is not between -1 and 65535'],
    ['http: "nowhere"', 'error 1:7 "http" must be a port or a host with a port'],
    ['max_payloads: 5', 'error 1:1 unknown field "max_payloads"'],
    ['cluster { name: "a b" }', 'error 1:17 cluster name cannot contain spaces'],
    ['cluster { routes: ["x"] }', 'error 1:20 a route in cluster is not a URL such as nats://host:6222'],
    ['cluster { rutes: [] }', 'error 1:11 unknown field "rutes" in cluster'],
  ])('rejects %j', (text, problem) => {
    expect(read(text).problems).toContain(problem);
  });

  it('reads a bare number as seconds, and warns that nats-server rejects it', () => {
    const { options, problems, hints } = read('lame_duck_duration: 90');
    expect(options.lameDuckDurationMs).toBe(90_000);
    expect(problems).toEqual(['warning 1:21 nats-server rejects a bare number for "lame_duck_duration"']);
    expect(hints).toEqual(['write "1m30s" if nats-server reads this file too']);
  });

  it('silently accepts options that have no effect on this broker', () => {
    expect(valid('server_tags: [a], server_metadata: {a: b}, max_closed_clients: 5')).toEqual(
      defaultBrokerOptions,
    );
  });

  it('has a system account unless the configuration turns it off, and rejects one that is not defined', () => {
    expect(valid('').systemAccount).toBe('$SYS');
    for (const none of ['no_system_account', 'no_system', 'no_sys_acc']) {
      expect(valid(`${none}: true`).systemAccount).toBeUndefined();
    }
    expect(valid('accounts { S {} }, system: S').systemAccount).toBe('S');
    expect(valid('accounts { $SYS { users: [{user: admin}] } }').systemAccount).toBe('$SYS');
    expect(read('system_account: S').problems).toEqual([
      'error 1:17 the system account "S" is not defined in "accounts"',
    ]);
  });

  it('never repeats the password of a route in a message', () => {
    expect(read('cluster { routes: ["secret@"] }').problems.join()).not.toContain('secret');
  });

  it.each([
    ['jetstream: true', 'JetStream'],
    ['operator: "/a.jwt"', 'operators and JWTs'],
    ['trusted_keys: [X]', 'operators and JWTs'],
    ['proxy_protocol: true', 'the PROXY protocol'],
    ['gateway {name: A}', 'gateways'],
    ['leafnodes {port: 7422}', 'leaf nodes'],
    ['mqtt {port: 1883}', 'MQTT'],
    ['mappings: {a: b}', 'subject mappings'],
  ])('rejects the unsupported option %j, and only warns with ignoreUnsupported', (text, feature) => {
    const rejected = read(text);
    expect(rejected.problems).toEqual([
      expect.stringMatching(
        new RegExp(`^error 1:\\d+ "\\w+" is not supported: the bundled broker does not have ${feature}$`),
      ),
    ]);
    expect(rejected.hints).toEqual(['remove it, or run this configuration on nats-server']);
    expect(read(text, { ignoreUnsupported: true }).problems).toEqual([
      expect.stringMatching(/^warning 1:\d+ "\w+" is ignored/),
    ]);
  });

  it.each(['operator: "/a.jwt"', 'trusted_keys: [X]'])(
    'admits only the users in the file when it ignores the login method %j',
    (text) => {
      expect(read(text, { ignoreUnsupported: true }).options.auth.users).toEqual([]);
      const users = 'accounts { A { users: [{user: a, password: x}] } }';
      const { auth } = read(`${text}\n${users}`, { ignoreUnsupported: true }).options;
      expect(auth.users?.map(({ name }) => name)).toEqual(['a']);
    },
  );

  it.each(['false', 'disabled', '"Disable"', '{enabled: false, store_dir: x}'])(
    'accepts JetStream that is turned off: %s',
    (value) => {
      valid(`jetstream: ${value}`);
    },
  );

  it.each(['store_dir: x', 'storedir: x', 'default_js_domain: {A: b}', 'feature_flags: {a: true}'])(
    'accepts %j with a warning, because it has no effect without JetStream',
    (text) => {
      expect(read(text).problems).toEqual([
        expect.stringMatching(
          /^warning 1:\d+ "\w+" has no effect: the bundled broker does not have JetStream$/,
        ),
      ]);
    },
  );

  it.each(['store_dir: 1', 'default_js_domain: 1', 'default_js_domain: {A: 1}', 'feature_flags: {a: 1}'])(
    'rejects %j, as nats-server does',
    (text) => {
      expect(read(text).problems).toContainEqual(expect.stringMatching(/^error /));
    },
  );

  it.each([
    'authorization { auth_callout { issuer: X } }',
    'authorization { users: [{user: a, proxy_required: true}] }',
  ])('rejects %j even with ignoreUnsupported, because security depends on it', (text) => {
    const { problems } = read(text, { ignoreUnsupported: true });
    expect(problems).toEqual([expect.stringMatching(/^error 1:\d+ .*(not supported|does not have)/)]);
  });

  it('reads a valid cluster block without a warning', () => {
    expect(
      valid(`cluster { name: c1, listen: "0.0.0.0:6222", routes: ["nats://a:6222", "nats://u:p@b:6222"]
        tls { cert_file: r, key_file: k, ca_file: ca } , pool_size: 3, no_advertise: true }`).cluster,
    ).toMatchObject({
      name: 'c1',
      host: '0.0.0.0',
      port: 6222,
      routes: ['nats://a:6222', 'nats://u:p@b:6222'],
      tls: { verify: true },
    });
  });

  it.each(Object.entries(examples))('reads the example configuration "%s" without an error', (name, text) => {
    const { options, problems } = read(text);
    expect(problems.filter((problem) => problem.startsWith('error'))).toEqual([]);
    expect(options.tls?.pairs.length).toBe(name === 'multi-certificate' ? 2 : 1);
    if (name === 'cluster') expect(options.cluster).toMatchObject({ name: 'secure-cluster', port: 6222 });
    if (name === 'verify-and-map') {
      expect(options.tls?.verifyAndMap).toBe(true);
      expect(options.auth.users).toEqual([
        { name: 'client1', password: undefined, account: 'APP' },
        { name: 'client2', password: undefined, account: 'APP' },
      ]);
    }
  });
});

describe('accounts and authorization', () => {
  const [user, account] = [createUser().getPublicKey(), createAccount().getPublicKey()];

  it('reads nkeys of users, their connection types and the nkey of an account', () => {
    const { auth } = valid(`accounts { A {
      nkey: ${account}
      users: [ { nkey: ${user}, clients: [standard, mqtt] } ]
    } }`);
    expect(auth.users).toEqual([
      { name: user, isNkey: true, account: 'A', connectionTypes: ['STANDARD', 'MQTT'] },
    ]);
  });

  it('warns of a malformed bcrypt hash, of a slow one, and of a hashed password of no_auth_user', () => {
    const hash = (cost: string) => `"$2b$${cost}$${'x'.repeat(53)}"`;
    const { problems } = read(`authorization { users: [
      { user: a, password: ${hash('11')} }
      { user: b, password: "$2b$11$xxx" }
      { user: c, password: ${hash('16')} }
    ] }
    no_auth_user: a`);
    expect(problems.map((problem) => problem.replace(/^warning \d+:\d+ /, ''))).toEqual([
      '"password" starts like a bcrypt hash but is not a valid one: no password matches it',
      '"password" is a bcrypt hash of cost 16: each login takes seconds',
      'no_auth_user "a" has a hashed password: clients without credentials are rejected',
    ]);
  });

  it('collects the users of authorization and of accounts', () => {
    const { auth } = valid(`authorization { users: [{user: a, password: x}], timeout: 0.5 }
      accounts { APP { users: [{user: b}] }, OTHER {} }
      no_auth_user: b`);
    expect(auth).toEqual({
      single: undefined,
      token: undefined,
      users: [
        { name: 'a', password: 'x', account: '$G' },
        { name: 'b', password: undefined, account: 'APP' },
      ],
      noAuthUser: 'b',
      allowsAnonymous: false,
      accounts: [
        { name: 'APP', exports: [] },
        { name: 'OTHER', exports: [] },
      ],
      timeoutMs: 500,
      links: { streams: [], services: [] },
      limits: {},
    });
  });

  it('admits every client if no account has users, and no client if the list of users is empty', () => {
    expect(valid('accounts { A {} }').auth.users).toBeUndefined();
    expect(valid('accounts: [A, B]').auth.users).toBeUndefined();
    expect(valid('authorization { users: [] }').auth.users).toEqual([]);
  });

  it('reads a timeout of zero as the default, as nats-server does', () => {
    expect(valid('authorization { token: t, timeout: 0 }').auth.timeoutMs).toBeUndefined();
  });

  it('rejects an empty token or user on the command line, and a password without a user', () => {
    const problemsOf = (flags: BrokerFlags) => {
      const problems: ConfProblem[] = [];
      readBrokerOptions(parseConf('', { file: 'nats.conf' }), problems, { flags });
      return problems.map(({ message }) => message);
    };
    expect(problemsOf({ auth: '' })).toEqual(['the token is empty: every client could connect']);
    expect(problemsOf({ user: '', pass: '' })).toEqual(['the user is empty: every client could connect']);
    expect(problemsOf({ pass: 'x' })).toEqual([
      'a password needs a user: without one, no client is asked for the password',
    ]);
  });

  it.each([
    ['authorization { token: "" }', 'the token is empty: every client could connect'],
    ['authorization { user: "", password: "" }', 'the user is empty: every client could connect'],
    ['authorization { token: t, timeout: -1 }', '"timeout" cannot be negative'],
    ['authorization { user: a, password: b, token: c }', 'a single user and a token cannot be combined'],
    [
      'authorization { user: a, password: b, users: [{user: c}] }',
      'a single user and a list of users cannot be combined',
    ],
    [
      'authorization { token: t }\naccounts { A { users: [{user: c}] } }',
      'a token and a list of users cannot be combined',
    ],
    ['authorization { users: [{user: a}, {user: a}] }', 'user "a" is defined twice'],
    ['accounts { A { users: [{user: a}] }, B { users: [{user: a}] } }', 'user "a" is defined twice'],
    ['no_auth_user: a', 'no_auth_user "a" is not among the users'],
    ['authorization { users: [{password: b}] }', 'an entry of authorization.users needs "user" or "nkey"'],
    ['authorization { users: [a] }', 'an entry of authorization.users must be a block such as {user: alice}'],
    ['authorization { password: b }', '"password" in authorization needs "user"'],
    ['accounts { $G { users: [] } }', 'account name "$G" is reserved'],
    ['accounts { A { limits: { max_subz: 1 } } }', 'unknown field "max_subz" in accounts.A.limits'],
    ['accounts { A { limits: 5 } }', 'expected a block for "limits" in accounts.A, found an integer'],
    ['accounts { A { nkey: AABC } }', '"nkey" in accounts.A is not the public key of an account'],
    [
      'authorization { users: [{nkey: UABC}] }',
      '"nkey" in authorization.users is not the public key of a user',
    ],
    [
      `authorization { users: [{nkey: ${account}}] }`,
      '"nkey" in authorization.users is not the public key of a user',
    ],
    [
      `authorization { users: [{nkey: ${user.slice(0, -1)}${user.endsWith('A') ? 'B' : 'A'}}] }`,
      '"nkey" in authorization.users is not the public key of a user',
    ],
    [
      'authorization { users: [{nkey: SUAC}] }',
      '"nkey" in authorization.users is not the public key of a user, but looks like a secret seed',
    ],
    [
      `authorization { users: [{nkey: ${user}, user: a}] }`,
      'an entry of authorization.users has "nkey" together with "user" or "password": remove those',
    ],
    [`authorization { users: [{nkey: ${user}}, {nkey: ${user}}] }`, `user "${user}" is defined twice`],
    [
      'authorization { users: [{user: a, allowed_connection_types: [TELNET]}] }',
      '"TELNET" in authorization.users.allowed_connection_types is not a connection type',
    ],
    ['accounts { A: 5 }', 'account "A" must be a block'],
    ['accounts: 5', 'accounts must be a block, or an array of names'],
    ['accounts { A { user: [] } }', 'unknown field "user" in accounts.A'],
  ])('rejects %j', (text, message) => {
    const { problems } = read(text);
    expect(problems.map((problem) => problem.replace(/^error \d+:\d+ /, ''))).toContain(message);
  });

  it('never repeats a password in a message', () => {
    const { problems } = read(
      'authorization { user: a, password: hunter2, token: hunter3, pasword: hunter4 }',
    );
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join()).not.toContain('hunter');
  });
});
