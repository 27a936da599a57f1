// Commands that are killed at any moment, and several commands at once: nothing is lost and nothing is half written.
import { copyFileSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { listCertificates } from '../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../src/pki/verify/verification.ts';
import { bin, natspki } from '../harness/process.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { type Ending, killedAt } from '../support/killed.ts';
import { tree } from '../support/tree.ts';

const scratch = testFolder('interrupted');
const empty = () => mkdtempSync(join(scratch, 'x-'));
const certificates = (folder: string) => new PkiDirectory(join(folder, 'certs'));

/** Runs `natspki ARGS...` until its n-th change to the file system, and kills it there. */
function killed(folder: string, args: readonly string[], n: number): Promise<Ending> {
  const words = JSON.stringify([process.execPath, bin, ...args]);
  const script = `process.argv = ${words}; await import(${JSON.stringify(pathToFileURL(bin).href)});`;
  return killedAt(n, script, folder);
}

/** Increasingly distant moments; test/pki tries every moment, below the command line. */
function* moments(): Generator<number> {
  for (let n = 1; ; n = Math.ceil(n * 1.4)) yield n;
}

/** Keys are private to the user at any moment, also in temporary files. */
function expectKeysClosed(folder: string): void {
  for (const line of tree(folder)) {
    if (/key|\.natspki\//.test(line)) expect(line).toMatch(/^0[67]00 /);
  }
}

describe('killed at any moment', () => {
  it('init leaves all of its files or none, and the next command completes them', async () => {
    for (const moment of moments()) {
      const folder = empty();
      const ending = await killed(folder, ['init', '--yes'], moment);
      expectKeysClosed(folder);
      const next = await natspki(folder, ['init', '--yes']);
      if (next.code === 1) expect(next.stderr).toContain('already exists');
      else expect(next).toMatchObject({ code: 0, stderr: '' });
      expect((await listCertificates(certificates(folder))).certificates).toHaveLength(4);
      expect(existsSync(join(folder, 'nats.conf'))).toBe(true);
      expect(await verifyDirectory(certificates(folder))).toEqual([]);
      if (ending === 'done') return;
    }
  }, 60_000);

  it('issue leaves all of its certificates or none, and loses no key', async () => {
    const names = ['a', 'b', 'c'];
    const folder = empty();
    await natspki(folder, ['init', '--yes']);
    await natspki(folder, ['issue', 'client', ...names]);
    const serials = async () => {
      const { certificates: listed } = await listCertificates(certificates(folder));
      return new Map(listed.map(({ name, serial }) => [name, serial]));
    };
    let before = await serials();
    for (const moment of moments()) {
      const ending = await killed(folder, ['issue', 'client', ...names, '--force'], moment);
      expectKeysClosed(folder);
      const after = await serials();
      expect(new Set(names.map((name) => before.get(name) === after.get(name))).size).toBe(1);
      expect(await verifyDirectory(certificates(folder))).toEqual([]);
      if (ending === 'done') return;
      before = after;
    }
  }, 60_000);
});

describe('after a command that was killed', () => {
  // As transaction.ts leaves them: a temporary file beside its target, and the list of such files.
  const temporary = '.server-cert.pem.0123456789ab.tmp';
  const plan = JSON.stringify({ renames: [{ from: temporary, to: 'server-cert.pem' }], removals: [] });
  const made = empty();
  beforeAll(() => natspki(made, ['init', '--yes', '--client', 'a']));

  it.each([
    ['list', 'staged.json'],
    ['verify', 'journal.json'],
    ['rotate', 'staged.json'],
    ['rotate', 'journal.json'],
    ['issue', 'journal.json'],
    ['watch', 'staged.json'],
  ])('%s reports once what it did about a left-over %s', async (command, journal) => {
    const folder = freshCopy(made);
    const at = (name: string) => join(folder, 'certs', name);
    copyFileSync(at('server-cert.pem'), at(temporary));
    writeFileSync(at(`.natspki/${journal}`), plan);
    const more = { issue: ['client', 'b'], watch: ['--once'] }[command] ?? [];
    const said = async () => {
      const { code, stdout, stderr } = await natspki(folder, [command, ...more]);
      return { code, line: /[^\]\n]*a killed command.*/.exec(stdout + stderr)?.[0].trim() };
    };
    const line =
      journal === 'staged.json'
        ? 'discarded the temporary files of a killed command, which changed nothing'
        : 'completed the write of a killed command: 1 file';
    expect(await said()).toEqual({ code: 0, line });
    expect((await said()).line).toBeUndefined();
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });
});

describe('at once', () => {
  it('one of several inits succeeds, and the others report the existing authority', async () => {
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
    expect((await listCertificates(certificates(folder))).certificates).toHaveLength(12);
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });

  it('one of two issues of the same name succeeds', async () => {
    const folder = empty();
    await natspki(folder, ['init', '--yes']);
    const results = await Promise.all([1, 2].map(() => natspki(folder, ['issue', 'client', 'bob'])));
    expect(results.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(results.find(({ code }) => code === 1)?.stderr).toMatch(/certificate "bob" already exists/);
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });
});
