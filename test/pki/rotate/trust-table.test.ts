// The trust table of a rollover: openssl verifies every certificate in every state with the trust bundle of a peer that has
// only the old root, both roots, or only the new one.
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { InitOptions } from '../../../src/pki/issue/init.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { replaceIntermediate } from '../../../src/pki/rotate/intermediate-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('rotation-table');

/** Returns whether a peer with this trust bundle accepts the chain of a file for each purpose, according to openssl. */
function accepts(file: string, purposes: readonly string[], trust: string): boolean {
  return purposes.every((purpose) => {
    try {
      // -untrusted reads all certificates of the file, including the leaf, as a peer receives them in the handshake.
      openssl(
        ...['verify', '-x509_strict', '-purpose', purpose, '-no-CApath', '-no-CAstore', '-CAfile', trust],
        ...['-untrusted', file, file],
      );
      return true;
    } catch {
      return false;
    }
  });
}

/** Writes a trust bundle; returns its path. */
function trust(content: string): string {
  const file = join(mkdtempSync(join(scratch, 'peer-')), 'ca.pem');
  writeFileSync(file, content);
  return file;
}

/** Copies of a folder in different states. */
class States {
  readonly #seen: [string, PkiDirectory][] = [];
  readonly #directory: PkiDirectory;

  constructor(directory: PkiDirectory) {
    this.#directory = directory;
  }

  async add(state: string): Promise<void> {
    expect(await verifyDirectory(this.#directory), state).toEqual([]);
    const copy = mkdtempSync(join(scratch, 'state-'));
    cpSync(this.#directory.path, copy, { recursive: true });
    this.#seen.push([state, new PkiDirectory(copy)]);
  }

  /** Verifies each certificate of each state with each trust bundle; returns a Markdown table. */
  async table(old: string, both: string, fresh: string): Promise<string> {
    const rows = ['| state | certificate | old only | both | new only |', '|---|---|---|---|---|'];
    for (const [state, directory] of this.#seen) {
      for (const name of (await directory.contents()).certificates) {
        const [leaf] = await directory.readChain(name);
        const usages = leaf.extendedKeyUsage ?? [];
        const purposes = usages.map((usage) => (usage === 'serverAuth' ? 'sslserver' : 'sslclient'));
        const results = [old, both, fresh].map((peer) =>
          accepts(directory.certificateFile(name), purposes, peer) ? 'accepted' : 'refused',
        );
        rows.push(`| ${[state, name, ...results].join(' | ')} |`);
      }
    }
    return rows.join('\n');
  }
}

async function throughRotation(options: Partial<InitOptions>): Promise<string> {
  const directory = await madeDirectory(scratch, options);
  const bundle = () => readFileSync(directory.authorityFile, 'utf8');
  const states = new States(directory);
  await states.add('before');
  const old = trust(bundle());
  if (options.intermediate !== undefined) {
    await replaceIntermediate({ directory });
    await rotateLeaves({ directory, names: ['server'] });
    await states.add('new intermediate, server reissued');
    // The trust bundle does not change.
    expect(bundle()).toBe(readFileSync(old, 'utf8'));
  }
  await startRollover({ directory });
  const both = trust(bundle());
  const fresh = trust((await directory.readBundle())[0].toPem());
  await states.add('rotate --ca');
  await rotateLeaves({ directory, names: ['server'] });
  await issueCertificates({ directory, profile: 'client', names: ['late'] });
  await states.add('rotate server, issue client late');
  await rotateLeaves({ directory });
  await states.add('rotate');
  await finishRollover({ directory });
  expect(bundle()).toBe(readFileSync(fresh, 'utf8'));
  await states.add('rotate --ca --finish');
  return states.table(old, both, fresh);
}

const rows = (state: string, results: string, ...names: string[]) =>
  names.map((name) => `| ${state} | ${name} | ${results} |`);
const head = ['| state | certificate | old only | both | new only |', '|---|---|---|---|---|'];
// Issued by the old root: a peer that trusts only the new root never accepts it.
const ofOld = 'accepted | accepted | refused';
const ofBoth = 'accepted | accepted | accepted';
// No longer cross-signed: a peer without the new bundle rejects it.
const ofNew = 'refused | accepted | accepted';
const all = ['client', 'route', 'server'];
const fromStart = [
  ...rows('rotate --ca', ofOld, ...all),
  ...rows('rotate server, issue client late', ofOld, 'client'),
  ...rows('rotate server, issue client late', ofBoth, 'late'),
  ...rows('rotate server, issue client late', ofOld, 'route'),
  ...rows('rotate server, issue client late', ofBoth, 'server'),
  ...rows('rotate', ofBoth, 'client', 'late', 'route', 'server'),
  ...rows('rotate --ca --finish', ofNew, 'client', 'late', 'route', 'server'),
];

describe('each certificate is accepted by exactly the right peers in every state of a rollover', () => {
  it.each(['p256', 'ed25519', 'rsa2048'] as const)('with keys of type %s', async (keyType) => {
    const expected = [...head, ...rows('before', ofOld, ...all), ...fromStart];
    expect(await throughRotation({ keyType })).toBe(expected.join('\n'));
  });

  it.each(['p256', 'rsa2048'] as const)('below an intermediate, with keys of type %s', async (keyType) => {
    const expected = [
      ...head,
      ...rows('before', ofOld, ...all),
      ...rows('new intermediate, server reissued', ofOld, ...all),
      ...fromStart,
    ];
    expect(await throughRotation({ keyType, intermediate: { days: 1000 } })).toBe(expected.join('\n'));
  });
});
