// Listener: the length of its accept backlog, and its errors for an address that is unavailable.
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { Listener, listenError } from '../../src/net/listener.ts';

it.each([
  ['EADDRINUSE', 'stop the program that listens there, or choose another port with --port'],
  ['EACCES', 'choose a port of 1024 or above with --port, or allow this one in the system'],
  ['EADDRNOTAVAIL', 'choose an address of this machine with --addr'],
])('gives a hint what to do when listening fails with %s', (code, hint) => {
  const error = listenError(
    { host: '127.0.0.1', port: 80 },
    Object.assign(new Error(code), { code }),
    '--port',
  );
  expect(error).toMatchObject({ message: `cannot listen on 127.0.0.1:80: ${code}`, hint });
});

/** Opens `count` connections from a separate thread and counts the established ones in `connected`. */
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

it('queues as many connections in the accept backlog as the system allows', async () => {
  const allowed = Number(readFileSync('/proc/sys/net/core/somaxconn', 'latin1'));
  const count = Math.min(1500, allowed);
  const listener = await Listener.open(
    { host: '127.0.0.1', port: 0 },
    (socket) => socket.destroy(),
    () => {},
  );
  const connected = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(crowd, { eval: true, workerData: { port: listener.port, count, connected } });
  // This loop blocks accepting. A connection that exceeds the backlog retries after a second at the earliest.
  const deadline = performance.now() + 10_000;
  while (connected[0] !== count && performance.now() < deadline) {
    Atomics.wait(connected, 0, connected[0] as number, 100);
  }
  expect(connected[0]).toBe(count);
  await worker.terminate();
  await listener.close();
});
