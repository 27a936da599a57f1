// Runs the code blocks of a document as a reader would: top to bottom, in one folder, in a network namespace of its own.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { bin } from '../harness/process.ts';

export interface Block {
  /** The heading above it. */
  readonly title: string;
  readonly language: string;
  readonly text: string;
  /** For a block that stays in the foreground: the line it prints when the reader may continue. */
  readonly readyLine: string | undefined;
}

export interface BlockResult {
  /** The exit code; NaN when the block did not end. */
  readonly status: number;
  readonly output: string;
}

export interface RunOptions {
  /** Folders with the programs that the blocks use besides natspki. */
  readonly path: readonly string[];
  /** Adds to the folder in which the blocks run. */
  readonly prepare?: (folder: string) => void;
}

/** How long all blocks of a document may take, in milliseconds. */
export const documentMs = 100_000;

/** Reads the blocks of a document in Markdown. */
export function readBlocks(markdown: string): Block[] {
  const fence = /(?:<!-- test: background until "(.+)" -->\n)?```(\w*)\n([\s\S]*?)```/g;
  return [...markdown.matchAll(fence)].map((match) => ({
    title: markdown.slice(0, match.index).split('\n## ').at(-1)?.split('\n')[0] ?? '',
    readyLine: match[1],
    language: match[2] ?? '',
    text: match[3] ?? '',
  }));
}

/** Runs blocks of shell and JavaScript; returns the result of each. Programs that they start end with them. */
export function runBlocks(
  blocks: readonly Block[],
  { path, prepare = () => undefined }: RunOptions,
): BlockResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'natspki-document-'));
  try {
    prepare(folder);
    const launcher = join(folder, 'natspki');
    writeFileSync(launcher, `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`);
    chmodSync(launcher, 0o755);
    blocks.forEach((block, index) => {
      if (block.language === 'js') writeFileSync(join(folder, `block-${index}.mjs`), block.text);
    });
    const script = blocks.map(
      (block, index) =>
        `(set -e\n${asShell(block, index)}\n) > output-${index}.log 2>&1\necho $? > status-${index}`,
    );
    writeFileSync(join(folder, 'script.sh'), `ip link set lo up\n${script.join('\n')}\n`);
    const { stderr } = spawnSync(
      'unshare',
      ['-rn', '--fork', '--pid', '--mount-proc', '--kill-child', 'bash', 'script.sh'],
      {
        cwd: folder,
        env: { ...process.env, PATH: [folder, ...path, process.env.PATH].join(delimiter), HOME: folder },
        encoding: 'utf8',
        timeout: documentMs,
      },
    );
    return blocks.map((_, index) => resultOf(folder, index, stderr));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function asShell({ language, text, readyLine }: Block, index: number): string {
  if (language === 'js') return `node block-${index}.mjs`;
  if (readyLine === undefined) return text;
  // Background processes end with the script, which is the first process of its PID namespace.
  return `{ ${text.trim()}; } > background-${index}.log 2>&1 &
timeout 20 sh -c 'tail -n +1 -F background-${index}.log 2>/dev/null | grep -q -m 1 "${readyLine}"'`;
}

function resultOf(folder: string, index: number, stderr: string): BlockResult {
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
}
