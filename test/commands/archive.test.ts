// `natspki archive`: lists what was replaced, and deletes only what is of no use any more.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { purgeArchive } from '../../src/pki/store/archived.ts';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { natspki } from '../harness/process.ts';
import { freshCopy, testFolder } from '../support/folder.ts';

const scratch = testFolder('archive');
const made = join(scratch, 'made');
const dayMs = 86_400_000;

beforeAll(async () => {
  mkdirSync(made);
  await natspki(made, ['init', '--yes', '--client', 'alice']);
  await natspki(made, ['rotate', '--ca']);
  await natspki(made, ['rotate', 'alice']);
});

const archived = async (folder: string, ...names: string[]) => {
  const { stdout } = await natspki(folder, ['archive', ...names, '--json']);
  return JSON.parse(stdout).pairs.map(({ name }: { name: string }) => name);
};

describe('natspki archive', () => {
  it('lists the replaced pairs, also of some names only', async () => {
    const { stdout } = await natspki(made, ['archive']);
    expect(stdout).toMatch(/^NAME +REPLACED +NOT AFTER +KEY +SERIAL\nalice +\d{4}-.* yes +\w+\nca +\d{4}-/);
    expect(await archived(made, 'alice')).toEqual(['alice']);
    expect(await natspki(made, ['archive', 'bob'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no pair "bob"\nnatspki: hint: natspki archive lists'),
    });
  });

  it('deletes nothing that has not expired, unless it is told to, and never an authority', async () => {
    const folder = freshCopy(made);
    expect((await natspki(folder, ['archive', '--purge'])).stdout).toBe('nothing to delete\n');
    const dry = await natspki(folder, ['archive', '--purge', '--older-than', '0s', '--dry-run']);
    expect(dry.stdout).toMatch(/\nwould delete 1 pair\n$/);
    expect(await archived(folder)).toEqual(['alice', 'ca']);
    const purge = await natspki(folder, ['archive', '--purge', '--older-than', '0s']);
    expect(purge.stdout).toMatch(/\ndeleted 1 pair\n$/);
    expect(await archived(folder)).toEqual(['ca']);
    expect(await natspki(folder, ['rotate', '--ca', '--undo', '--force'])).toMatchObject({ code: 0 });
  });

  it('deletes the pairs that have expired', async () => {
    const folder = freshCopy(made);
    const now = () => new Date(Date.now() + 400 * dayMs);
    const purged = await purgeArchive({ directory: new PkiDirectory(join(folder, 'certs')), now });
    expect(purged.map(({ name }) => name)).toEqual(['alice']);
    expect(await archived(folder)).toEqual(['ca']);
  });
});
