// Pins of configuration files during a change of keys: accepted certificates stay accepted, and no others become so.
import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addSuccessors, configurationFiles, removePins } from '../../src/rollout/pin-update.ts';
import type { Pin } from '../../src/x509/pin.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('pins');
const pin = (digit: string) => digit.repeat(64) as Pin;
const [a, b, c, stranger] = [pin('a'), pin('b'), pin('c'), pin('d')];

function written(text: string): string {
  const file = join(mkdtempSync(join(scratch, 'conf-')), 'nats.conf');
  writeFileSync(file, text);
  return file;
}

const read = (file: string) => readFileSync(file, 'utf8');

describe('adding future pins', () => {
  it('adds each new pin beside its predecessor in every block and variable, and keeps every other byte', async () => {
    const file = written(`# ${a}
PINS: ["${a}"]
tls {
\tpinned_certs: ["${a.toUpperCase()}", "${stranger}"] # ours\r
}
cluster { tls { pinned_certs: [
    ${b}
    // last
  ] } }
leafnodes { remotes [ { tls { pinned_certs: [${a}, ${c}] } } ] }
other: ["${stranger}"]`);
    const edits = await addSuccessors([file], [{ from: a, to: c }]);
    expect(edits).toEqual([{ file, pins: [c] }]);
    expect(read(file)).toBe(`# ${a}
PINS: ["${a}", "${c}"]
tls {
\tpinned_certs: ["${a.toUpperCase()}", "${stranger}", "${c}"] # ours\r
}
cluster { tls { pinned_certs: [
    ${b}
    // last
  ] } }
leafnodes { remotes [ { tls { pinned_certs: [${a}, ${c}] } } ] }
other: ["${stranger}"]`);
    expect(await addSuccessors([file], [{ from: a, to: c }])).toEqual([]);
  });

  it('does not change a file without the old pin, and keeps the mode of a file that it changes', async () => {
    const [without, with_] = [
      written(`tls { pinned_certs: ["${b}"] }\n`),
      written(`tls { pinned_certs: ["${a}"] }\n`),
    ];
    chmodSync(with_, 0o640);
    expect(await addSuccessors([without, with_], [{ from: a, to: c }])).toEqual([{ file: with_, pins: [c] }]);
    expect(read(with_)).toBe(`tls { pinned_certs: ["${a}", "${c}"] }\n`);
    expect(statSync(with_).mode & 0o777).toBe(0o640);
  });

  it('does not change an invalid file, and reports the position of the error', async () => {
    const file = written(`tls { pinned_certs: ["${a}" }\n`);
    await expect(addSuccessors([file], [{ from: a, to: c }])).rejects.toThrow(/nats\.conf:1:\d+: /);
    expect(read(file)).toBe(`tls { pinned_certs: ["${a}" }\n`);
  });
});

describe('removing pins', () => {
  it('removes stale pins only', async () => {
    const file = written(`tls { pinned_certs: [\n  "${a}"\n  "${stranger}"\n  "${b.toUpperCase()}"\n] }\n`);
    expect(await removePins([file], new Set([a, b, c]))).toEqual([{ file, pins: [a, b] }]);
    expect(read(file)).toBe(`tls { pinned_certs: [\n  "${stranger}"\n] }\n`);
  });

  it('never empties a list, because an empty list would accept every key', async () => {
    const file = written(`tls { pinned_certs: ["${a}"] }\n`);
    expect(await removePins([file], new Set([a]))).toEqual([]);
    expect(read(file)).toBe(`tls { pinned_certs: ["${a}"] }\n`);
  });
});

describe('the files of a configuration', () => {
  it('lists the file and its includes, also those in blocks and in include cycles, each once', () => {
    const flat = written('');
    const beside = join(flat, '..', 'pins.conf');
    writeFileSync(flat, `port: $PORT\ntls { include pins.conf }\ninclude ${beside}\n`);
    writeFileSync(beside, `pinned_certs: ["${a}"]\ninclude nats.conf\n`);
    expect(configurationFiles(flat)).toEqual([flat, beside]);
    writeFileSync(beside, 'include none.conf\n');
    expect(() => configurationFiles(flat)).toThrow(/none\.conf" does not exist/);
  });
});
