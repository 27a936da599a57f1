// Runs every code block of the README, and of the pages that continue it, as a reader would.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BlockResult, documentMs, readBlocks, runBlocks } from './support/document-blocks.ts';
import { describePeer } from './support/peers.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The block that a reader runs in the checkout instead. */
const installation = 'npm install --global .\n';

/** The README, and pages that were a part of it. */
const pages = ['README.md', 'docs/offline-root.md'];
const everyBlock = pages.flatMap((page) => readBlocks(readFileSync(join(root, page), 'utf8')));
const blocks = everyBlock.filter(({ text }) => text !== installation);

describe('README, installation', () => {
  it('installs the command from a checkout', () => {
    expect(everyBlock.map(({ text }) => text)).toContain(installation);
    const prefix = mkdtempSync(join(tmpdir(), 'natspki-prefix-'));
    try {
      execFileSync('sh', ['-c', installation], {
        cwd: root,
        env: { ...process.env, npm_config_prefix: prefix },
        stdio: 'pipe',
      });
      const natspki = join(prefix, 'bin/natspki');
      expect(execFileSync(natspki, ['--version'], { encoding: 'utf8' })).toMatch(/^natspki \d/);
    } finally {
      rmSync(prefix, { recursive: true, force: true });
    }
  });
});

describePeer('nats-server', 'README', (natsServer) => {
  describePeer('nats', 'each block', (nats) => {
    let results: BlockResult[];

    beforeAll(() => {
      const prepare = (folder: string) => {
        mkdirSync(join(folder, 'node_modules'));
        symlinkSync(root, join(folder, 'node_modules/natspki'));
        symlinkSync(join(root, 'node_modules/@nats-io'), join(folder, 'node_modules/@nats-io'));
      };
      results = runBlocks(blocks, { path: [dirname(natsServer), dirname(nats)], prepare });
    }, documentMs + 20_000);

    it('has only blocks that this test knows how to run', () => {
      expect(blocks.filter(({ language }) => language !== 'sh' && language !== 'js')).toEqual([]);
      expect(blocks.length).toBeGreaterThan(8);
    });

    it.each(blocks.map((block, index) => ({ ...block, index })))(
      '$title: block $index works as written',
      ({ index }) => {
        expect(results[index]?.status, results[index]?.output).toBe(0);
      },
    );
  });
});
