// Runs every code block of docs/stolen-key.md as a reader would, and compares its table with what `revoke` plans.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import type { LockoutStep } from '../src/rollout/doors.ts';
import { makeAuthority, makeLeaf } from './harness/openssl.ts';
import { natspki } from './harness/process.ts';
import { type BlockResult, documentMs, readBlocks, runBlocks } from './support/document-blocks.ts';
import { testFolder } from './support/folder.ts';
import { describePeer } from './support/peers.ts';
import { leafOf } from './support/pki.ts';

const page = readFileSync(fileURLToPath(new URL('../docs/stolen-key.md', import.meta.url)), 'utf8');
const blocks = readBlocks(page);

describePeer('nats-server', 'docs/stolen-key.md', (natsServer) => {
  describePeer('nats', 'each block', (nats) => {
    let results: BlockResult[];

    beforeAll(() => {
      results = runBlocks(blocks, { path: [dirname(natsServer), dirname(nats)] });
    }, documentMs + 20_000);

    it.each(blocks.map((block, index) => ({ ...block, index })))(
      '$title: block $index works as written',
      ({ index }) => {
        expect(results[index]?.status, results[index]?.output).toBe(0);
      },
    );

    it('ends the section about a server with the open door', () => {
      const index = blocks.findIndex(({ text }) => text.includes('revoke server'));
      expect(results[index]?.output).toContain('clients that ask no responder accept the revoked key');
    });
  });
});

const scratch = testFolder('stolen-key');
const contexts = ['tls', 'websocket', 'mqtt', 'leafnodes', 'cluster', 'gateway'];
/** The names that stand for the rows. */
const revoked: Record<string, readonly string[]> = {
  'a client': ['alice'],
  'a route, a gateway, a leaf node': ['n2', 'gw', 'edge'],
  'an imported certificate with both usages': ['both'],
  'a server': ['server'],
};

describe('the table of docs/stolen-key.md', () => {
  const [, table = ''] = page.split('<!-- test: what revoke does -->\n');
  const rows = (table.split('\n\n')[0] ?? '')
    .split('\n')
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

  beforeAll(async () => {
    const foreign = join(scratch, 'foreign');
    mkdirSync(foreign);
    const authority = makeAuthority(foreign);
    makeLeaf(foreign, 'both', authority);
    makeLeaf(foreign, 'server', authority, { usage: 'serverAuth' });
    expect(await natspki(scratch, ['init', '--import', foreign])).toMatchObject({ code: 0 });
    for (const argv of [
      ['client', 'alice', 'carol'],
      ['route', 'n1', 'n2', '--san', 'dns:n'],
      ['gateway', 'gw', '--san', 'dns:g'],
      ['leafnode', 'edge', '--san', 'dns:e'],
    ]) {
      expect(await natspki(scratch, ['issue', ...argv])).toMatchObject({ code: 0 });
    }
  });

  const pinOf = (name: string) => leafOf(new PkiDirectory(join(scratch, 'certs')), name).pin;

  /** Returns what is planned for each block, in the words of the table. */
  async function planned(name: string, pins: readonly string[]): Promise<Map<string, string>> {
    const list = pins.length === 0 ? '' : `, pinned_certs: [${pins.map((pin) => `"${pin}"`).join(', ')}]`;
    const block = `tls { ca_file: "certs/ca.pem", verify: true${list} }`;
    const text = contexts.map((context) => (context === 'tls' ? block : `${context} { ${block} }`));
    writeFileSync(join(scratch, 'nats.conf'), `${text.join('\n')}\n`);
    const { code, stdout } = await natspki(scratch, ['revoke', name, '--dry-run', '--json']);
    expect(code).toBe(0);
    const { steps } = JSON.parse(stdout) as { steps: LockoutStep[] };
    const words = ({ action, pins: accepted }: LockoutStep) => {
      if (action === 'pin') return accepted.includes(pinOf('carol')) ? 'pins the others' : 'pins the peers';
      const others: Partial<Record<LockoutStep['action'], string>> = {
        remove: 'removes the pin',
        none: 'rejected already',
        skip: 'cannot get in',
      };
      return others[action] ?? action;
    };
    return new Map(steps.map((step) => [step.block.replace('.tls', ''), words(step)]));
  }

  it('has a row for each profile and block', () => {
    const cells = rows.flatMap(([profile = '', names = '']) =>
      names.split(', ').map((name) => `${profile}: ${name.replaceAll('`', '')}`),
    );
    const expected = Object.keys(revoked).flatMap((profile) => contexts.map((name) => `${profile}: ${name}`));
    expect(cells.sort()).toEqual(expected.sort());
  });

  it.each(Object.entries(revoked))(
    'says what revoke plans for %s',
    async (profile, names) => {
      for (const name of names) {
        const [own, other] = [pinOf(name), pinOf('n1')];
        const plans = [
          await planned(name, []),
          await planned(name, [own, other]),
          await planned(name, [other]),
        ];
        for (const [, blocksOf = '', ...cells] of rows.filter(([first]) => first === profile)) {
          for (const context of blocksOf.replaceAll('`', '').split(', ')) {
            expect(
              plans.map((plan) => plan.get(context)),
              `${name}, ${context}`,
            ).toEqual(cells);
          }
        }
      }
    },
    60_000,
  );
});
