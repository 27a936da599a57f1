// What is said where a port cannot be listened on.
import { expect, it } from 'vitest';
import { listenError } from '../../../src/broker/transport/listener.ts';

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
