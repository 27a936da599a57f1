#!/usr/bin/env node
// Installs the peers of test/peers.json, each in exactly the version named there, below a folder:
//   node .ci/install-peers.mjs FOLDER
// A peer that is there in this version stays as it is; one of another version is replaced.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The peers by the names of their programs: where each comes from, and in which version. */
export const peers = JSON.parse(readFileSync(new URL('../test/peers.json', import.meta.url), 'utf8'));

/** Go programs and nats-server 2.9 are in FOLDER/go, the newest Node is in FOLDER/node/node_modules/node/bin. */
export function pathOf(program, folder) {
  const { from } = peers[program];
  return from === 'npm'
    ? join(folder, program, 'node_modules', program, 'bin', program)
    : join(folder, 'go', program);
}

/** The version that a program says it has; undefined where it does not run. */
export function versionOf(path) {
  if (!existsSync(path)) return undefined;
  try {
    const said = execFileSync(path, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return /\d+\.\d+\.\d+\S*/.exec(said)?.[0];
  } catch {
    return undefined;
  }
}

/** Installs a peer in a version, or in the newest for `latest`. */
export function install(program, version, folder) {
  const { from, name } = peers[program];
  say(`installing ${program} ${version}`);
  if (from === 'go') {
    const release = version === 'latest' ? version : `v${version}`;
    run('go', ['install', `${name}@${release}`], { GOBIN: dirname(pathOf(program, folder)) });
  } else if (from === 'npm') {
    const quiet = ['--no-save', '--no-audit', '--no-fund'];
    run('npm', ['install', '--prefix', join(folder, program), ...quiet, `${name}@${version}`]);
  } else {
    installFromDebian(name, pathOf(program, folder));
  }
}

/** Takes the version that Debian's archive has: there is only one. Installs nothing where this is not Debian. */
function installFromDebian(name, path) {
  const scratch = mkdtempSync(join(tmpdir(), 'natspki-peer-'));
  try {
    execFileSync('apt-get', ['download', name], { cwd: scratch, stdio: 'ignore' });
    execFileSync('dpkg-deb', ['--extract', readdirSync(scratch)[0], 'root'], {
      cwd: scratch,
      stdio: 'ignore',
    });
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(join(scratch, 'root/usr/sbin', name), path);
  } catch {
    rmSync(path, { force: true });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Installs every peer that is not there in the version of test/peers.json. */
export function installPeers(folder) {
  for (const [program, { from, version }] of Object.entries(peers)) {
    const path = pathOf(program, folder);
    if (versionOf(path) === version) continue;
    install(program, version, folder);
    const found = versionOf(path);
    if (found === version) continue;
    if (from !== 'debian') throw new Error(`"${path}" has version ${found}, expected ${version}`);
    // Another version must not take its place.
    rmSync(path, { force: true });
    say(
      `${program} ${version} is not in this Debian (found ${found ?? 'none'}): tests that need it are skipped`,
    );
  }
}

function run(command, parameters, environment = {}) {
  execFileSync(command, parameters, { stdio: ['ignore', 2, 2], env: { ...process.env, ...environment } });
}

function say(line) {
  process.stderr.write(`peers: ${line}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('usage: node .ci/install-peers.mjs FOLDER');
  installPeers(resolve(folder));
}
