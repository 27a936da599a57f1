// Holds the parser to the real nats-server: what both take must mean the same, which the digest that `nats-server -t`
// prints of the parsed configuration shows.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfErrors } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import type { MapValue } from '../../src/conf/value.ts';
import { run } from '../support/command.ts';
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

describe('the corpus', () => {
  it('has more than 300 different configurations', () => {
    expect(new Set([...ACCEPTED, ...REFUSED, ...stricter]).size).toBeGreaterThan(300);
  });

  it.each(ACCEPTED)('is taken: %j', (text) => {
    expect(parse(text).kind).toBe('map');
  });

  it.each([...REFUSED, ...stricter])('is refused: %j', (text) => {
    expect(() => parse(text)).toThrow(ConfErrors);
  });
});

describePeer('nats-server', 'the corpus on the real nats-server', (bin) => {
  /** Checks texts, several at a time; answers the digest of each, or undefined where it is refused. */
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

  // Included into a block that a variable refers to, any entry is allowed, for nats-server looks into none.
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

  it('is taken with the same meaning', async () => {
    const theirs = await check(ACCEPTED);
    const different = ACCEPTED.filter((text, index) => theirs[index] !== ourDigest(text));
    expect(different).toEqual([]);
  });

  it('is refused where we refuse it', async () => {
    const theirs = await check(REFUSED);
    expect(REFUSED.filter((_, index) => theirs[index] !== undefined)).toEqual([]);
  });

  it('is taken where only we refuse it, for what nats-server loses without a word', async () => {
    const theirs = await check(stricter);
    expect(stricter.filter((_, index) => theirs[index] === undefined)).toEqual([]);
  });
});
