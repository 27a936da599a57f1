// Runs every code block of the README, and of the pages that continue it, as a reader would: top to bottom, in one folder,
// in its own network namespace.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describePeer } from './support/peers.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

interface Block {
  title: string;
  language: string;
  text: string;
  /** For a block that stays in the foreground: the line it prints when the reader may continue. */
  readyLine: string | undefined;
}

/** The block that a reader runs in the checkout instead. */
const installation = 'npm install --global .\n';

function readBlocks(markdown: string): Block[] {
  const fence = /(?:<!-- test: background until "(.+)" -->\n)?```(\w*)\n([\s\S]*?)```/g;
  return [...markdown.matchAll(fence)].map((match) => ({
    title: markdown.slice(0, match.index).split('\n## ').at(-1)?.split('\n')[0] ?? '',
    readyLine: match[1],
    language: match[2] ?? '',
    text: match[3] ?? '',
  }));
}

/** The README, and pages that were a part of it. */
const pages = ['README.md', 'docs/offline-root.md'];
const everyBlock = pages.flatMap((page) => readBlocks(readFileSync(join(root, page), 'utf8')));
const blocks = everyBlock.filter(({ text }) => text !== installation);

function asShell({ language, text, readyLine }: Block, index: number): string {
  if (language === 'js') return `node block-${index}.mjs`;
  if (readyLine === undefined) return text;
  // Background processes end with the script, which is the first process of its PID namespace.
  return `{ ${text.trim()}; } > background-${index}.log 2>&1 &
timeout 20 sh -c 'tail -n +1 -F background-${index}.log 2>/dev/null | grep -q -m 1 "${readyLine}"'`;
}

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
    let folder: string;
    let results: { status: number; output: string }[];

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'natspki-readme-'));
      mkdirSync(join(folder, 'node_modules'));
      symlinkSync(root, join(folder, 'node_modules/natspki'));
      symlinkSync(join(root, 'node_modules/@nats-io'), join(folder, 'node_modules/@nats-io'));
      const launcher = join(folder, 'natspki');
      writeFileSync(launcher, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'bin/run.js')}" "$@"\n`);
      chmodSync(launcher, 0o755);
      blocks.forEach((block, index) => {
        if (block.language === 'js') writeFileSync(join(folder, `block-${index}.mjs`), block.text);
      });
      const script = blocks.map(
        (block, index) =>
          `(set -e\n${asShell(block, index)}\n) > output-${index}.log 2>&1\necho $? > status-${index}`,
      );
      writeFileSync(join(folder, 'script.sh'), `ip link set lo up\n${script.join('\n')}\n`);
      const path = [folder, dirname(natsServer), dirname(nats), process.env.PATH].join(delimiter);
      const { stderr } = spawnSync(
        'unshare',
        ['-rn', '--fork', '--pid', '--mount-proc', '--kill-child', 'bash', 'script.sh'],
        {
          cwd: folder,
          env: { ...process.env, PATH: path, HOME: folder },
          encoding: 'utf8',
          timeout: 100_000,
        },
      );
      results = blocks.map((_, index) => {
        const read = (name: string): string => {
          try {
            return readFileSync(join(folder, `${name}-${index}${name === 'status' ? '' : '.log'}`), 'utf8');
          } catch {
            return '';
          }
        };
        const status = read('status');
        return {
          status: status === '' ? Number.NaN : Number(status),
          output: read('output') + read('background') + stderr,
        };
      });
    }, 120_000);

    afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
