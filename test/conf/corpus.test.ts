// Compares the parser with the real nats-server: what both accept must have the same meaning, as shown by the digest of
// the parsed configuration that `nats-server -t` prints.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfErrors } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import type { MapValue } from '../../src/conf/value.ts';
import { run } from '../harness/process.ts';
import { goJson } from '../support/conf-values.ts';
import { describePeer } from '../support/peers.ts';
import { ACCEPTED, ENVIRONMENT, INCLUDED, REFUSED, STRICTER } from './corpus.ts';

const stricter = Object.values(STRICTER).flat();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'natspki-corpus-'));
  for (const [name, text] of Object.entries(INCLUDED)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function parse(text: string): MapValue {
  return parseConf(text, { file: join(folder, 'case.conf'), environment: ENVIRONMENT });
}

describe('the parser on the corpus', () => {
  it('contains more than 300 different configurations', () => {
    expect(new Set([...ACCEPTED, ...REFUSED, ...stricter]).size).toBeGreaterThan(300);
  });

  it.each(ACCEPTED)('accepts %j', (text) => {
    expect(parse(text).kind).toBe('map');
  });

  it.each([...REFUSED, ...stricter])('rejects %j', (text) => {
    expect(() => parse(text)).toThrow(ConfErrors);
  });
});

describePeer('nats-server', 'the parser compared with the real nats-server', (bin) => {
  /** Checks texts, several in parallel; returns the digest of each, or undefined where nats-server rejects it. */
  async function check(texts: readonly string[]): Promise<(string | undefined)[]> {
    const digests: (string | undefined)[] = [];
    let next = 0;
    const worker = async () => {
      for (let index = next++; index < texts.length; index = next++) {
        digests[index] = await digestOf(texts[index] ?? '', index);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    return digests;
  }

  // Inside a block that a variable refers to, every entry is allowed, because nats-server does not look into it.
  async function digestOf(text: string, index: number): Promise<string | undefined> {
    const main = join(folder, `main-${index}.conf`);
    writeFileSync(join(folder, `case-${index}.conf`), text);
    writeFileSync(main, `x { include 'case-${index}.conf' }\nport: $x\nport: 4222\n`);
    const { code, stderr } = await run([bin, '-t', '-c', main], { environment: ENVIRONMENT });
    if (code !== 0) return undefined;
    return /\(sha256:([0-9a-f]{64})\)/.exec(stderr)?.[1] ?? expect.fail(`no digest in: ${stderr}`);
  }

  function ourDigest(text: string): string {
    const json = `{"port":4222,"x":${goJson(parse(text))}}\n`;
    return createHash('sha256').update(json).digest('hex');
  }

  it('gives accepted configurations the same meaning as nats-server', async () => {
    const theirs = await check(ACCEPTED);
    const different = ACCEPTED.filter((text, index) => theirs[index] !== ourDigest(text));
    expect(different).toEqual([]);
  });

  it('rejects the configurations that nats-server rejects', async () => {
    const theirs = await check(REFUSED);
    expect(REFUSED.filter((_, index) => theirs[index] !== undefined)).toEqual([]);
  });

  it('is stricter than nats-server only where nats-server silently loses or changes a value', async () => {
    const theirs = await check(stricter);
    expect(stricter.filter((_, index) => theirs[index] === undefined)).toEqual([]);
  });
});
