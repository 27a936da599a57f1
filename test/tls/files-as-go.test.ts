// Compares `natspki check` with `nats-server -t` over files that openssl and other tools produce: check reports an error
// exactly for the files that nats-server rejects, and names what is unusual about the others. What check does not complain
// of works in Go, Node and Python, with a client that trusts the bundle.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { checkConfiguration } from '../../src/broker/options/check.ts';
import { run } from '../harness/process.ts';
import { describePeer } from '../support/peers.ts';
import { goVerdicts, nodeVerdict, pythonVerdicts } from '../support/tls-verdicts.ts';
import {
  type Block,
  type Case,
  certificates,
  encodings,
  keys,
  root,
  stricter,
  writeCase,
} from './file-corpus.ts';

/** Files that Go and the broker read, and programs with OpenSSL do not: neither Node nor Python. */
const onlyGo: ReadonlySet<string> = new Set([
  'empty lines in the base64',
  'a header in the certificate',
  'a header in the key',
  'a SEC 1 key labeled PRIVATE KEY',
  'a PKCS#8 key labeled RSA PRIVATE KEY',
  'a PKCS#8 key labeled ANY PRIVATE KEY',
]);

const corpus = [...encodings, ...keys, ...certificates, ...stricter];

describePeer('nats-server', 'natspki check, compared with nats-server -t over files,', (bin) => {
  const blocks = new Map<Case, Block>(corpus.map((one) => [one, writeCase(one)]));
  let byClients: Record<'go' | 'python', ReadonlyMap<string, boolean> | undefined>;
  beforeAll(async () => {
    const all = [...blocks.values()];
    byClients = { go: await goVerdicts(all), python: await pythonVerdicts(all) };
  }, 120_000);

  async function judge(one: Case) {
    const block = blocks.get(one) as Block;
    const { folder } = block;
    const conf = join(folder, 'nats.conf');
    writeFileSync(
      conf,
      `port: 4222\ntls { cert_file: "${block.cert}", key_file: "${block.key}", ca_file: "${block.ca}", verify: true }\n`,
    );
    const { code, stderr } = await run([bin, '-t', '-c', conf]);
    const found = await checkConfiguration(conf);
    const lines = found.map(({ severity, message }) => `${severity} ${message.replaceAll(`${folder}/`, '')}`);
    return {
      clients: {
        go: byClients.go?.get(folder) ?? true,
        // Asked only where it is compared: Node 26 ends the process over some keys of which check complains.
        node: lines.length > 0 || (await nodeVerdict(block)),
        python: byClients.python?.get(folder) ?? true,
      },
      isAccepted: code === 0,
      errors: lines.filter((line) => line.startsWith('error')),
      lines,
      stderr,
    };
  }
  /** Whether clients that trust the bundle could accept the certificate: the bundle has its issuer, which has signed it. */
  const isVerifiable = (one: Case) =>
    one.name !== 'a subject in Latin-1' &&
    readFileSync((blocks.get(one) as Block).ca, 'latin1').includes(root());
  // Made so shortly before that the rule for due certificates does not apply.
  const saysAbout = (lines: readonly string[], says: RegExp | undefined) =>
    says === undefined ? expect(lines).toEqual([]) : expect(lines.join('\n')).toMatch(says);

  it.each([...encodings, ...keys, ...certificates])('judges $name as nats-server does', async (one) => {
    const { isAccepted, errors, lines, stderr, clients } = await judge(one);
    expect(errors, stderr).toHaveLength(isAccepted ? 0 : 1);
    saysAbout(lines, one.says);
    if (!isVerifiable(one)) return;
    const { go, ...openssl } = clients;
    if (lines.length === 0) expect(go).toBe(true);
    if (lines.length === 0 && !onlyGo.has(one.name)) expect(openssl).toEqual({ node: true, python: true });
  });

  it.each(stricter)('rejects $name, which nats-server accepts', async (one) => {
    const { isAccepted, errors, lines } = await judge(one);
    expect({ isAccepted, errors: errors.length }).toEqual({ isAccepted: true, errors: 1 });
    saysAbout(lines, one.says);
  });

  it('covers at least 150 files', () => {
    expect(corpus.length).toBeGreaterThanOrEqual(150);
  });
});
