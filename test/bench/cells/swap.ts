// The cell on the hot swap: the time from renaming the files until a client sees the new certificate.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { greet, type Target } from '../load/connection.ts';
import { percentile } from '../statistics.ts';
import { now } from '../usage.ts';
import type { Bench, Cell, Measurement } from './cell.ts';

export const swapCells: readonly Cell[] = [
  {
    name: 'swap',
    says: 'from the rename of key and certificate to the end of the first handshake with them, 10 swaps; nats-server receives SIGHUP at once',
    table: {
      title: 'Certificate hot swap',
      quantities: [
        { key: 'p50', title: 'p50 ms' },
        { key: 'slowest', title: 'slowest ms' },
      ],
    },
    transports: ['tls'],
    measure,
  },
];

const swaps = 10;
const patience = 10_000;

async function measure({ server }: Bench): Promise<Measurement> {
  const times: number[] = [];
  for (let swap = 0; swap < swaps; swap++) {
    const expected = new X509Certificate(readFileSync(server.swap().cert)).fingerprint256;
    const from = now();
    while ((await servedFingerprint(server.target)) !== expected) {
      if (now() - from > patience)
        throw new Error(`the old certificate was still served after ${patience} ms`);
    }
    times.push(now() - from);
    // Do not replace a certificate twice within one settling time.
    await setTimeout(200);
  }
  return { p50: percentile(times, 0.5), slowest: Math.max(...times) };
}

async function servedFingerprint(target: Target): Promise<string | undefined> {
  const socket = (await greet(target)) as TLSSocket;
  const served = socket.getPeerX509Certificate()?.fingerprint256;
  socket.on('error', () => undefined).destroy();
  return served;
}
