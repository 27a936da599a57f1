// Tests for every message whether a set of subjects with wildcards contains a literal subject, on bytes without creating
// strings. A short list is searched, which costs less than any cache; for a long one the results are cached by subject.
import { MatchCache } from './match-cache.ts';
import { matches } from './subject.ts';

/** Searching this many patterns takes about as long as a cache lookup. */
const short = 16;

export class SubjectSet {
  readonly #patterns: readonly Buffer[];
  readonly #known: MatchCache<boolean> | undefined;

  constructor(patterns: readonly Buffer[]) {
    this.#patterns = patterns;
    this.#known = patterns.length > short ? new MatchCache() : undefined;
  }

  /** Returns whether one of the patterns matches the subject `buffer[start, end)`. */
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
