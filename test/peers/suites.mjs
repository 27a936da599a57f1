#!/usr/bin/env node
// Runs the test suites of real clients against nats-server and against the broker in its place, and prints what differs.
// Not part of .ci/run. The folder contains checkouts of nats.py, nats.js and nats.rs; missing ones are skipped.
//
//   node test/peers/suites.mjs FOLDER [--only nats.py]
//
// Needs python3 with pytest, pytest-asyncio, pytest-timeout and nats.py/nats with its extras for nats.py, cargo for nats.rs, and npm for nats.js (which must
// be installed and built: npm install && npm run build --workspaces). On Linux with root, each suite runs in a network
// namespace of its own, since the suites use fixed ports.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../bin/nats-server', import.meta.url));

/** The parts that need no JetStream, operator, leaf node, gateway, WebSocket or MQTT. */
const suites = [
  {
    name: 'nats.py',
    folder: 'nats.py/nats',
    argv: [
      ...[
        'python3',
        '-m',
        'pytest',
        '-v',
        '--tb=no',
        '-k',
        'not JWT',
        '--timeout=60',
        '-p',
        'no:cacheprovider',
        '-o',
        'addopts=',
        '-o',
        'asyncio_mode=auto',
      ],
      ...['tests/test_client.py', 'tests/test_client_v2.py', 'tests/test_client_nkeys.py'],
      ...['tests/test_client_async_await.py', 'tests/test_micro_service.py'],
      ...['tests/test_parser.py', 'tests/test_nuid.py'],
    ],
    /** Lines such as `tests/test_client.py::ClientTest::test_x PASSED [ 5%]`. */
    outcome: /^(\S+::\S+) (PASSED|FAILED|ERROR)/gm,
    passed: 'PASSED',
    swapped: true,
  },
  {
    name: 'nats.rs',
    folder: 'nats.rs',
    argv: [
      ...['cargo', 'test', '--no-fail-fast', '-p', 'async-nats', '--features', 'server_2_10'],
      ...['--test', 'client_tests', '--test', 'service_tests', '--test', 'nkey_tests', '--test', 'tls_tests'],
      ...['--', '--test-threads=1'],
    ],
    /** Lines such as `test client::basic_pub_sub ... ok`. */
    outcome: /^test (\S+) (?:- should panic )?\.\.\. (ok|FAILED)$/gm,
    passed: 'ok',
    swapped: true,
  },
  {
    name: 'nats.js',
    folder: 'nats.js/transport-node',
    argv: [
      'node',
      '--test',
      '--test-reporter=tap',
      '--test-concurrency=1',
      'tests/basics_test.js',
      'tests/reconnect_test.js',
      'tests/tls_test.js',
      'tests/noiptls_test.js',
    ],
    /** Lines such as `    ok 3 - basics - connect`. */
    outcome: /^ +(ok|not ok) \d+ - ([^#\n]+?)(?: # .*)?$/gm,
    passed: 'ok',
  },
];

const [root, ...rest] = process.argv.slice(2);
const only = rest[0] === '--only' ? rest[1] : undefined;
if (root === undefined) {
  process.stderr.write('node test/peers/suites.mjs FOLDER [--only NAME]\n');
  process.exit(2);
}

for (const suite of suites) {
  const folder = resolve(root, suite.folder);
  if ((only !== undefined && only !== suite.name) || !existsSync(folder)) continue;
  const commit = spawnSync('git', ['-C', folder, 'log', '-1', '--format=%h'], {
    encoding: 'utf8',
  }).stdout.trim();
  const [real, ours] = [runOn(suite, folder, undefined), runOn(suite, folder, launcher)];
  const count = (results) => `${[...results.values()].filter(Boolean).length} of ${results.size}`;
  process.stdout.write(`${suite.name} ${commit}: nats-server ${count(real)}, broker ${count(ours)}\n`);
  for (const [test, passed] of real) {
    if (passed !== (ours.get(test) ?? false))
      process.stdout.write(`  ${passed ? 'only nats-server' : 'only the broker'}: ${test}\n`);
    else if (!passed) process.stdout.write(`  on neither: ${test}\n`);
  }
  for (const test of ours.keys())
    if (!real.has(test)) process.stdout.write(`  only run with the broker: ${test}\n`);
}

/** Runs a suite with this program as the nats-server on PATH; returns whether each test passed, by name. */
function runOn({ argv, outcome, passed, swapped = false }, folder, program) {
  const scratch = mkdtempSync(join(tmpdir(), 'natspki-suite-'));
  if (program !== undefined) symlinkSync(program, join(scratch, 'nats-server'));
  const path = program === undefined ? process.env.PATH : `${scratch}${delimiter}${process.env.PATH}`;
  // Without the broker's folder first, PATH finds the real one.
  const isolated = process.platform === 'linux' && process.getuid?.() === 0;
  const command = isolated
    ? ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', ...argv]
    : argv;
  const { stdout = '', stderr = '' } = spawnSync(command[0], command.slice(1), {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: Number(process.env.SUITE_TIMEOUT ?? 900) * 1000,
    env: { ...process.env, PATH: path, NATSPKI_IGNORE_UNSUPPORTED: '1' },
  });
  rmSync(scratch, { recursive: true });
  const results = new Map();
  for (const [, first, second] of stdout.matchAll(outcome)) {
    const [result, name] = swapped ? [second, first] : [first, second];
    results.set(name, result === passed);
  }
  if (results.size === 0) process.stderr.write(`${stdout.slice(-2000)}\n${stderr.slice(-2000)}\n`);
  return results;
}
