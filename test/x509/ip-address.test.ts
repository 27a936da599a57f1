import { isIP as nodes } from 'node:net';
import { expect, it } from 'vitest';
import { isIP } from '../../src/x509/name.ts';
import { below, seeded } from '../support/seeded.ts';

it.each([
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
  '::1',
  '::',
  '2001:db8::8:800:200c:417a',
  '::ffff:1.2.3.4',
  'fe80::1%eth0',
  '1::2::3',
  ':',
  '[::1]',
  'a:1',
  '1:2:3:4:5:6:7::',
  '1:2:3:4:5:6:7:8:',
  '::00001',
  '::01.2.3.4',
  'a%b',
  '1.2.3.4%1',
  'localhost',
  'n1.example.com',
  '*.example.com',
  '1.example',
  'a@example.com',
  '１.2.3.4',
])('classifies %j as Node does', (text) => {
  expect(isIP(text)).toBe(nodes(text));
});

it('classifies thousands of almost valid addresses as Node does', () => {
  const random = seeded(1);
  const pick = (choices: readonly string[]) => choices[below(random, choices.length)] as string;
  for (let i = 0; i < 20_000; i++) {
    const parts = Array.from({ length: 1 + below(random, 9) }, () =>
      pick(['0', '1', 'ff', 'ABCD', '12345', '', '1.2.3.4', '1.2.3', 'g']),
    );
    const text = parts.join(pick([':', ':', ':', '::', '.']));
    expect(isIP(text), text).toBe(nodes(text));
  }
});
