// docs/codes.md lists every code that --json can carry, and no code that the source no longer has.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = ['src', 'commands']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(root, name), 'utf8'));

const documented = [
  ...readFileSync(join(root, 'docs/codes.md'), 'utf8').matchAll(/^\| `([a-z0-9-]+)` \|/gm),
].map(([, code]) => code as string);

/** Where the source has a code: the first argument of an error or finding, `code:` in a value, the last of a warning. */
const places = [
  /(?:NatspkiError|HandshakeError|\bfail|\brefuse|\breport)\(\s*'([a-z0-9-]+)'/g,
  /\bcode: '([a-z0-9-]+)'/g,
  /\.warning\([^;]*'([a-z]+(?:-[a-z]+)*)',?\s*\);/g,
  /confProblem\('warning',[^;]*'([a-z]+(?:-[a-z]+)*)'\)/g,
];

/** Codes that the source composes at run time, spelled out from their parts. */
const kinds = ['certificate', 'request', 'private-key', 'public-key', 'revocation-list'];
const verdicts = [
  'expired',
  'not-yet-valid',
  'untrusted',
  'usage',
  'name',
  'not-pinned',
  'revoked',
  'status-unknown',
  'invalid',
];
const composed = [
  ...kinds.map((kind) => `damaged-${kind}`),
  ...['client', 'server'].flatMap((role) => [
    `no-${role}-certificate`,
    ...verdicts.map((verdict) => `${role}-certificate-${verdict}`),
  ]),
  'certificate-expired',
  'authority-expired',
];

describe('docs/codes.md', () => {
  it('lists every code of the source', () => {
    const found = new Set(
      sources.flatMap((text) => places.flatMap((place) => [...text.matchAll(place)].map(([, code]) => code))),
    );
    expect(found.size).toBeGreaterThan(90);
    expect([...found, ...composed].filter((code) => !documented.includes(code as string))).toEqual([]);
  });

  it('lists no code that the source does not have', () => {
    const known = (code: string) =>
      composed.includes(code) || sources.some((text) => text.includes(`'${code}'`));
    expect(documented.filter((code) => !known(code))).toEqual([]);
  });

  it('explains each code in a sentence, in alphabetical order', () => {
    const text = readFileSync(join(root, 'docs/codes.md'), 'utf8');
    for (const table of text.split(/^## /m).slice(1)) {
      const rows = [...table.matchAll(/^\| `([a-z0-9-]+)` \| (.*) \|$/gm)];
      const codes = rows.map(([, code]) => code);
      expect(codes).toEqual([...new Set(codes)].sort());
      for (const [, , sentence] of rows) expect(sentence).toMatch(/^[A-Z`].*\.$/);
    }
  });
});
