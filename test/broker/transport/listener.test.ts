// How many may wait to be accepted, and what is said where a port cannot be listened on.
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { Listener, listenError } from '../../../src/broker/transport/listener.ts';

it.each([
  ['EADDRINUSE', 'stop what listens there already, or take another port with --port'],
  ['EACCES', 'take a port from 1024 on with --port, or have the system allow this one'],
  ['EADDRNOTAVAIL', 'name an address of this machine with --addr'],
])('says what to do about %s', (code, hint) => {
  const error = listenError(
    { host: '127.0.0.1', port: 80 },
    Object.assign(new Error(code), { code }),
    '--port',
  );
  expect(error).toMatchObject({ message: `cannot listen on 127.0.0.1:80: ${code}`, hint });
});

/** Connects this often from a thread of its own, and counts in `connected` who is. */
const crowd = `
  const { workerData: { port, count, connected } } = require('node:worker_threads');
  const { connect } = require('node:net');
  for (let index = 0; index < count; index++) {
    connect(port, '127.0.0.1', () => {
      Atomics.add(connected, 0, 1);
      Atomics.notify(connected, 0);
    }).on('error', () => {});
  }
`;

it('has as many connections wait to be accepted as the system allows', async () => {
  const allowed = Number(readFileSync('/proc/sys/net/core/somaxconn', 'latin1'));
  const count = Math.min(1500, allowed);
  const listener = await Listener.open(
    { host: '127.0.0.1', port: 0 },
    (socket) => socket.destroy(),
    () => {},
  );
  const connected = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(crowd, { eval: true, workerData: { port: listener.port, count, connected } });
  // Accepts nobody meanwhile. Who finds no place is heard of a second later at the earliest.
  const deadline = performance.now() + 10_000;
  while (connected[0] !== count && performance.now() < deadline) {
    Atomics.wait(connected, 0, connected[0] as number, 100);
  }
  expect(connected[0]).toBe(count);
  await worker.terminate();
  await listener.close();
});
