// The documents: links and paths lead somewhere, the README stays short, the security page has the limits of the source,
// and the changelog knows the version.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const documents = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => read(join('src', name)))
  .join('\n');

/** Returns the text without code blocks, whose brackets are no links. */
function withoutBlocks(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, '');
}

describe.each(documents)('%s', (document) => {
  it('links to files that exist', () => {
    const targets = [...withoutBlocks(read(document)).matchAll(/\]\(([^)\s]+)\)/g)].map(
      ([, target]) => target as string,
    );
    const missing = targets
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => !existsSync(join(root, dirname(document), target.replace(/#.*/, ''))));
    expect(missing).toEqual([]);
  });

  it('names files of the project that exist', () => {
    const paths = [
      ...withoutBlocks(read(document)).matchAll(/`((?:src|commands|test|bin|templates|\.ci)\/[\w./-]+)`/g),
    ].map(([, path]) => path as string);
    expect(paths.filter((path) => !path.includes('NAME') && !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('README.md', () => {
  it('has fewer than 250 lines', () => {
    expect(read('README.md').split('\n').length).toBeLessThan(250);
  });
});

describe('docs/architecture.md', () => {
  const walks = read('docs/architecture.md')
    .split(/^### /m)
    .filter((section) => /^\d+ rooms, /m.test(section));

  it.each(walks.map((text) => ({ text, title: text.split('\n')[0] })))(
    'counts the walk "$title"',
    ({ text }) => {
      const rows = [...text.matchAll(/^\| \d+ \| (\w+) \| (.*) \|$/gm)];
      const rooms = new Set(rows.map(([, room]) => room));
      const files = new Set(rows.flatMap(([, , cell = '']) => cell.match(/`[\w./-]+\.(?:ts|js)`/g) ?? []));
      expect(text).toContain(
        `\n${rooms.size} rooms, ${rows.length - rooms.size} returns, ${files.size} files.\n`,
      );
    },
  );

  it('names functions that are in the files named before them', () => {
    const missing: string[] = [];
    for (const [, cell = ''] of read('docs/architecture.md').matchAll(/^\| \d+ \| \w+ \| (.*) \|$/gm)) {
      let path = '';
      for (const [, code = ''] of cell.matchAll(/`([^`]+)`/g)) {
        if (/\.(ts|js)$/.test(code)) path = code;
        else
          for (const name of code.split('.'))
            if (!read(path).includes(name)) missing.push(`${path}: ${code}`);
      }
    }
    expect(walks.length).toBe(3);
    expect(missing).toEqual([]);
  });
});

describe('docs/SECURITY.md', () => {
  /** What the page says, and the definitions in the source that hold it. Names of constants may change, values may not. */
  const limits: [said: string, ...definitions: RegExp[]][] = [
    ['65,535, or the maximum of the system', /backlog = 65_535;/],
    ['| 65,536 |', /maxConnections: 64 \* 1024,/],
    ['| 2 s | the client is disconnected, counted as `handshake-timeout` |', /^ {2}timeoutMs: 2000,/m],
    ['half of `timeout`, at most 1 s', /\w+Ms = 2000;/, /Math\.min\(.*\.timeoutMs, \w+\) \/ 2;/],
    ['1 every 5 ms | a rejected client waits for its rejection, at most 4 s', /\w+Ms = 5;/, /\w+Ms = 4000;/],
    ['`timeout` + 1 s; 2 s without TLS', /tls === undefined \? 2000 : tls\.timeoutMs \+ 1000/],
    ['2, one every 2 min', /pingIntervalMs: 120_000,/, /pingMax: 2,/],
    [
      'one less than there are processors, from 1 to 4',
      /Math\.max\(1, Math\.min\(4, availableParallelism\(\) - 1\)\)/,
    ],
    ['10,000, as keyed hashes', /maxKnown = 10_000;/],
    ['| 4,096 bytes |', /maxControlLine: 4096,/],
    ['| 1 MiB | the client is told', /maxPayload: 1024 \* 1024,/],
    ['10,000 levels', /maxDepth = 10_000;/],
    ['(`max_pending`) | 64 MiB |', /maxPending: 64 \* 1024 \* 1024,/],
    ['(`write_deadline`) | 10 s |', /writeDeadlineMs: 10_000,/],
    [
      '| 2 MiB | the broker stops reading the publisher, at most 10 ms',
      /\w+Bytes = 2 \* 1024 \* 1024;/,
      /\w+Ms = 10;/,
    ],
    ['65,536 in an account', /maxOpen = 65_536;/],
    ['2 s, then 250 ms to close', /flushMs = 2000;/, /lingerMs = 250;/],
    [
      '| 256 | of the address with the most, the oldest that has shown neither a certificate nor a login is closed |',
      /\w+ = 256;/,
    ],
    ['| 2,048 | the oldest of the address with the most is closed |', /maxPending = 2048;/],
    ['| 16 KiB | status 431 |', /maxHeaderBytes = 16_384;/],
    ['(`handshake_timeout`) | 5 s | the connection is closed |', /defaultRequestMs = 5000;/],
    ['rejected request | 250 ms |', /lingerMs = 250;/],
    ['| 125 bytes | the client is told status 1002', /maxControlSize = 125;/],
    ['64 KiB before the client is accepted', /maxUnprovedMessage = 65_536;/],
    ['| twice as much | the same |', /maxExpansion = 2;/],
    ['16 × `max_control_line`', /controlLineFactor = 16;/],
    ['of both servers, at most 64 MiB | the peer is disconnected', /maxPayload = 64 \* 1024 \* 1024;/],
    [
      '| 128 | of the address with the most, the oldest without a request in progress is closed |',
      /maxConnections = 128;/,
    ],
    ['| 1,000 | the connection is closed |', /maxRequestsPerConnection = 1000;/],
    ['| 8 KiB | status 431 |', /maxHeaderBytes = 8192;/],
    ['| 5 s | the connection is closed |', /requestMs = 5000;/],
    ['| 30 s | the connection is closed |', /answerMs = 30_000;/],
    [
      'responses over 64 KiB that are not yet read | 64 MiB together',
      /maxBytes = 64 \* 1024 \* 1024;/,
      /longBytes = 64 \* 1024;/,
    ],
    ['1,024 unless `limit` asks for more', /defaultLimit = 1024;/],
    ['1 a second, 1,000 different ones', /intervalMs = 1000;/, /capacity = 1000;/],
    ['10,000, with 100,000 subscriptions', /maxClosed = 10_000;/, /maxClosedSubscriptions = 100_000;/],
    ['| 50 | the oldest are forgotten |', /maxEvents = 50;/],
    ['certificate, key or configuration | 64 MiB |', /maximumBytes = 64 \* 1024 \* 1024;/],
    ['| stdin | 16 MiB |', /stdinLimit = 16 \* 1024 \* 1024;/],
    [
      '20,000 files; 1 MiB each, 8 levels deep',
      /maximumFiles = 20_000;/,
      /maximumFileSize = 1024 \* 1024;/,
      /maximumDepth = 8;/,
    ],
    ['256, 16 levels deep', /\w+ = 256;/, /MAX_CHAIN = 16;/],
    ['| 1,000,000 |', /MAX_VALUES = 1_000_000;/],
  ];

  it.each(limits)('says %j as the source does', (said, ...definitions) => {
    expect(read('docs/SECURITY.md')).toContain(said);
    for (const definition of definitions) expect(definition.test(sources), String(definition)).toBe(true);
  });
});

describe('docs/fleet.md', () => {
  const limits: [said: string, ...definitions: RegExp[]][] = [
    ['included | 1,024 |', /maximumConnections = 1024;/],
    ['duration of a handshake | 10 s each |', /handshakeMs = 10_000;/],
    ['| body of an EST request | 64 KiB |', /maximumBody = 64 \* 1024;/],
    ['| message over NATS | 64 KiB |', /maximumMessage = 64 \* 1024;/],
    ['worked on at a time | 1,024 |', /maximumPending = 1024;/],
    ['| 5 min |', /clockToleranceMs = 5 \* 60_000;/],
    ['| 200,000 |', /maximumRemembered = 200_000;/],
    ['| of these, requests of one member | 10,000 |', /maximumOfMember = 10_000;/],
    ['60 at once, then 1 a second', /burst = 60;/, /perSecond = 1;/],
    ['| refusals on the page | 50 |', /remembered = 50;/],
  ];

  it.each(limits)('says %j as the source does', (said, ...definitions) => {
    expect(read('docs/fleet.md')).toContain(said);
    for (const definition of definitions) expect(definition.test(sources), String(definition)).toBe(true);
  });
});

describe('CHANGELOG.md', () => {
  it('has a section for the version of the package, below the one for what comes next', () => {
    const { version } = JSON.parse(read('package.json'));
    const sections = [...read('CHANGELOG.md').matchAll(/^## \[(.*?)\](?: - (.*))?$/gm)];
    expect(sections.map(([, name]) => name).slice(0, 2)).toEqual(['Unreleased', version]);
    for (const [, , date] of sections.slice(1)) expect(date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  });
});
