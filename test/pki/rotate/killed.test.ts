// Kills rotations at any operation: the next command finds all old files or all new ones, every key beside its
// certificate, and the pins of both in between. It tries a sample of the operations, or all with NATSPKI_EVERY_STEP=1.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { builtModule } from '../../support/built.ts';
import { testFolder } from '../../support/folder.ts';
import { killedAt } from '../../support/killed.ts';
import { initDefaults, leafOf, madeDirectory } from '../../support/pki.ts';
import { contents } from '../../support/tree.ts';

const scratch = testFolder('killed-rotation');
const everyStep = process.env.NATSPKI_EVERY_STEP === '1';
let made: PkiDirectory;

beforeAll(async () => {
  made = await madeDirectory(scratch, { clients: [] });
});

/** Copies a folder; the scripts find the copy as `certs`. */
function copied(from: PkiDirectory): { folder: string; directory: PkiDirectory } {
  const folder = mkdtempSync(join(scratch, 'copy-'));
  mkdirSync(join(folder, 'certs'));
  cpSync(from.path, join(folder, 'certs'), { recursive: true });
  return { folder, directory: new PkiDirectory(join(folder, 'certs')) };
}

const script = (module: string, call: string, more = '') => `
const { PkiDirectory } = await import(${JSON.stringify(builtModule('src/pki/store/directory.js'))});
const { ${call} } = await import(${JSON.stringify(builtModule(`src/pki/${module}.js`))});
await ${call}({ directory: new PkiDirectory('certs'), ${more} });
`;

/** Kills a script at a sample of its operations, each time in a new copy; returns the states that `look` finds. */
async function killedThroughout(
  from: PkiDirectory,
  what: string,
  look: (directory: PkiDirectory) => Promise<string>,
  step = 8,
): Promise<string[]> {
  const states: string[] = [];
  for (let n = 1; ; n += everyStep ? 1 : step) {
    const { folder, directory } = copied(from);
    const ending = await killedAt(n, what, folder);
    expect(await verifyDirectory(directory), `after operation ${n}`).toEqual([]);
    expect(directory.takeRecoveryNotices().length, `after operation ${n}`).toBeLessThan(2);
    states.push(await look(directory));
    if (ending === 'done') return states;
  }
}

