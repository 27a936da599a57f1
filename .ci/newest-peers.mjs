#!/usr/bin/env node
// Shows what the newest releases of the peers would break, before test/peers.json names them:
//   npm run peers:newest [PROGRAM...]
// Installs the newest release of each peer below .cache/newest and runs the tests that compare with it, the other peers
// in the versions of test/peers.json. Without PROGRAM it leaves out peers that test/peers.json has in their newest release.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { install, installPeers, pathOf, peers, versionOf } from './install-peers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pinned = join(root, '.cache');
const newest = join(root, '.cache/newest');

/** Debian's nats-server is there for its age. */
const released = Object.keys(peers).filter((program) => peers[program].from !== 'debian');

/** The test files that import test/support/peers.ts, themselves or by way of other modules. */
function comparingTests() {
  const files = readdirSync(join(root, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, 'test', name));
  const imports = new Map(files.map((file) => [file, importsOf(file)]));
  const found = new Set([join(root, 'test/support/peers.ts')]);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const [file, imported] of imports) if (imported.some((each) => found.has(each))) found.add(file);
  }
  return [...found].filter((file) => file.endsWith('.test.ts')).map((file) => relative(root, file));
}

function importsOf(file) {
  return [...readFileSync(file, 'utf8').matchAll(/\bfrom '(\.[^']+)'/g)].map(([, path]) =>
    resolve(dirname(file), path),
  );
}

/** Runs tests beside the newest release of one peer; returns the full names of those that fail. */
function failuresBeside(program) {
  const report = join(newest, `${program}.json`);
  rmSync(report, { force: true });
  const folders = [
    dirname(pathOf(program, newest)),
    dirname(pathOf('nats-server', pinned)),
    process.env.PATH,
  ];
  const env = { ...process.env, PATH: folders.join(':') };
  for (const name of Object.keys(env)) if (/^NATS_\w+_BIN$/.test(name)) delete env[name];
  // Another Node may make a difference to every test.
  const files = program === 'node' ? [] : comparingTests();
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`];
  spawnSync('npm', ['test', '--silent', '--', ...reporters, ...files], {
    cwd: root,
    env,
    stdio: ['ignore', 2, 2],
  });
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  return testResults.flatMap(({ name, status, assertionResults }) => {
    const failed = assertionResults
      .filter((test) => test.status === 'failed')
      .map(({ fullName }) => fullName);
    const all = status === 'failed' && failed.length === 0 ? ['(the whole file)'] : failed;
    return all.map((test) => `${relative(root, name)}: ${test}`);
  });
}

const named = process.argv.slice(2);
const unknown = named.filter((program) => !released.includes(program));
if (unknown.length > 0) throw new Error(`no such peer: ${unknown.join(', ')}; one of ${released.join(', ')}`);
installPeers(pinned);
mkdirSync(newest, { recursive: true });
const lines = [];
for (const program of named.length > 0 ? named : released) {
  install(program, 'latest', newest);
  const version = versionOf(pathOf(program, newest));
  const title = `${program} ${version}`;
  if (version === peers[program].version && named.length === 0) {
    lines.push(`${title} is the newest, and in test/peers.json`);
    continue;
  }
  const failures = failuresBeside(program);
  if (failures.length > 0) process.exitCode = 1;
  lines.push(`${title} (test/peers.json: ${peers[program].version}): ${failures.length} tests fail`);
  lines.push(...failures.map((failure) => `  ${failure}`));
}
process.stdout.write(`${lines.join('\n')}\n`);
