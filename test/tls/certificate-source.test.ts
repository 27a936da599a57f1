// Changes of the files of a source: when they replace the material in use, and when they are rejected.
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { NatspkiError } from '../../src/errors.ts';
import { FileWatcher } from '../../src/files/watcher.ts';
import { defaultTlsBlock, type TlsBlock } from '../../src/tls/block.ts';
import { CertificateSource } from '../../src/tls/certificate-source.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import { unprivileged } from '../support/file-modes.ts';
import { testFolder } from '../support/folder.ts';
import {
  type Contents,
  deleteAndCreate,
  makeMountedFolder,
  type Replace,
  renameOver,
  rewriteInPlace,
  swapDataLink,
} from '../support/replace.ts';

const root = testFolder('source');
const ca = await TestAuthority.make();
const watcher = new FileWatcher();
afterAll(() => watcher.close());

let folders = 0;

/** A source with replaceable files, and everything that it logs. */
class Rig {
  readonly folder = join(root, String(++folders));
  readonly block: TlsBlock = {
    ...defaultTlsBlock,
    pairs: [{ certFile: join(this.folder, 'tls.crt'), keyFile: join(this.folder, 'tls.key') }],
    caFile: join(this.folder, 'ca.crt'),
    verify: true,
  };
  readonly lines: string[] = [];
  source!: CertificateSource;

  static async open(pair: MadePair, isMounted = false): Promise<Rig> {
    const rig = new Rig();
    const contents = rig.contents(pair);
    mkdirSync(rig.folder);
    if (isMounted) makeMountedFolder(rig.folder, contents);
    else rewriteInPlace(contents);
    rig.source = await rig.#open();
    return rig;
  }

  contents(pair: MadePair): Contents {
    const [files] = this.block.pairs;
    return {
      [files?.certFile ?? '']: pair.cert,
      [files?.keyFile ?? '']: pair.key,
      [this.block.caFile ?? '']: ca.pem,
    };
  }

  get serial(): string | undefined {
    return this.source.material.certificates[0]?.serial;
  }

  /** Waits until the source uses this pair; the caller rules out other material in between. */
  async swapped(pair: MadePair): Promise<void> {
    while (this.serial !== pair.certificate.serial) await once(this.source, 'swap');
  }

  async refused(): Promise<string> {
    const [reason] = await once(this.source, 'refused');
    return reason;
  }

  #open(): Promise<CertificateSource> {
    const say = (level: string) => (text: string) =>
      void this.lines.push(`${level} ${text.replaceAll(this.folder, '')}`);
    return CertificateSource.open(this.block, {
      where: 'tls',
      log: { info: say('info'), warn: say('warn'), error: say('error') },
      watcher,
    });
  }
}

describe.each<[string, Replace, boolean]>([
  ['renamed over', renameOver, false],
  ['rewritten in place', rewriteInPlace, false],
  ['deleted and created', deleteAndCreate, false],
  ['replaced through a ..data link', swapDataLink, true],
])('when the files are %s', (_, replace, isMounted) => {
  it('reloads the files every time, and logs one line per reload', async () => {
    const rig = await Rig.open(await ca.server(), isMounted);
    for (let round = 1; round <= 5; round++) {
      const pair = await ca.server();
      replace(rig.contents(pair));
      await rig.swapped(pair);
      expect(rig.source.status).toMatchObject({
        generation: 1 + round,
        swaps: round,
        refused: 0,
        current: true,
      });
    }
    expect(rig.lines).toHaveLength(5);
    expect(rig.lines.at(-1)).toMatch(
      /^info Reloaded: tls serves CN=localhost from "\/tls.crt" \(serial [0-9a-f]+, valid until \d{4}-\d\d-\d\d\)$/,
    );
    rig.source.close();
  });
});