describe('killed at any operation', { timeout: everyStep ? 900_000 : 120_000 }, () => {
  it('a rotation of leaves has replaced all pairs or none', async () => {
    const old = ['route', 'server'].map((name) => leafOf(made, name).serial);
    const states = await killedThroughout(
      made,
      script('rotate/rotate', 'rotateLeaves'),
      async (directory) => {
        const same = ['route', 'server'].map((name, i) => leafOf(directory, name).serial === old[i]);
        expect(same[0]).toBe(same[1]);
        return same[0] ? 'old' : 'new';
      },
    );
    expect([...new Set(states)]).toEqual(['old', 'new']);
    expect(states.length).toBeGreaterThan(6);
  });

  it('the start of a rollover leaves the old root alone or both roots', async () => {
    const states = await killedThroughout(
      made,
      script('rotate/ca-rollover', 'startRollover'),
      async (directory) => {
        // Throws unless the key belongs to the certificate.
        const authority = await directory.readAuthority();
        expect(authority.chain).toHaveLength(authority.retired.length);
        return authority.current.certificate.commonName;
      },
    );
    expect([...new Set(states)]).toEqual([initDefaults.authorityName, `${initDefaults.authorityName} 2`]);
  });

  it('the replacement of an intermediate leaves the root or the new intermediate signing', async () => {
    const states = await killedThroughout(
      made,
      script('rotate/intermediate-rollover', 'replaceIntermediate'),
      async (directory) => {
        const { current, roots } = await directory.readAuthority();
        await directory.readRoot();
        return current.certificate === roots[0] ? 'root' : 'intermediate';
      },
    );
    expect([...new Set(states)]).toEqual(['root', 'intermediate']);
  });

  it('the replacement of a stolen authority leaves the old one with its leaves or the new one with new leaves', async () => {
    const call = script('revoke/replace-authority', 'replaceAuthority');
    const states = await killedThroughout(
      made,
      call,
      async (directory) => {
        const { current, roots } = await directory.readAuthority();
        expect(roots).toHaveLength(1);
        const isNew = current.certificate.commonName.endsWith(' 2');
        for (const name of ['route', 'server'])
          expect(leafOf(directory, name).isSignedBy(current.certificate)).toBe(true);
        expect((await directory.ledger.read()).revocations.size).toBe(isNew ? 3 : 0);
        return isNew ? 'new' : 'old';
      },
      20,
    );
    expect([...new Set(states)]).toEqual(['old', 'new']);
  });

  it('an undo has restored the whole pair or nothing, and the archive has the other pair', async () => {
    const { directory: rotated, folder } = copied(made);
    expect(await killedAt(1e6, script('rotate/rotate', 'rotateLeaves'), folder)).toBe('done');
    const [old, fresh] = [leafOf(made, 'server').serial, leafOf(rotated, 'server').serial];
    const keys = [made, rotated].map((each) => contents(each.path)['server-key.pem']);
    const states = await killedThroughout(
      rotated,
      script('rotate/undo', 'undoRotation', `name: 'server'`),
      async (directory) => {
        const all = Object.values(contents(directory.path));
        for (const key of keys) expect(all.filter((text) => text === key)).toHaveLength(1);
        return leafOf(directory, 'server').serial === old ? 'old' : 'new';
      },
      3,
    );
    expect(fresh).not.toBe(old);
    expect([...new Set(states)]).toEqual(['new', 'old']);
    expect(states.length).toBeGreaterThan(6);
  });

  it('the configuration is complete and pins the present key', async () => {
    const text = `tls { pinned_certs: ["${'e'.repeat(64)}", "${leafOf(made, 'server').pin}"] }\n`;
    const rollout = `
const { Rollout } = await import(${JSON.stringify(builtModule('src/rollout/rollout.js'))});
const rollout = await Rollout.prepare({ configurations: ['nats.conf'], settleMs: 0 });
${script('rotate/rotate', 'rotateLeaves', "names: ['server'], beforeReplace: (changes) => rollout.announce(changes)")}`;
    const states = new Set<string>();
    for (let n = 1, ending = ''; ending !== 'done'; n += everyStep ? 1 : 7) {
      const { folder, directory } = copied(made);
      const conf = join(folder, 'nats.conf');
      writeFileSync(conf, text);
      ending = await killedAt(n, rollout, folder);
      const read = () => readFileSync(conf, 'utf8');
      const pins = read().match(/[0-9a-f]{64}/g) ?? [];
      expect(await verifyDirectory(directory), `after operation ${n}`).toEqual([]);
      expect(pins, `after operation ${n}`).toContain(leafOf(directory, 'server').pin);
      // Every other byte is unchanged.
      expect(read().replace(`", "${pins[2]}`, '')).toBe(text);
      states.add(`${pins.length} ${leafOf(directory, 'server').pin === pins[1] ? 'old' : 'new'}`);
      // The files of the killed command do not stop the next one, which removes them.
      if (ending === 'killed' && n % 2 === 0) {
        // A temporary file is removed only when it is old: another process may still be writing it.
        const begun = readdirSync(folder).filter((name) => name.endsWith('.tmp'));
        for (const name of begun) utimesSync(join(folder, name), 0, 0);
        expect(await killedAt(1e6, rollout, folder)).toBe('done');
        expect(read()).toContain(leafOf(directory, 'server').pin);
        expect(readdirSync(folder).sort()).toEqual(['certs', 'nats.conf']);
      }
    }
    expect([...states]).toEqual(['2 old', '3 old', '3 new']);
  });

  it('the end of a rollover removes cross-signed certificates from all files or from none', async () => {
    const { directory: rotated, folder } = copied(made);
    expect(await killedAt(1e6, script('rotate/ca-rollover', 'startRollover'), folder)).toBe('done');
    expect(await killedAt(1e6, script('rotate/rotate', 'rotateLeaves'), folder)).toBe('done');
    const states = await killedThroughout(
      rotated,
      script('rotate/ca-rollover', 'finishRollover'),
      async (directory) => {
        const files = ['route', 'server'].map((name) =>
          readFileSync(directory.certificateFile(name), 'utf8'),
        );
        const sizes = [...files, readFileSync(directory.authorityFile, 'utf8')].map(
          (text) => text.match(/BEGIN/g)?.length,
        );
        expect(new Set(sizes).size).toBe(1);
        return String(sizes[0]);
      },
    );
    expect([...new Set(states)]).toEqual(['2', '1']);
  });
});
