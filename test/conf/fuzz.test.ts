import { describe, expect, it } from 'vitest';
import { editArrays } from '../../src/conf/arrays.ts';
import { addItem, items, setBlock } from '../../src/conf/editor.ts';
import { ConfErrors } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { printBlock } from '../../src/conf/printer.ts';
import type { Position, Value } from '../../src/conf/value.ts';
import { plain } from '../support/conf-values.ts';
import { seeded } from '../support/seeded.ts';
import { anything, wellFormed } from './random-conf.ts';

const SEED = 20261123;

function parse(text: string) {
  return parseConf(text, {
    file: 'f',
    environment: { foo: '[ $b ]' },
    readFile: (path) => (path.length > 20 ? '' : `include x${path}`),
  });
}

function positions(value: Value): Position[] {
  if (value.kind === 'array') return [value.position, ...value.items.flatMap(positions)];
  if (value.kind !== 'map') return [value.position];
  const entries = [...value.entries.values()];
  return [value.position, ...entries.flatMap((entry) => [entry.keyPosition, ...positions(entry.value)])];
}

function expectWithin(text: string, { file, line, column, offset }: Position): void {
  if (file !== 'f') return;
  const before = text.slice(0, offset).split('\n');
  expect({ line, column, inside: offset <= text.length }).toEqual({
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    inside: true,
  });
}

describe('10,000 random configurations', () => {
  it('accepts each, or rejects it with errors at positions within the file, all in less than five seconds', () => {
    const random = seeded(SEED);
    const outcomes = { accepted: 0, rejected: 0 };
    const start = performance.now();
    for (let round = 0; round < 10_000; round++) {
      const text = anything(random);
      try {
        const root = parse(text);
        outcomes.accepted++;
        for (const position of positions(root)) expectWithin(text, position);
      } catch (error) {
        if (!(error instanceof ConfErrors))
          throw new Error(`round ${round}: ${JSON.stringify(text)}`, { cause: error });
        outcomes.rejected++;
        for (const { position } of error.problems) expectWithin(text, position);
      }
    }
    expect(performance.now() - start).toBeLessThan(5000);
    expect(Math.min(outcomes.accepted, outcomes.rejected)).toBeGreaterThan(1000);
  });
});

describe('edits of random configurations', () => {
  const texts: string[] = [];
  const random = seeded(SEED);
  while (texts.length < 2000) {
    const text = wellFormed(random);
    try {
      parse(text);
      texts.push(text);
    } catch (error) {
      if (!(error instanceof ConfErrors)) throw error;
    }
  }

  /** Edits a text; returns undefined when the editor reports that it cannot. */
  function attempt(edit: () => string): string | undefined {
    try {
      return edit();
    } catch (error) {
      const message = error instanceof ConfErrors ? error.problems[0]?.message : undefined;
      if (message !== undefined && /^(expected a|an edit here)/.test(message)) return undefined;
      throw error;
    }
  }

  /** Returns the values of a text without the entry at a path, whose names match in any case. */
  function without(text: string, path: readonly string[]): unknown {
    const prune = (value: unknown, [name, ...inner]: readonly string[]): unknown => {
      if (typeof value !== 'object' || value === null || Array.isArray(value) || name === undefined)
        return value;
      const kept = Object.entries(value).filter(([key]) => inner.length > 0 || key.toLowerCase() !== name);
      return Object.fromEntries(
        kept.map(([key, child]) => [key, key.toLowerCase() === name ? prune(child, inner) : child]),
      );
    };
    return prune(plain(parse(text)), path);
  }

  it('changes the intended block and no other value', () => {
    const block = printBlock('tls', { verify: true, inner: { x: 'y' } });
    let changed = 0;
    for (const text of texts) {
      for (const path of [['tls'], ['new'], ['a', 'tls'], ['b', 'b', 'tls']]) {
        const edited = attempt(() => setBlock(text, path, block));
        if (edited === undefined) continue;
        expect(edited).toContain('x: "y"');
        if (path.length === 1) expect(without(edited, path)).toEqual(without(text, path));
        expect(plain(parse(setBlock(edited, path, block)))).toEqual(plain(parse(edited)));
        changed++;
      }
    }
    expect(changed).toBeGreaterThan(2000);
  });

  it('restores the text when an added item is removed', () => {
    let changed = 0;
    for (const text of texts) {
      for (const path of [['pins'], ['tls', 'pins'], ['a', 'a'], ['b']]) {
        const edited = attempt(() => (items(text, path).length > 0 ? addItem(text, path, 'new') : text));
        if (edited === undefined || edited === text) continue;
        expect(items(edited, path)).toEqual([...items(text, path), 'new']);
        expect(removeItems(edited, (item) => item === 'new')).toBe(text);
        changed++;
      }
    }
    expect(changed).toBeGreaterThan(50);
  });
});

/** Removes the matching strings from the arrays of a text. */
function removeItems(text: string, matches: (item: string) => boolean): string {
  return editArrays(text, (all) => ({ added: [], removed: all.filter(matches) }), 'f');
}
