#!/usr/bin/env node
// Installs the packages of test/clients/packages.json, which examples and tests with clients in other languages need, each in
// exactly the version named there, below a folder:
//   node .ci/install-clients.mjs FOLDER
// What is there in these versions stays as it is. A language that this system does not have is left out.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const packages = JSON.parse(readFileSync(new URL('../test/clients/packages.json', import.meta.url), 'utf8'));

/** How each language installs packages into a folder, given as pairs of name and version. */
const installers = {
  npm: (folder, wanted) =>
    run('npm', [
      ...['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'],
      ...wanted.map(([name, version]) => `${name}@${version}`),
    ]),
  python: (folder, wanted) =>
    run('python3', [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder],
      ...wanted.map(([name, version]) => `${name}==${version}`),
    ]),
  go: (folder, wanted) => {
    run('go', ['mod', 'init', 'example'], folder);
    run('go', ['get', ...wanted.map(([name, version]) => `${name}@v${version}`)], folder);
  },
  java: (folder, wanted) => {
    for (const [name, version] of wanted) {
      run('mvn', [
        ...['--quiet', '--batch-mode', 'dependency:copy'],
        ...[`-Dartifact=${name}:${version}`, `-DoutputDirectory=${folder}`],
      ]);
    }
  },
};

function run(command, parameters, cwd) {
  execFileSync(command, parameters, { stdio: ['ignore', 2, 2], ...(cwd !== undefined && { cwd }) });
}

const [target] = process.argv.slice(2);
if (target === undefined) throw new Error('usage: node .ci/install-clients.mjs FOLDER');
for (const [language, wanted] of Object.entries(packages)) {
  const folder = join(resolve(target), 'clients', language);
  const record = join(folder, 'installed.json');
  const text = JSON.stringify(wanted);
  try {
    if (readFileSync(record, 'utf8') === text) continue;
  } catch {
    // Nothing is installed yet.
  }
  process.stderr.write(`clients: installing ${Object.keys(wanted).join(', ')}\n`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  try {
    installers[language](folder, Object.entries(wanted));
    writeFileSync(record, text);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    process.stderr.write(`clients: ${error.path} is not installed: tests with ${language} are skipped\n`);
    writeFileSync(join(folder, 'unavailable'), error.path);
  }
}
