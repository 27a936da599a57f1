// foreignHost: which Host headers a request over the loopback interface may have.
import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { foreignHost } from '../../src/net/host-header.ts';

const named = ['broker.example', ''];

it.each([
  ['127.0.0.1', 'localhost:8222'],
  ['127.0.0.1', 'LOCALHOST'],
  ['127.0.0.1', 'a.localhost:1'],
  ['127.0.0.1', 'localhost.:8222'],
  ['127.0.0.1', '127.0.0.1:8222'],
  ['127.0.0.1', '10.1.2.3'],
  ['::1', '[::1]:8222'],
  ['::ffff:127.0.0.1', '[::ffff:127.0.0.1]:8222'],
  ['127.0.0.1', hostname()],
  ['127.0.0.1', 'broker.example:8222'],
  // A browser always sends Host.
  ['127.0.0.1', undefined],
  ['127.0.0.1', ''],
  // A request over another interface may have any name.
  ['10.1.2.3', 'evil.example:8222'],
  [undefined, 'evil.example:8222'],
])('accepts a request to %s with Host %s', (address, header) => {
  expect(foreignHost(address, header, named)).toBeUndefined();
});

it.each([
  ['127.0.0.1', 'evil.example:8222'],
  ['127.0.0.2', 'evil.example'],
  ['::1', 'evil.example:8222'],
  ['::ffff:127.0.0.1', 'evil.example:8222'],
  ['127.0.0.1', 'localhost.evil.example'],
  ['127.0.0.1', 'notlocalhost'],
  ['127.0.0.1', '127.0.0.1.evil.example'],
  ['127.0.0.1', 'evil.example:8222:'],
  ['127.0.0.1', '[evil.example]:1'],
])('rejects a request to %s with Host %s', (address, header) => {
  expect(foreignHost(address, header, named)).toBe(header);
});
