// Compares `natspki check` with `nats-server -t`: for each configuration that nats-server rejects, check must report an
// error or a warning that names the rejection; and no error for a configuration that nats-server accepts.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createUser } from '@nats-io/nkeys';
import { expect, it } from 'vitest';
import { checkConfiguration } from '../../src/broker/options/check.ts';
import { makeAuthority, makeLeaf } from '../harness/openssl.ts';
import { run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { natsServerHas } from '../support/nats-server-changes.ts';
import { describePeer } from '../support/peers.ts';

const scratch = testFolder('check-nats-server');
const ca = makeAuthority(scratch);
const server = makeLeaf(scratch, 'server', ca);
const pin = 'ab'.repeat(32);
const nkey = createUser().getPublicKey();

/** Options of a tls block with valid files. */
const options = [
  ...['verify: true', 'verify: 1', 'verify: "true"', 'VERIFY: true', 'verify_and_map: yes'],
  ...['verify: no', 'verify: [true]', 'verify: required'],
  ...['verify_cert_and_check_known_urls: true', 'verify_cert_and_check_known_urls: false'],
  ...['insecure: true', 'insecure: 1', 'nonsense: 1', 'ocsp_peer: false', 'rate_limit: 5', 'rate_limit: "5"'],
  ...['min_version: "1.0"', 'min_version: "1.1"', 'min_version: "1.2"', 'min_version: 1.2', 'min_version: 1'],
  ...[
    'min_version: "TLS1.2"',
    'min_version: ""',
    'timeout: 0',
    'timeout: 1',
    'timeout: 1.5',
    'timeout: "2s"',
  ],
  ...[
    'timeout: "x"',
    'timeout: true',
    'timeout: []',
    'connection_rate_limit: 5',
    'connection_rate_limit: -5',
  ],
  ...['connection_rate_limit: "5"', 'connection_rate_limit: 1.5', 'first: auto', 'immediate: true'],
  ...['true', 'on', '"on"', 'auto', '"AUTO"', 'auto_fallback', '"300ms"', '300ms', '1', '"x"', '""'].map(
    (value) => `handshake_first: ${value}`,
  ),
  ...['handshake_first_fallback: "2s"', 'handshake_first_fallback: 2'],
  ...['[]', '["x"]', '"x"', '[1]', `["${pin}"]`, `["${pin.toUpperCase()}"]`, `"${pin}"`].map(
    (value) => `verify: true, pinned_certs: ${value}`,
  ),
  ...[
    '[]',
    '[x]',
    '[1]',
    '"TLS_AES_128_GCM_SHA256"',
    '[TLS_AES_128_GCM_SHA256]',
    '[tls_aes_128_gcm_sha256]',
  ].map((value) => `cipher_suites: ${value}`),
  'cipher_suites: [TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305]',
  'cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]',
  'allow_insecure_cipher_suites: true, cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]',
  'allow_insecure_cipher_suites: 1',
  ...['[]', '[x]', '[X25519]', '[x25519]', '[CurveP384, CurveP256]', '"X25519"'].map(
    (value) => `curve_preferences: ${value}`,
  ),
].map((option) => `tls { FILES, ${option} }`);

const blocks = [
  ...[
    'tls: true',
    'tls: []',
    'tls {}',
    'tls { verify: true }',
    'allow_non_tls: true, tls {}',
    'allow_non_tls: 1',
  ],
  ...['tls { ca_file: "CA" }', 'tls { cert_file: "CERT" }', 'tls { key_file: "KEY" }'],
  ...['tls { certificates: [{ FILES }] }', 'tls { certificates: [] }', 'tls { certs: {} }'],
  ...['tls { certificates: [1] }', 'tls { certificates: [{cert_file: a}] }', 'tls { ca_file: 1 }'],
];

/** OCSP of clients, and the cache of the answers. */
const ocspPeer = [
  ...['true', 'false', '{}', '{verify: true}', '{verify: 1}', '5', '"true"', '[]'],
  ...['ca_timeout', 'allowed_clockskew', 'cache_ttl_when_next_update_unset'].flatMap((name) =>
    ['1', '0', '-1', '1.5', '"2s"', '"x"', 'true', '[]'].map((value) => `{verify: true, ${name}: ${value}}`),
  ),
  ...['warn_only', 'unknown_is_good', 'allow_when_ca_unreachable', 'nonsense'].flatMap((name) =>
    ['true', '1', '"true"'].map((value) => `{verify: true, ${name}: ${value}}`),
  ),
].map((value) => `tls { FILES, verify: true, ocsp_peer: ${value} }`);
const ocspCache = [
  ...['true', 'false', '{}', '5', '"true"', '[]', '{type: none}', '{type: LOCAL}', '{type: x}', '{type: 1}'],
  ...['{local_store: "x"}', '{local_store: 1}', '{preserve_revoked: true}', '{preserve_revoked: 1}'],
  ...['1', '0', '-1', '1.5', '"2s"', '"x"', 'true'].map((value) => `{save_interval: ${value}}`),
  '{nonsense: 1}',
].map((value) => `ocsp_cache: ${value}`);

const stapling = [
  ...['true', 'false', '{}', '5', '"true"', '[]', '{mode: auto}', '{mode: ALWAYS}', '{mode: must}'],
  ...['{mode: never}', '{mode: x}', '{mode: 1}', '{url: "http://a"}', '{url: 1}', '{urls: ["http://a"]}'],
  ...['{urls: "http://a"}', '{nonsense: 1}'],
].map((value) => `ocsp: ${value}`);

/** Valid and invalid values for options of each type. */
const ofEachKind: readonly (readonly [names: string, values: readonly string[]])[] = [
  [
    'max_control_line max_payload ping_max max_connections',
    ['0', '1', '5k', '3g', '"5"', '1.5', 'true', '[]'],
  ],
  ['max_sub_tokens', ['0', '-1', '1', '255', '256', '"5"']],
  [
    'max_closed_clients connect_error_reports reconnect_error_reports',
    ['0', '-1', '5', '"5"', '1.5', 'true'],
  ],
  [
    'ping_interval write_deadline lame_duck_duration',
    ['0', '60', '1.5', '"60s"', '"1m"', '"60"', '"x"', '[]'],
  ],
  ['lame_duck_grace_period', ['0', '1', '"1s"', '"-1s"', 'true']],
  ['no_sys_acc disable_sublist_cache no_sublist_cache debug', ['true', 'off', '1', '"true"', '[]']],
  ['server_name host log_file pid_file', ['a', '"a"', '5', 'true', '[]', '{}']],
  ['server_tags', ['a', '[a]', '[]', '{}', '5']],
  ['server_metadata', ['{a: b}', '{a: 1}', 'a', '[]']],
  ['client_advertise', ['"nats.example.com"', '"nats.example.com:4222"', '5', '[]']],
  ['listen http', ['4222', '"4222"', '"a:4222"', '":4222"', '"[::1]:4222"', '"::1"', '"a:b"', 'true']],
];
const wholes = [
  ...['', '# nothing', '{', '}', '{}', 'port', 'port:', 'port 4222', 'port: 4222 debug: true', 'nonsense: 1'],
  ...ofEachKind.flatMap(([names, values]) =>
    names.split(' ').flatMap((name) => values.map((value) => `${name}: ${value}`)),
  ),
];
const inCluster = [
  ...['name: c', 'name: "a b"', 'name: "_"', 'name: 5', 'listen: 6222', 'listen: "a:6222"', 'listen: "a"'],
  ...['port: "6222"', 'host: 5', 'net: "::1"', 'nonsense: 1', 'no_advertise: 1', 'no_advertise: true'],
  ...['connect_retries: 5', 'connect_retries: "5"', 'connect_backoff: true', 'connect_backoff: 1'],
  ...['routes: "nats://a:1"', 'routes: ["nats://a:1"]', 'routes: []', 'routes: [true]'],
  ...['routes: ["nats://a:1", "nats://a:1"]', 'routes: ["nats://u:p@a:1"]', 'authorization: 5'],
  ...['authorization { user: u, password: p }', 'authorization { token: t }', 'authorization { x: 1 }'],
  ...['authorization { user: u, timeout: "2s" }', 'authorization { user: u, timeout: "x" }'],
  ...['authorization { users: [{user: a, password: b}] }', 'authorization { user: u, permissions {} }'],
  ...['permissions { import: a, export: [b, "c.>"] }', 'permissions { import: {allow: a, deny: [b]} }'],
  ...[
    'permissions { import: "a..b" }',
    'permissions { export: "a b" }',
    'permissions: 5',
    'permissions { x: 1 }',
  ],
  ...['permissions { allow_responses: true }', 'permissions { allow_responses: false }'],
  ...['pool_size: 3', 'pool_size: "3"', 'accounts: [A]', 'accounts: A', 'accounts: [true]'],
  ...['off', 'true', '"accept"', '{mode: "s2_fast"}', '{mode: off}', '{x: 1}', '5', '[]'].map(
    (value) => `compression: ${value}`,
  ),
  ...['compression {mode: "auto", rtts: ["5ms", "10ms"]}', 'compression {mode: "auto", rtts: ["x"]}'],
  ...['ping_interval: "10s"', 'ping_interval: 10', 'ping_interval: "x"', 'ping_max: 5', 'ping_max: "5"'],
  ...['write_deadline: "2s"', 'write_deadline: 2', 'write_timeout: retry', 'write_timeout: never'],
  ...[
    'tls { FILES }',
    'tls { FILES, insecure: true }',
    'tls { FILES, verify_cert_and_check_known_urls: true }',
  ],
].map((option) => `cluster { port: 6222\n${option} }`);
/** Names of accounts and users, and duplicates among them. */
const inAccounts = [
  ...['[A, A]', '[A, B, A]', '["$G"]', '["$SYS"]', '[1]', '[]', '{}', '{A: {}, A: {}}', '{A: {}, a: {}}'],
  ...['{A: []}', '{A: x}', '{"$G": {}}', '[A, {B: {}}]', '{A: {users: {}}}', '{A: {nkey: A}}'],
  '{A: {users: [{user: a}]}, B: {users: [{user: a}]}}',
  '{A: {users: [{user: a}, {user: a}]}}',
  '{A: {users: [{user: a}, {user: A}]}}',
  '{A: {users: [{nkey: NKEY}]}, B: {users: [{nkey: NKEY}]}}',
  '{A: {users: [{nkey: NKEY}, {user: NKEY}]}}',
  '{A: {users: [{nkey: NKEY}]}}',
]
  .map((accounts) => `accounts: ${accounts}`)
  .concat(
    'accounts: {A: {users: [{user: a}]}}, authorization { users: [{user: a}] }',
    'accounts: {A: {users: [{user: a}]}}, authorization { user: a, password: b }',
    'authorization { users: [{user: a}, {user: a}] }',
    'system_account: A, accounts: [A, A]',
  );
/** The `latency` option of a service. */
const measured = [
  ...[
    'x',
    '"x.*"',
    '"x.>"',
    '"x y"',
    '"x..y"',
    'a',
    '5',
    '[]',
    '{subject: x}',
    '{subject: 5}',
    '{sampling: 5}',
  ],
  ...['{sampling: 10%, subject: x}', '{sampling: 0, subject: x}', '{sampling: 101, subject: x}'],
  ...['{sampling: 1, subject: x}', '{sampling: 100, subject: x}', '{sampling: "50", subject: x}'],
  ...['{sampling: "50 %", subject: x}', '{sampling: headers, subject: x}', '{sampling: true, subject: x}'],
]
  .map((latency) => `latency: ${latency}`)
  .concat('latency: x, response: stream', 'response: chunked, latency: x', 'latency: x, response: single')
  .map((option) => `accounts { A { exports: [{service: a, ${option}}] } }`);
/** The destination of message traces. */
const traced = [
  ...['t', '"t.*"', '"t u"', '5', '[]', '{dest: t}', '{dest: 5}', '{}', '{dest: t, x: 1}'],
  ...['10', '0', '101', '-1', '"50"', '"50%"', '"50 %"', '"x"', '10%', 'true'].map(
    (sampling) => `{dest: t, sampling: ${sampling}}`,
  ),
]
  .flatMap((value) => [`msg_trace: ${value}`, `trace_dest: ${value}`])
  .map((option) => `accounts { A { ${option} } }`);
/** Empty strings, for every option that takes a string. */
const empty = [
  ...`system_account system no_auth_user host net server_name client_advertise log_file logfile pid_file pidfile
    ports_file_dir http_base_path write_timeout server_tags listen http https ping_interval write_deadline
    lame_duck_duration lame_duck_grace_period max_payload port http_port tls authorization cluster server_metadata`
    .split(/\s+/)
    .map((name) => `${name}: ""`),
  ...`name host net listen advertise routes accounts write_timeout ping_interval write_deadline compression permissions`
    .split(' ')
    .map((name) => `cluster { port: 6222, ${name}: "" }`),
  ...['user: ""', 'token: ""', 'user: "", password: ""', 'password: ""', 'timeout: ""', 'users: ""'].map(
    (option) => `cluster { port: 6222, authorization { ${option} } }`,
  ),
  ...['password: ""', 'user: a, password: ""', 'token: t, user: ""', 'user: a, password: b, token: ""'].map(
    (option) => `authorization { ${option} }`,
  ),
  ...['timeout: ""', 'users: ""', 'user: "", users: [{user: a}]', 'token: "", users: [{user: a}]'].map(
    (option) => `authorization { ${option} }`,
  ),
  ...[
    ...['user: ""', 'nkey: ""', 'nkey: "", user: a', 'user: a, password: ""', 'user: a, permissions: ""'],
    ...['user: a, permissions: {publish: ""}', 'user: a, permissions: {subscribe: {allow: ""}}'],
    ...['user: a, permissions: {allow_responses: {expires: ""}}', 'user: a, connection_types: [""]'],
  ].map((user) => `authorization { users: [{${user}}] }`),
  ...[
    ...['nkey: ""', 'users: ""', 'exports: ""', 'exports: [{stream: ""}]', 'exports: [{service: ""}]'],
    ...['exports: [{service: a, response: ""}]', 'exports: [{service: a, threshold: ""}]', 'limits: ""'],
    ...['exports: [{service: a, latency: ""}]', 'exports: [{service: a, latency: {subject: ""}}]'],
    ...['exports: [{service: a, latency: {subject: b, sampling: ""}}]', 'default_permissions: ""'],
    'exports: [{service: a, accounts: [""]}]',
  ].map((option) => `accounts { A { ${option} } }`),
  ...[
    ...['{stream: {account: "", subject: x}}', '{stream: {account: B, subject: ""}}'],
    ...['{stream: {account: B, subject: x}, prefix: ""}', '{stream: {account: B, subject: x}, to: ""}'],
    ...['{service: {account: B, subject: y}, prefix: ""}', '{service: {account: B, subject: y}, to: ""}'],
  ].map((link) => `accounts { B { exports: [{stream: x}, {service: y}] }, A { imports: [${link}] } }`),
  ...['ca_file: ""', 'verify: true, ca_file: ""', 'cipher_suites: [""]', 'curve_preferences: [""]'].map(
    (option) => `tls { cert_file: "CERT", key_file: "KEY", ${option} }`,
  ),
  ...['cert_file: "", key_file: ""', 'certificates: [{cert_file: "", key_file: ""}]', 'certificates: ""'].map(
    (option) => `tls { ${option} }`,
  ),
  ...['pinned_certs: [""]', 'pinned_certs: ""', 'timeout: ""'].map((option) => `tls { FILES, ${option} }`),
];
/** Accepted by nats-server, where the option then rejects no client or has no effect. */
const stricterAuth = [
  ...['user: ""', 'token: ""', 'user: "", password: ""'].map((option) => `authorization { ${option} }`),
  ...['accounts: A', 'accounts: ""', 'authorization { password: a }'],
];
const inWebsocket = [
  ...['', 'port: 8080', 'port: -1, no_tls: true', 'port: 8080, no_tls: true', 'listen: "a:b"', 'port: "1"'],
  ...['tls { FILES }', 'port: 8080, tls { FILES }', 'port: 8080, tls {}', 'tls { nonsense: 1 }'],
  ...['port: 8080, tls { cert_file: "no.pem", key_file: "no.pem" }', 'tls: true', 'nonsense: 1'],
  ...['origin: "example.com"', 'jwt_cookie: c', 'headers { Host: x }', 'no_auth_user: x'],
  ...[
    ...[
      'handshake_timeout: -1',
      'handshake_timeout: 1.5',
      'handshake_timeout: "x"',
      'handshake_timeout: "2s"',
    ],
    ...['ping_interval: "x"', 'ping_interval: 3', 'ping_interval: "3s"', 'no_tls: 1', 'compression: "x"'],
    ...['compress: true', 'same_origin: 1', 'net: "::1"', 'host: 1', 'advertise: "a:1"', 'advertise: 1'],
    ...['origin: 1', 'origins: [1]', 'origin: "example.com"', 'origin: "ftp://example.com"'],
    ...['origin: "https://"', 'origin: "/x"', 'origin: ["https://a.example:99", "http://b"]'],
    ...['origin: "https://a:x"', 'origin: "HTTPS://a"', 'origin: "https://[::1]:3"', 'origin: "https://a b"'],
    ...['origin: "https://a%zz"', 'origin: "https://a/%zz"', 'origin: "https://u:p@a"', 'origin: ""'],
    ...[
      'no_auth_user: x',
      'jwt_cookie: c',
      'user_cookie: c, pass_cookie: d, token_cookie: e',
      'jwt_cookie: 1',
    ],
    ...['headers { Host: x }', 'headers { "Sec-WebSocket-Foo": x }', 'headers { a: 1 }', 'headers: 3'],
    ...['headers { "X-A": "b c" }', 'headers { "NATS-No-Masking": "true" }', 'headers {}'],
    ...['authorization { token: x, username: y, password: z, timeout: 3 }', 'authorization: 3'],
    ...['authentication { token: x, nonsense: y }', 'authorization { users: [{user: a}] }'],
  ].map((option) => `port: 8080, tls { FILES }\n${option}`),
].map((option) => `websocket {${option}\n}`);
const besideWebsocket = [
  ...['websocket: 1', 'websocket: false', 'ws { port: 8080 }', 'ws { port: 8080, tls { FILES } }'],
  ...['no_auth_user: x', 'no_auth_user: y', 'authorization { user: x }', 'authorization { token: x }'].map(
    (option) => `websocket { tls { FILES }, port: 8080\n${option}\n}\nauthorization { users: [{user: x}] }`,
  ),
];
/** Accepted by `nats-server -t`; nats-server does not start with them, or sends what no HTTP header may have. */
const stricterWebsocket = [
  ...['port: -2', 'port: 70000', 'port: 8080, advertise: "a:b:c"'],
  ...['port: 8080, authorization { timeout: -1 }', 'port: 8080, authorization { password: x }'],
  ...['port: 8080, headers { a: "x\\r\\nb: c" }', 'port: 8080, headers { "a b": c }'],
].map((option) => `websocket { no_tls: true, ${option} }`);
/** Accepted by nats-server, which then does not do what the option says. */
const stricter = [
  ...['timeout: -1', 'timeout: "-2s"', 'handshake_first: "-3s"', 'verify: true, VERIFY: false'],
  ...['handshake_first: true, first: false', 'ocsp_peer: true'],
].map((option) => `tls { FILES, ${option} }`);
/** Accepted by `nats-server -t`; nats-server rejects them only at start, or never evaluates them. */
const stricterCluster = [
  ...['routes: [""]', 'routes: ["nats://a"]', 'routes: ["a:1:2"]'],
  ...['authorization { password: p }', 'advertise: "a:b:c"'],
].map((option) => `cluster { port: 6222\n${option} }`);

/** Public keys of small order, for which anyone can make signatures. */
const smallOrderKeys = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `01${'00'.repeat(30)}80`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(31)}`,
  `ee${'ff'.repeat(30)}7f`,
].map((key) => `authorization { users: [{nkey: ${userKey(Buffer.from(key, 'hex'))}}] }`);

/** Accepted by the versions of nats-server with optional client certificates. */
const optional = [
  ...[
    'verify: optional',
    'verify: "OPTIONAL"',
    'verify: optional, verify_and_map: false',
    'verify: optional, verify_cert_and_check_known_urls: false',
  ].map((option) => `tls { FILES, ${option} }`),
  'cluster { port: 6222, tls { FILES, verify: optional } }',
];
const optionalAndRequired = [
  'tls { FILES, verify: optional, verify_and_map: true }',
  'cluster { port: 6222, tls { FILES, verify: optional, verify_cert_and_check_known_urls: true } }',
];

/** nats-server rejects them at start; whether `nats-server -t` does too depends on its version. */
const refusedAtStart = [
  ...['no_auth_user: a', 'no_auth_user: a, authorization { user: a, password: b }'],
  ...['no_auth_user: a, accounts { A { users: [{user: b}] } }', 'max_pending: 1000'],
  ...['lame_duck_grace_period: "3m"', 'lame_duck_duration: "30s", lame_duck_grace_period: "30s"'],
  ...[
    ...['compression: fastest', 'pool_size: -1, accounts: [A]', 'accounts: [A, A]'],
    ...['10ms, 5ms', '1ms, 2ms, 3ms, 4ms, 5ms', '0ms'].map(
      (rtts) => `compression: {mode: s2_auto, rtts: [${rtts}]}`,
    ),
  ].map((option) => `cluster { port: 6222\n${option} }`),
];

/** Codes of warnings for which `nats-server -t` fails, although nats-server itself may only warn. */
const rejectionCodes = ['nats-server-refuses', 'protocol-version', 'route-twice', 'deprecated'];

describePeer('nats-server', 'natspki check, compared with nats-server -t,', (bin) => {
  async function results(text: string) {
    const conf = join(mkdtempSync(join(scratch, 'x-')), 'nats.conf');
    const named = text
      .replaceAll('FILES', 'cert_file: "CERT", key_file: "KEY", ca_file: "CA"')
      .replace('"CERT"', JSON.stringify(server.cert))
      .replace('"KEY"', JSON.stringify(server.key))
      .replace('"CA"', JSON.stringify(ca.cert))
      .replaceAll('NKEY', nkey);
    writeFileSync(conf, `${named}\n`);
    const { code } = await run([bin, '-t', '-c', conf]);
    const found = await checkConfiguration(conf);
    const isWarned = found.some((one) => rejectionCodes.includes(one.code ?? ''));
    return { isAccepted: code === 0, isError: found.some(({ severity }) => severity === 'error'), isWarned };
  }

  it.each([
    ...[...wholes, ...options, ...blocks, ...inCluster, ...inAccounts, ...measured, ...traced, ...empty],
    ...[...inWebsocket, ...besideWebsocket, ...ocspPeer, ...ocspCache, ...stapling],
  ])('reports an error or a rejection by nats-server exactly if nats-server rejects %j', async (text) => {
    const { isAccepted, isError, isWarned } = await results(text);
    expect(isError || isWarned).toBe(!isAccepted);
  });

  it.each([...stricter, ...stricterCluster, ...stricterAuth, ...stricterWebsocket])(
    'rejects %j, which nats-server accepts without doing what it says',
    async (text) => {
      expect(await results(text)).toMatchObject({ isAccepted: true, isError: true });
    },
  );

  it.each(optional)('accepts %j', async (text) => {
    const isAccepted = natsServerHas('optional-certificates');
    expect(await results(text)).toMatchObject({ isAccepted, isError: false });
  });

  it.each(optionalAndRequired)('rejects %j, which requires certificates and does not', async (text) => {
    expect(await results(text)).toMatchObject({ isAccepted: false, isError: true });
  });

  it.each(smallOrderKeys)('rejects %j, whose key is of small order', async (text) => {
    const isAccepted = !natsServerHas('no-keys-of-small-order');
    expect(await results(text)).toMatchObject({ isAccepted, isError: true });
  });

  it.each(refusedAtStart)('rejects %j, with which nats-server does not start', async (text) => {
    const isAccepted = !natsServerHas('test-validates-options');
    expect(await results(text)).toMatchObject({ isAccepted, isError: true });
  });
});

/** Encodes the public key of a user: its prefix, the bytes and a checksum, in base 32. */
function userKey(bytes: Buffer): string {
  const raw = Buffer.concat([Buffer.from([20 << 3]), bytes]);
  let sum = 0;
  for (const byte of raw) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) sum = ((sum << 1) ^ (sum & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  const all = Buffer.concat([raw, Buffer.from([sum & 0xff, sum >> 8])]);
  const bits = Array.from(all, (byte) => byte.toString(2).padStart(8, '0')).join('');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join('');
}
