// Which names a request over the loopback interface may be for.
import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { foreignHost } from '../../../src/broker/monitoring/monitor-host.ts';

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
  // Without a Host it is no browser.
  ['127.0.0.1', undefined],
  ['127.0.0.1', ''],
  // What reaches another interface may be called anything.
  ['10.1.2.3', 'evil.example:8222'],
  [undefined, 'evil.example:8222'],
])('over %s lets %s in', (address, header) => {
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
])('over %s keeps %s out', (address, header) => {
  expect(foreignHost(address, header, named)).toBe(header);
});
