// Commands that are killed at any moment, and several at once: nothing is lost and nothing is left half.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PkiDirectory } from '../../src/pki/directory.ts';
import { listCertificates } from '../../src/pki/listing.ts';
import { verifyDirectory } from '../../src/pki/verification.ts';
import { bin, natspki } from '../support/cli.ts';
import { testFolder } from '../support/folder.ts';
import { tree } from '../support/tree.ts';

const scratch = testFolder('interrupted');
const empty = () => mkdtempSync(join(scratch, 'x-'));
const certificates = (folder: string) => new PkiDirectory(join(folder, 'certs'));

/** Kills `natspki ARGS...` after so many milliseconds, unless it ended before. */
async function killed(folder: string, args: readonly string[], milliseconds: number): Promise<void> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
  await once(child, 'exit');
  clearTimeout(timer);
}

/** Measures an undisturbed run, to spread the kills over it. */
async function duration(folder: string, args: readonly string[]): Promise<number> {
  const started = performance.now();
  expect(await natspki(folder, args)).toMatchObject({ code: 0 });
  return performance.now() - started;
}

/** Keys are for nobody else at any moment, in temporary files too. */
function expectKeysClosed(folder: string): void {
  for (const line of tree(folder))
    if (/key|\.natspki\/.*(tmp|stag)/.test(line)) expect(line).toMatch(/^0[67]00 /);
}

const runs = 8;

describe('killed at any moment', () => {
  it('init leaves all or nothing, and the next command makes it whole', async () => {
    const whole = await duration(empty(), ['init', '--yes']);
    for (let run = 1; run <= runs; run++) {
      const folder = empty();
      await killed(folder, ['init', '--yes'], whole * (0.4 + (0.6 * run) / runs));
      expectKeysClosed(folder);
      if (
        !(await certificates(folder)
          .hasAuthority()
          .catch(() => false))
      ) {
        expect(await natspki(folder, ['init', '--yes'])).toMatchObject({ code: 0, stderr: '' });
      }
      expect(await listCertificates(certificates(folder))).toHaveLength(4);
      expect(existsSync(join(folder, 'nats.conf'))).toBe(true);
      expect(await verifyDirectory(certificates(folder))).toEqual([]);
    }
  });

  it('issue leaves all of its certificates or none, and never a lost key', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `client-${index}`);
    const folder = empty();
    await duration(folder, ['init', '--yes']);
    const issue = ['issue', 'client', ...names, '--force'];
    const whole = await duration(folder, issue);
    let before = new Map(
      (await listCertificates(certificates(folder))).map(({ name, serial }) => [name, serial]),
    );
    for (let run = 1; run <= runs; run++) {
      await killed(folder, issue, whole * (0.4 + (0.6 * run) / runs));
      expectKeysClosed(folder);
      const after = new Map(
        (await listCertificates(certificates(folder))).map(({ name, serial }) => [name, serial]),
      );
      expect(new Set(names.map((name) => before.get(name) === after.get(name))).size).toBe(1);
      expect(await verifyDirectory(certificates(folder))).toEqual([]);
      before = after;
    }
  });
});

describe('at once', () => {
  it('one of several inits wins, and the others say what is there', async () => {
    const folder = empty();
    const results = await Promise.all([1, 2, 3].map(() => natspki(folder, ['init', '--yes'])));
    expect(results.map(({ code }) => code).sort()).toEqual([0, 1, 1]);
    for (const { code, stderr } of results) {
      if (code === 1) expect(stderr).toMatch(/^natspki: error: .* already exists/);
    }
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });

  it('several issues take turns', async () => {
    const folder = empty();
    await natspki(folder, ['init', '--yes']);
    const results = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => natspki(folder, ['issue', 'client', `${name}1`, `${name}2`])),
    );
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(await listCertificates(certificates(folder))).toHaveLength(12);
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });

  it('one of two issues of the same name wins', async () => {
    const folder = empty();
    await natspki(folder, ['init', '--yes']);
    const results = await Promise.all([1, 2].map(() => natspki(folder, ['issue', 'client', 'bob'])));
    expect(results.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(results.find(({ code }) => code === 1)?.stderr).toMatch(/certificate "bob" already exists/);
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });
});
