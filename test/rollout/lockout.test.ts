// Locking keys out through the pins of configurations: which keys are accepted afterwards, and that no other byte changes.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { impossiblePin } from '../../src/rollout/doors.ts';
import { filesInUse, type Lockout, lockOut, planLockout } from '../../src/rollout/lockout.ts';
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
    expect(await lockOut(outOf(open))).toMatchObject([
      { action: 'open', reason: 'it accepts clients without a certificate too' },
    ]);
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

  it('changes each block that the keys get in by', async () => {
    const text = (routes: string) =>
      `tls { verify: true }\ncluster {\n  tls {\n    cert_file: x\n    pinned_certs: [${routes}]\n  }\n}\n`;
    const file = written(text(`"${bob}", "${alice}"`));
    expect(await lockOut(outOf(file))).toMatchObject([
      { block: 'tls', action: 'pin' },
      { block: 'cluster.tls', action: 'remove' },
    ]);
    expect(read(file)).toContain(`# alice\n`);
    expect(read(file)).toContain(`pinned_certs: ["${alice}"]`);
  });

  it.each([
    [
      'tls { cert_file: x }',
      'no tls block in "FILE" requests client certificates of this authority',
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

  it('names a block whose pins come from a source that it cannot edit, and changes the others', async () => {
    process.env.NATSPKI_TEST_PIN = bob;
    try {
      const file = written(
        'tls { verify: true, pinned_certs: [$NATSPKI_TEST_PIN] }\nmqtt { tls { verify: true } }\n',
      );
      const contexts = new Map<TlsContext, typeof others>([['mqtt', others]]);
      expect(await lockOut(outOf(file, { contexts }))).toMatchObject([
        {
          block: 'tls',
          action: 'open',
          reason: 'the pins are not in the file or its includes: remove them by hand',
        },
        { block: 'mqtt.tls', action: 'pin', pins: [alice, carol] },
      ]);
      expect(read(file)).toContain(alice);
    } finally {
      delete process.env.NATSPKI_TEST_PIN;
    }
  });

  it('leaves a block to the responder that it asks, unless the certificate names none or the block only warns', async () => {
    const answers = ['ocsp_peer: true', 'ocsp_peer { verify: true, unknown_is_good: true }'];
    const silent = ['ocsp_peer: false', 'ocsp_peer {}', 'ocsp_peer { verify: true, warn_only: true }'];
    for (const option of [...answers, ...silent]) {
      const file = written(`tls { verify: true, ${option} }`);
      const [named, nameless] = [true, false].map((nameResponder) =>
        planLockout(outOf(file, { nameResponder })),
      );
      expect(named, option).toMatchObject([{ action: answers.includes(option) ? 'ocsp' : 'pin' }]);
      expect(nameless, option).toMatchObject([{ action: 'pin' }]);
    }
  });

  it('does not rely on ocsp_peer where no server asks: in a cluster or a gateway', () => {
    const file = written(
      ['cluster', 'gateway', 'leafnodes']
        .map((name) => `${name} { tls { verify: true, ocsp_peer: true } }\n`)
        .join(''),
    );
    const steps = planLockout(outOf(file, { nameResponder: true }));
    expect(steps.map(({ context, action }) => [context, action])).toEqual([
      ['cluster', 'pin'],
      ['gateway', 'pin'],
      ['leafnodes', 'ocsp'],
    ]);
  });

  it('skips what the keys cannot get in by, with the reason', () => {
    const file = written(
      'tls { verify: true, ca_file: ours }\ncluster { tls { ca_file: theirs } }\nwebsocket { tls {} }\n',
    );
    const isTrusted = (caFile: string | undefined) => caFile === 'ours';
    expect(
      planLockout(outOf(file, { isTrusted })).map(({ block, action, reason }) => [block, action, reason]),
    ).toEqual([
      ['tls', 'pin', undefined],
      ['cluster.tls', 'skip', 'it trusts another authority'],
      ['websocket.tls', 'skip', 'it asks for no certificate'],
    ]);
    expect(planLockout(outOf(file, { isTrusted, canConnect: false }))[0]).toMatchObject({
      action: 'skip',
      reason: 'the certificate is for servers only',
    });
  });

  it('finds the pairs that configurations need in every block, also in those of remotes', () => {
    const pair = (name: string) => `cert_file: ${name}.pem, key_file: ${name}.key`;
    const file = written(
      `tls { certificates: [{ ${pair('a')} }] }\nleafnodes { remotes [ { url: x, tls { ${pair('b')} } } ] }\n` +
        `gateway { gateways [ { name: g, tls { CERT_FILE: c.pem } } ] }\n`,
    );
    const names = ['a.pem', 'a.key', 'b.pem', 'b.key', 'c.pem'].map((name) => resolve(name));
    expect([...filesInUse([file]).keys()]).toEqual(names);
  });
});
