// Locking keys out through the pins of configurations: which keys are accepted afterwards, and that no other byte changes.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { impossiblePin, type Lockout, lockOut, planLockout } from '../../src/rollout/lockout.ts';
import type { TlsContext } from '../../src/tls/block.ts';
import type { Pin } from '../../src/x509/pin.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('lockout');
const pin = (digit: string) => digit.repeat(64) as Pin;
const [alice, bob, carol] = [pin('a'), pin('b'), pin('c')];
const others = [
  { name: 'alice', pin: alice },
  { name: 'carol', pin: carol },
];

function written(text: string, name = 'nats.conf', folder = mkdtempSync(join(scratch, 'conf-'))): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const read = (file: string) => readFileSync(file, 'utf8');

/** Locks bob out of the clients' block. */
function outOf(file: string, options: Partial<Lockout> = {}): Lockout {
  const contexts = new Map<TlsContext, typeof others>([['client', others]]);
  return { configurations: [file], contexts, out: new Set([bob]), ...options };
}

describe('locking out', () => {
  it('removes the pins from a list that has them, and keeps every other byte', async () => {
    const file = written(
      `# ours\r\ntls {\r\n  verify: true\r\n  pinned_certs: ["${alice}", "${bob.toUpperCase()}"] # two\r\n}`,
    );
    expect(await lockOut(outOf(file))).toEqual([
      { file, context: 'client', block: 'tls', action: 'remove', pins: [bob] },
    ]);
    expect(read(file)).toBe(`# ours\r\ntls {\r\n  verify: true\r\n  pinned_certs: ["${alice}"] # two\r\n}`);
    expect(await lockOut(outOf(file))).toMatchObject([{ action: 'none', pins: [] }]);
  });

  it('adds a list of all other keys, one per line, to a block without pins', async () => {
    const file = written('tls {\n\tverify: true # yes\n}\n');
    expect(await lockOut(outOf(file))).toMatchObject([{ action: 'pin', pins: [alice, carol] }]);
    expect(read(file)).toBe(
      `tls {\n\tverify: true # yes\n\tpinned_certs: [\n\t  "${alice}" # alice\n\t  "${carol}" # carol\n\t]\n}\n`,
    );
    expect(await lockOut(outOf(file))).toMatchObject([{ action: 'none' }]);
  });

  it('adds the other keys to a block on one line, and to an existing empty list', async () => {
    for (const text of [
      'tls { verify: true }',
      'tls { verify: true, pinned_certs: [] }',
      'tls {\n verify: true\n pinned_certs: [\n ]\n}',
    ]) {
      const file = written(text);
      await lockOut(outOf(file));
      expect(planLockout(outOf(file, { out: new Set([alice, carol]) }))).toMatchObject([
        { action: 'remove', pins: [alice, carol] },
      ]);
    }
  });

  it('removes pins where certificates are optional, and adds none where clients need no certificate', async () => {
    const pinned = written(`tls {\n  verify: optional\n  pinned_certs: ["${alice}", "${bob}"]\n}\n`);
    expect(await lockOut(outOf(pinned))).toMatchObject([{ action: 'remove', pins: [bob] }]);
    const open = written('tls { verify: optional }');
    await expect(lockOut(outOf(open))).rejects.toMatchObject({ code: 'nothing-to-lock' });
    expect(read(open)).toBe('tls { verify: optional }');
  });

  it('pins an impossible key when no other key is left, because an empty list would accept every key', async () => {
    const pinned = written(`tls {\n  verify: true\n  pinned_certs: ["${bob}"]\n}\n`);
    const contexts = new Map<TlsContext, typeof others>([['client', []]]);
    await lockOut(outOf(pinned, { contexts }));
    expect(read(pinned)).toBe(`tls {\n  verify: true\n  pinned_certs: ["${impossiblePin}"]\n}\n`);
    const open = written('tls {\n  verify: true\n}\n');
    expect(await lockOut(outOf(open, { contexts }))).toMatchObject([
      { action: 'pin', pins: [impossiblePin] },
    ]);
    expect(read(open)).toBe(read(pinned));
  });

  it('finds lists in variables and in included files', async () => {
    const folder = mkdtempSync(join(scratch, 'included-'));
    const included = written(`PINS: [\n  ${alice}\n  ${bob}\n]\n`, 'pins.conf', folder);
    const file = written(
      'include pins.conf\ntls { verify: true, pinned_certs: $PINS }\n',
      'nats.conf',
      folder,
    );
    expect(await lockOut(outOf(file))).toMatchObject([{ action: 'remove', pins: [bob] }]);
    expect(read(included)).toBe(`PINS: [\n  ${alice}\n]\n`);
  });

  it('changes each requested block that exists, and no other block', async () => {
    const text = (routes: string) =>
      `tls { verify: true }\ncluster {\n  tls {\n    cert_file: x\n    pinned_certs: [${routes}]\n  }\n}\n`;
    const file = written(text(`"${bob}", "${alice}"`));
    const contexts = new Map<TlsContext, typeof others>([
      ['cluster', others],
      ['gateway', others],
    ]);
    expect(await lockOut(outOf(file, { contexts }))).toMatchObject([
      { block: 'cluster.tls', action: 'remove' },
    ]);
    expect(read(file)).toBe(text(`"${alice}"`));
  });

  it.each([
    [
      'tls { cert_file: x }',
      'the tls block in "FILE" does not request client certificates',
      'natspki tls client --verify --write FILE',
    ],
    [
      'port: 4222',
      'there is no tls block in "FILE" to lock keys out of',
      'pass the configuration of your server with --config FILE',
    ],
  ])('throws when no block requests client certificates: %s', async (text, message, hint) => {
    const file = written(text);
    const named = (line: string) =>
      line.replace('"FILE"', `"${file}"`).replace('--write FILE', `--write ${file}`);
    await expect(lockOut(outOf(file))).rejects.toMatchObject({
      code: 'nothing-to-lock',
      message: named(message),
      hint: named(hint),
    });
    expect(read(file)).toBe(text);
  });

  it('throws when there is no configuration', async () => {
    await expect(lockOut(outOf('', { configurations: [] }))).rejects.toMatchObject({
      code: 'nothing-to-lock',
      message: 'there is no configuration to lock keys out of',
    });
  });

  it('throws when the pins come from a source that it cannot edit', async () => {
    process.env.NATSPKI_TEST_PIN = bob;
    try {
      const file = written('tls { verify: true, pinned_certs: [$NATSPKI_TEST_PIN] }');
      await expect(lockOut(outOf(file))).rejects.toMatchObject({
        code: 'still-let-in',
        message: `cannot remove the pins of tls in "${file}": they are not in the file or its includes`,
        hint: `remove them by hand: ${bob}`,
      });
    } finally {
      delete process.env.NATSPKI_TEST_PIN;
    }
  });
});
