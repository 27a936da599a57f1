// Finds the programs that some tests need besides natspki (nats-server, the `nats` CLI, a browser) and the ones
// that the benchmark compares with. It skips tests whose program is missing; it starts none.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, it } from 'vitest';

export type PeerName = 'nats-server' | 'nats-server-2.9' | 'nats' | 'openssl' | 'mkcert' | 'chromium';

const variables: Record<PeerName, string> = {
  'nats-server': 'NATS_SERVER_BIN',
  'nats-server-2.9': 'NATS_SERVER_2_9_BIN',
  nats: 'NATS_CLI_BIN',
  openssl: 'OPENSSL_BIN',
  mkcert: 'MKCERT_BIN',
  chromium: 'CHROMIUM_BIN',
};
const found = new Map<PeerName, string | undefined>();
const versions = new Map<PeerName, string | undefined>();

/** The versions that .ci/run installs, by peer; peers that come with the system are missing. */
export const expectedVersions: ReadonlyMap<string, string> = readExpectedVersions();

/** Returns the path of the real nats-server, or undefined where there is none. */
export function findNatsServer(): string | undefined {
  return findPeer('nats-server');
}

/** Returns the path of the `nats` command line client, or undefined where there is none. */
export function findNatsCli(): string | undefined {
  return findPeer('nats');
}

/**
 * Opens a describe block for tests that need a real peer and passes its path to `body`. Where the peer is missing
 * the tests are skipped; with REQUIRE_PEERS=1 the block fails instead. `body` must only declare tests: it also
 * runs, with an empty path, when they are skipped.
 */
export function describePeer(peer: PeerName, title: string, body: (bin: string) => void): void {
  const bin = findPeer(peer);
  if (bin !== undefined) {
    describe(title, () => body(bin));
  } else if (process.env.REQUIRE_PEERS === '1') {
    describe(title, () => {
      it(`finds ${peer}`, () => {
        throw new Error(missing(peer));
      });
    });
  } else {
    // announcePeers says on stderr which peer is missing.
    describe.skip(title, () => body(''));
  }
}

/**
 * Reports on stderr, once per run, which peers are missing, so that their tests are skipped, and which have another
 * version than test/peers.json names (vitest's globalSetup).
 */
export default function announcePeers(): void {
  if (process.env.REQUIRE_PEERS === '1') return;
  for (const peer of ['nats-server', 'nats', 'chromium'] as const) {
    if (findPeer(peer) === undefined) {
      process.stderr.write(`tests skipped: ${missing(peer)}\n`);
    } else if (expectedVersions.has(peer) && versionOf(peer) !== expectedVersions.get(peer)) {
      const expected = `test/peers.json: ${expectedVersions.get(peer)}`;
      process.stderr.write(`tests run beside ${peer} ${versionOf(peer)} (${expected})\n`);
    }
  }
}

/** Describes where a missing peer was looked for. */
export function missing(peer: PeerName): string {
  return `${peer} is not in ${variables[peer]}, on PATH or in $(go env GOPATH)/bin`;
}

/** Returns the path of a peer, or undefined where there is none. */
export function findPeer(peer: PeerName): string | undefined {
  if (!found.has(peer)) found.set(peer, lookUp(peer));
  return found.get(peer);
}

/** Returns the version that a peer reports, such as 2.15.3; undefined where there is no such peer. */
export function versionOf(peer: PeerName): string | undefined {
  const bin = findPeer(peer);
  if (!versions.has(peer) && bin !== undefined) {
    const said = execFileSync(bin, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    versions.set(peer, /\d+\.\d+\.\d+\S*/.exec(said)?.[0]);
  }
  return versions.get(peer);
}

function readExpectedVersions(): Map<string, string> {
  const peers: Record<string, { version: string }> = JSON.parse(
    readFileSync(new URL('../peers.json', import.meta.url), 'utf8'),
  );
  return new Map(Object.entries(peers).map(([peer, { version }]) => [peer, version]));
}

function lookUp(peer: PeerName): string | undefined {
  const named = process.env[variables[peer]];
  // A wrong variable must not silently fall back to another version of the peer.
  if (named) return isProgram(named) ? named : undefined;
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return candidates(onPath, peer) ?? candidates([join(goPath(), 'bin')], peer);
}

function candidates(folders: string[], peer: PeerName): string | undefined {
  return folders.map((folder) => join(folder, peer)).find(isProgram);
}

function goPath(): string {
  try {
    return execFileSync('go', ['env', 'GOPATH'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return join(homedir(), 'go');
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
