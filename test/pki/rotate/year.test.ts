// A simulated year of rotations: short-lived certificates and the authority are replaced while some clients stay connected
// and others reconnect with their newest files; on the bundled broker, on nats-server, and on clusters of each.
// NATSPKI_YEAR=1 runs the whole year instead of a few rotations; NATSPKI_YEAR_LIFE is the lifetime of a certificate in it, in
// seconds, for a busy machine.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { leavesBySerial } from '../../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { Rollout } from '../../../src/rollout/rollout.ts';
import { bin } from '../../harness/process.ts';
import { type ServerProcess, startProcess } from '../../harness/server.ts';
import { testFolder } from '../../support/folder.ts';
import { describePeer } from '../../support/peers.ts';
import { madeDirectory } from '../../support/pki.ts';
import { seeded } from '../../support/seeded.ts';
import { type ClientFiles, connectWith, RotationTraffic, readClientFiles } from './rotation-traffic.ts';

const wholeYear = process.env.NATSPKI_YEAR === '1';
const scale = wholeYear
  ? {
      clients: 50,
      leaves: 12,
      authorities: 2,
      visits: 4,
      awayMs: 1000,
      lifeMs: 1000 * Number(process.env.NATSPKI_YEAR_LIFE ?? 60),
    }
  : { clients: 10, leaves: 2, authorities: 1, visits: 2, awayMs: 40, lifeMs: 120_000 };

const scratch = testFolder('rotation-year');
const day = 86_400_000;
/** Issues one-day certificates that are about to expire, so that those that are not renewed expire during the test. */
const now = () => new Date(Date.now() - day + scale.lifeMs);

interface Setting {
  readonly program: readonly string[];
  readonly nodes: number;
  /** Whether it reloads on a signal, or watches its files. */
  readonly signalled: boolean;
}

interface Running {
  readonly directory: PkiDirectory;
  readonly servers: readonly ServerProcess[];
  readonly names: readonly string[];
}

const running: ServerProcess[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

/** Starts the servers of a setting with their own certificates. */
async function start({ program, nodes }: Setting): Promise<Running> {
  const names = Array.from({ length: scale.clients }, (_, i) => `client-${i}`);
  const ids = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
  const hosts = ['localhost', '127.0.0.1'];
  const directory = await madeDirectory(scratch, {
    ...{ clients: names, days: 1, now, nodes: nodes > 1 ? ids.map((name) => ({ name, hosts })) : [] },
  });
  // Unexpired certificates of the old authority, to show that servers do not reject them for their age.
  await issueCertificates({ directory, profile: 'client', names: ['relic'] });
  const block = (name: string) =>
    `tls { cert_file: "${directory.certificateFile(name)}", key_file: "${directory.keyFile(name)}", ca_file: "${directory.authorityFile}", verify: true, timeout: 20 }`;
  let seed = '';
  for (const id of ids) {
    const folder = mkdtempSync(join(scratch, `${id}-`));
    const routes = seed === '' ? '' : `routes: ["nats-route://127.0.0.1:${seed}"], `;
    const cluster = `cluster { name: year, listen: "127.0.0.1:-1", ${routes}${block(`${id}-route`)} }`;
    const text = [
      `listen: "127.0.0.1:-1"\nserver_name: ${id}`,
      nodes > 1 ? `${block(`${id}-server`)}\n${cluster}` : block('server'),
    ].join('\n');
    writeFileSync(join(folder, 'nats.conf'), text);
    const server = await startProcess([...program, '-c', 'nats.conf'], folder);
    running.push(server);
    if (nodes > 1) {
      const listening = /Listening for route connections on \S*:(\d+)/;
      await server.logged(listening);
      seed ||= listening.exec(server.log())?.[1] ?? '';
    }
  }
  return { directory, servers: [...running], names };
}

/** Rotates as `natspki rotate --reload PID --verify URL` does on each server. */
async function rotate({ directory, servers }: Running, signalled: boolean, work: () => Promise<unknown>) {
  await work();
  for (const { pid, port } of servers) {
    const rollout = await Rollout.prepare({
      ...{ configurations: [], verify: `tls://127.0.0.1:${port}` },
      ...(signalled ? { reload: [String(pid)] } : {}),
    });
    await rollout.reload();
    await rollout.verify(await leavesBySerial(directory));
  }
}

async function isLetIn({ servers }: Running, files: ClientFiles): Promise<boolean[]> {
  return Promise.all(
    servers.map(async ({ port }) => {
      try {
        (await connectWith(port, files)).close();
        return true;
      } catch {
        return false;
      }
    }),
  );
}

/** Rotates as often as the scale says; checks after each step which clients connected and which messages arrived. */
async function rotateThrough(
  system: Running,
  traffic: RotationTraffic,
  { signalled }: Setting,
): Promise<void> {
  const { directory, servers } = system;
  const step = async (work: () => Promise<unknown>) => {
    await rotate(system, signalled, work);
    await traffic.everybodyVisited(scale.visits);
    expect(traffic.problems).toEqual([]);
    const current = await leavesBySerial(directory);
    for (const serial of traffic.shown()) expect(current.get(serial)).toMatch(/server$/);
  };
  const leaves = () => rotateLeaves({ directory, now });
  const each = scale.leaves / (scale.authorities + 1);
  for (let authority = 0; ; authority++) {
    const until = Math.round((authority + 1) * each);
    for (let n = Math.round(authority * each); n < until; n++) await step(leaves);
    if (authority === scale.authorities) return;
    const relic = (await readClientFiles(directory.path, 'relic')).files;
    await step(() => startRollover({ directory, now }));
    await step(leaves);
    expect(await isLetIn(system, relic)).toEqual(servers.map(() => true));
    await step(() => finishRollover({ directory, now }));
    expect(await isLetIn(system, relic)).toEqual(servers.map(() => false));
  }
}

async function throughYear(setting: Setting): Promise<string> {
  const began = performance.now();
  const system = await start(setting);
  const { directory, servers, names } = system;
  const traffic = new RotationTraffic({
    ...{ folder: directory.path, ports: servers.map(({ port }) => port), names },
    ...{ random: seeded(8), awayMs: scale.awayMs },
  });
  try {
    await traffic.start();
    await rotateThrough(system, traffic, setting);
    await traffic.stop();
  } finally {
    await traffic.abort();
  }
  expect(traffic.problems).toEqual([]);
  expect(await verifyDirectory(directory)).toEqual([]);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const { visits, messages, torn } = traffic;
  return `${visits} handshakes, 0 refused; ${messages} messages, 0 lost; ${torn} pairs read twice; ${seconds} s`;
}

function aYear(title: string, setting: Setting): void {
  it(`on ${title} rejects no client, loses no message, and no longer trusts the replaced authority`, async () => {
    const result = await throughYear(setting);
    const { clients, leaves, authorities } = scale;
    process.stdout.write(
      `${title}, ${clients} clients, ${leaves} rotations of leaves, ${authorities} of the authority: ${result}\n`,
    );
  }, 900_000);
}

describe('a year of rotations', () => {
  const program = [process.execPath, bin, 'broker'];
  aYear('the bundled broker', { program, nodes: 1, signalled: false });
  aYear('a cluster of three bundled brokers', { program, nodes: 3, signalled: false });
});

describePeer('nats-server', 'a year of rotations', (nats) => {
  aYear('nats-server', { program: [nats], nodes: 1, signalled: true });
  aYear('a cluster of three nats-servers', { program: [nats], nodes: 3, signalled: true });
});