describe('when the files are invalid', () => {
  it.each<[string, (rig: Rig, pair: MadePair) => void, RegExp]>([
    [
      'when only half of the pair is new',
      (rig, pair) => writeFileSync(join(rig.folder, 'tls.crt'), pair.cert),
      /the key in "\/tls.key" does not belong to the certificate in "\/tls.crt" \(CN=localhost, serial [0-9a-f]+\)/,
    ],
    [
      'when the certificate is truncated',
      (rig, pair) => writeFileSync(join(rig.folder, 'tls.crt'), pair.cert.slice(0, 300)),
      /"\/tls.crt" is truncated/,
    ],
    ['when the key is empty', (rig) => truncateSync(join(rig.folder, 'tls.key')), /"\/tls.key" is empty/],
    [
      'when the certificate is missing',
      (rig) => rmSync(join(rig.folder, 'tls.crt')),
      /"\/tls.crt" does not exist/,
    ],
    [
      'when the list of authorities is empty',
      (rig) => truncateSync(join(rig.folder, 'ca.crt')),
      /"\/ca.crt" is empty/,
    ],
    [
      'when the key file contains a certificate',
      (rig, pair) => writeFileSync(join(rig.folder, 'tls.key'), pair.cert),
      /"\/tls.key" holds a certificate, expected a private key/,
    ],
    [
      'when the folder is missing',
      (rig) => rmSync(rig.folder, { recursive: true }),
      /"\/(tls.crt|tls.key|ca.crt)" does not exist/,
    ],
  ])(
    'keeps the material in use %s, logs the reason once, and recovers by itself',
    async (_, spoil, reason) => {
      const first = await ca.server();
      const second = await ca.server();
      const rig = await Rig.open(first);
      const refused = rig.refused();
      spoil(rig, second);
      expect((await refused).replaceAll(rig.folder, '')).toMatch(reason);
      expect(rig.serial).toBe(first.certificate.serial);
      expect(rig.source.status).toMatchObject({ swaps: 0, refused: 1, current: false });
      expect(rig.lines).toHaveLength(1);
      expect(rig.lines[0]).toMatch(
        new RegExp(`^error tls: ${reason.source}.*; still serving CN=localhost from`),
      );
      expect(rig.lines.join()).not.toContain('PRIVATE KEY');
      mkdirSync(rig.folder, { recursive: true });
      renameOver(rig.contents(second));
      await rig.swapped(second);
      expect(rig.source.status).toMatchObject({ swaps: 1, refused: 1, current: true });
      rig.source.close();
    },
  );

  it('logs nothing about files that are mismatched only for a moment', async () => {
    const rig = await Rig.open(await ca.server());
    const pair = await ca.server();
    const [cert, key] = Object.entries(rig.contents(pair)) as [[string, string], [string, string]];
    writeFileSync(...cert);
    await vi.waitUntil(() => !rig.source.status.current, { interval: 1 });
    writeFileSync(...key);
    await rig.swapped(pair);
    expect(rig.source.status).toMatchObject({ swaps: 1, refused: 0, current: true });
    expect(rig.lines).toHaveLength(1);
    rig.source.close();
  });

  it('logs each problem once while it retries, and again for each reload that is requested', async () => {
    const rig = await Rig.open(await ca.server());
    const keyFile = join(rig.folder, 'tls.key');
    truncateSync(keyFile);
    await rig.refused();
    for (let look = 0; look < 3; look++) expect(await rig.source.reload()).toBe(false);
    rmSync(keyFile);
    expect(await rig.source.reload()).toBe(false);
    expect(rig.lines.map((line) => /^error tls: "(.*?);/.exec(line)?.[1])).toEqual([
      ...Array(4).fill('/tls.key" is empty'),
      '/tls.key" does not exist',
    ]);
    expect(rig.source.status.refused).toBe(2);
    rig.source.close();
  });

  it('logs that the files are valid again when the old files are restored', async () => {
    const pair = await ca.server();
    const rig = await Rig.open(pair);
    truncateSync(join(rig.folder, 'tls.key'));
    await rig.refused();
    writeFileSync(join(rig.folder, 'tls.key'), pair.key);
    expect(await rig.source.reload()).toBe(true);
    expect(rig.lines.at(-1)).toBe('info tls: the files are valid again');
    expect(rig.source.status).toMatchObject({ swaps: 0, refused: 1, current: true });
    rig.source.close();
  });
});

