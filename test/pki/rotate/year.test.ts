// A year of rotations in a minute: short-lived certificates are replaced, and so is the authority, under clients that stay
// and clients that come and go with their newest files; on the bundled broker, on nats-server, and on clusters of each.
// A few rotations unless NATSPKI_YEAR=1 asks for the whole year; NATSPKI_YEAR_LIFE is how many seconds a certificate lives in
// it, for a machine that has other things to do.
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
/** Issues certificates of one day with a moment of it left, so that those which are not renewed expire on the way. */
const now = () => new Date(Date.now() - day + scale.lifeMs);

interface Setting {
  readonly program: readonly string[];
  readonly nodes: number;
  /** Told by a signal, or watching its files. */
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

/** Starts the servers of a setting on certificates of their own. */
async function start({ program, nodes }: Setting): Promise<Running> {
  const names = Array.from({ length: scale.clients }, (_, i) => `client-${i}`);
  const ids = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
  const hosts = ['localhost', '127.0.0.1'];
  const directory = await madeDirectory(scratch, {
    ...{ clients: names, days: 1, now, nodes: nodes > 1 ? ids.map((name) => ({ name, hosts })) : [] },
  });
  // Certificates that live on, to see that it is not age that they are refused for.
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
      ...(signalled ? { reload: String(pid) } : {}),
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

/** Rotates as often as the scale says, and looks after each step who was let in and what arrived. */
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
  it(`on ${title} refuses nobody, loses nothing, and forgets the authority that was replaced`, async () => {
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
