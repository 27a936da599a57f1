import { isIP as nodes } from 'node:net';
import { expect, it } from 'vitest';
import { isIP } from '../src/ip-address.ts';

it.each([
  ...[
    '127.0.0.1',
    '255.255.255.255',
    '256.0.0.1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.4\n',
    '1234',
    '.',
    '',
  ],
  ...[
    '::1',
    '::',
    '2001:db8::8:800:200c:417a',
    '::ffff:1.2.3.4',
    'fe80::1%eth0',
    '1::2::3',
    ':',
    '[::1]',
    'a:1',
  ],
  ...['localhost', 'n1.example.com', '*.example.com', '1.example', 'a@example.com', '１.2.3.4'],
])('tells as node does what %j is', (text) => {
  expect(isIP(text)).toBe(nodes(text));
});