it('keeps its material while a file is not readable, names the mode, and recovers after a chmod', async () => {
  const [first, second, third] = [await ca.server(), await ca.server(), await ca.server()];
  const rig = await Rig.open(first);
  chmodSync(root, 0o755);
  const keyFile = join(rig.folder, 'tls.key');
  await unprivileged(async (asOwner) => {
    const refused = rig.refused();
    asOwner(() => {
      rewriteInPlace(rig.contents(second));
      chmodSync(keyFile, 0o600);
    });
    expect(await refused).toMatch(/^permission denied to read ".*tls.key" \(mode 0600, owner \d+\)$/);
    expect(rig.serial).toBe(first.certificate.serial);
    asOwner(() => chmodSync(keyFile, 0o644));
    await rig.swapped(second);

    const refusedAgain = rig.refused();
    asOwner(() => {
      rewriteInPlace(rig.contents(third));
      chmodSync(rig.folder, 0o700);
    });
    expect(await refusedAgain).toMatch(
      /^permission denied to read ".*" \(folder ".*" has mode 0700, owner \d+\)$/,
    );
    asOwner(() => chmodSync(rig.folder, 0o755));
    await rig.swapped(third);
  });
  expect(rig.source.status).toMatchObject({ swaps: 2, refused: 2, current: true });
  rig.source.close();
});

it('does not reload files that are rewritten with the same content', async () => {
  const pair = await ca.server();
  const rig = await Rig.open(pair);
  renameOver(rig.contents(pair));
  expect(await rig.source.reload()).toBe(true);
  expect(rig.source.status).toMatchObject({ generation: 1, swaps: 0, refused: 0 });
  rig.source.close();
});

it('reloads the files when their whole folder is replaced', async () => {
  const rig = await Rig.open(await ca.server());
  for (let round = 0; round < 3; round++) {
    const pair = await ca.server();
    const beside = `${rig.folder}-new`;
    mkdirSync(beside);
    for (const [path, text] of Object.entries(rig.contents(pair))) {
      writeFileSync(path.replace(rig.folder, beside), text);
    }
    renameSync(rig.folder, `${rig.folder}-old`);
    renameSync(beside, rig.folder);
    rmSync(`${rig.folder}-old`, { recursive: true });
    await rig.swapped(pair);
  }
  rig.source.close();
});

it('reloads the files when only the list of authorities changes', async () => {
  const rig = await Rig.open(await ca.server());
  writeFileSync(join(rig.folder, 'ca.crt'), ca.pem + (await TestAuthority.make('Next CA')).pem);
  await once(rig.source, 'swap');
  expect(rig.source.status.swaps).toBe(1);
  rig.source.close();
});

it('logs a warning for an expired certificate, and serves it as nats-server does', async () => {
  const rig = await Rig.open(await ca.server('old', { from: -3, until: -2 }));
  expect(rig.lines).toEqual([
    expect.stringMatching(
      /^warn tls: certificate CN=old in "\/tls.crt" expired at \d{4}-.*: peers that verify it reject it$/,
    ),
  ]);
  rig.source.close();
});

it('throws when the files are invalid at the start', async () => {
  const pair = await ca.server();
  const other = await ca.server();
  await expect(Rig.open({ ...pair, key: other.key })).rejects.toThrow(NatspkiError);
});

it('adopts another block as a whole or not at all', async () => {
  const first = await ca.server();
  const rig = await Rig.open(first);
  const second = await Rig.open(await ca.server());
  const missing: TlsBlock = { ...second.block, caFile: join(second.folder, 'none.crt') };
  await expect(rig.source.prepare(missing)).rejects.toThrow(/none.crt" does not exist/);
  expect(rig.serial).toBe(first.certificate.serial);
  await rig.source.adopt(await rig.source.prepare(second.block));
  expect(rig.serial).toBe(second.serial);
  const third = await ca.server();
  renameOver(second.contents(third));
  await rig.swapped(third);
  renameOver(rig.contents(await ca.server()));
  expect(await rig.source.reload()).toBe(true);
  expect(rig.serial).toBe(third.certificate.serial);
  for (const { source } of [rig, second]) source.close();
});

it('does not reload files after it was closed', async () => {
  const rig = await Rig.open(await ca.server());
  rig.source.close();
  renameOver(rig.contents(await ca.server()));
  expect(readFileSync(join(rig.folder, 'tls.crt'), 'utf8')).toContain('CERTIFICATE');
  expect(rig.source.status.swaps).toBe(0);
});
