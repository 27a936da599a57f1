// Subjects with wildcards as a set that literal subjects are in or not, asked for every message: on bytes, without a
// string. Short lists are gone through, which costs less than any cache; long ones are remembered by subject.
import { MatchCache } from './match-cache.ts';
import { matches } from './subject.ts';

/** Going through this many takes about as long as looking up what is remembered. */
const short = 16;

export class SubjectSet {
  readonly #patterns: readonly Buffer[];
  readonly #known: MatchCache<boolean> | undefined;

  constructor(patterns: readonly Buffer[]) {
    this.#patterns = patterns;
    this.#known = patterns.length > short ? new MatchCache() : undefined;
  }

  /** Whether one of the patterns matches the subject `buffer[start, end)`. */
  has(buffer: Buffer, start: number, end: number): boolean {
    const known = this.#known?.find(buffer, start, end);
    if (known !== undefined) return known;
    const found = this.#search(buffer, start, end);
    this.#known?.add(buffer, start, end, found, 0);
    return found;
  }

  #search(buffer: Buffer, start: number, end: number): boolean {
    for (const pattern of this.#patterns) {
      if (matches(pattern, buffer, start, end)) return true;
    }
    return false;
  }
}
