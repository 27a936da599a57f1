// Whatever the layout of a configuration with variables: nats-server still accepts it after its tls block was replaced.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isKnownOption } from '../../src/broker/options/known-option.ts';
import { writeTlsBlock } from '../../src/rollout/configuration-file.ts';
import type { TlsContext } from '../../src/tls/block.ts';
import { makeAuthority, makeLeaf } from '../harness/openssl.ts';
import { run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { below, seeded } from '../support/seeded.ts';

const folder = testFolder('unused');
const ca = makeAuthority(folder);
const [old, fresh] = [makeLeaf(folder, 'old', ca), makeLeaf(folder, 'fresh', ca)];
const block = `tls {\n  cert_file: "${fresh.cert}"\n  key_file: "${fresh.key}"\n  ca_file: "${ca.cert}"\n}\n`;

/** Returns a configuration whose tls block uses two variables, and its context; nats-server does not accept all of them. */
function layOut(random: () => number): { text: string; context: TlsContext } {
  const pick = <T>(choices: readonly T[]): T => choices[below(random, choices.length)] as T;
  const newline = pick(['\n', '\n', '\r\n']);
  const definitions = Object.entries({ CERT: old.cert, KEY: old.key }).map(([name, value]) =>
    pick([`${name}: "${value}"`, `${name} = "${value}"`, `  ${name} "${value}"`, `"${name}": '${value}'`]),
  );
  const tls = pick([
    'tls { cert_file: $CERT, key_file: $KEY }',
    `tls {${newline} cert_file $CERT${newline}\tkey_file $KEY${newline}}`,
    'tls: {cert_file: $CERT; key_file: $KEY}',
  ]);
  const others = ['port: 4222', 'debug: true', `server_tags: [a,${newline} b]`, 'accounts { A {} }'];
  const context = pick(['client', 'client', 'cluster', 'leafnodes'] as const);
  if (context !== 'client') {
    const inner = [...definitions, 'port: 6222', tls].join(pick([', ', newline, '; ', ` # x${newline}`]));
    return { text: `${pick(others)}${newline}${context} { ${inner}${newline}}`, context };
  }
  const members = [...definitions, pick(others), pick(others)].sort(() => random() - 0.5);
  const separate = () =>
    pick([newline, newline, ', ', '; ', `;${newline}`, ` # c${newline}`, `// c${newline}`]);
  const text = [...members, tls].map((member) => member + separate()).join('');
  return { text: pick([text, text, `{${newline}${text}${newline}}${newline}`]), context };
}

describePeer('nats-server', 'replacing a tls block', (bin) => {
  it('produces a file that nats-server accepts, with the unused definitions commented out', async () => {
    const random = seeded(20261125);
    const file = join(folder, 'nats.conf');
    const isAccepted = async () => (await run([bin, '-t', '-c', file])).code === 0;
    let replaced = 0;
    while (replaced < 100) {
      const { text, context } = layOut(random);
      writeFileSync(file, text);
      if (!(await isAccepted())) continue;
      const commentedOut = await writeTlsBlock(file, { context, block, isOption: isKnownOption });
      expect([text, commentedOut.toSorted(), await isAccepted()]).toEqual([text, ['CERT', 'KEY'], true]);
      replaced++;
    }
  });
});
