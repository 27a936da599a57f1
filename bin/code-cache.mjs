#!/usr/bin/env node
// The end of the build: runs commands once and puts what V8 compiled for them beside each script, `init.cjs.cache`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { markOf, scriptLoader } from '../dist/src/cli/scripts.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = new Map();
const load = scriptLoader(join(root, 'dist/bundle'), (path, script, code) =>
  compiled.set(path, { script, code }),
);
const { main } = load('_main.cjs');
const work = mkdtempSync(join(tmpdir(), 'natspki-build-'));
// Each command listens for its errors.
process.stdout.setMaxListeners(0);
const write = process.stdout.write;
process.stdout.write = () => true;
try {
  process.chdir(work);
  for (const line of [
    'init --yes',
    'pin certs/server-cert.pem',
    'issue client another',
    'list',
    'inspect certs/ca.pem',
    'verify',
    'tls client',
    'rotate client',
    'revoke another --dry-run',
    '--help',
  ]) {
    await main(line.split(' '), async (name) => load(`${name}.cjs`));
    if (process.exitCode) throw new Error(`"natspki ${line}" failed`);
  }
} finally {
  process.stdout.write = write;
  process.chdir(root);
  rmSync(work, { recursive: true, force: true });
}
for (const [path, { script, code }] of compiled) {
  writeFileSync(`${path}.cache`, Buffer.concat([Buffer.from(markOf(code)), script.createCachedData()]));
}
