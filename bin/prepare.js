#!/usr/bin/env node
// Prepares a checkout: installs from the lock file and builds, each only if its inputs have changed.
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');

const root = dirname(__dirname);

function filesBelow(path) {
  return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function fingerprint(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function step(stamp, files, npmArguments) {
  const path = join(root, stamp);
  const wanted = fingerprint(files);
  if (existsSync(path) && readFileSync(path, 'utf8') === wanted) return;
  process.stderr.write(`natspki: npm ${npmArguments.join(' ')}\n`);
  const { status } = spawnSync('npm', npmArguments, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(path, wanted);
}

const manifests = ['package.json', 'package-lock.json'].map((name) => join(root, name));
step('node_modules/.natspki-installed', manifests, ['ci', '--no-audit', '--no-fund']);
step(
  'dist/.natspki-built',
  [
    ...manifests,
    join(root, 'tsconfig.json'),
    join(root, 'bin/rolldown.config.mjs'),
    join(root, 'bin/manifest.mjs'),
    ...filesBelow('src'),
    ...filesBelow('commands'),
  ],
  ['run', '--silent', 'build'],
);
