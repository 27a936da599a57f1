// What hints are made of: the name that a misspelled word probably stands for, as in `did you mean "ca_file"`, and words of
// commands.
import { UsageError } from './errors.ts';

/**
 * Returns the known name with the smallest edit distance to `word`, ignoring case, or undefined when none is near.
 * Near means at most one edit per three characters; a word of two characters may differ by one.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const limit = word.length < 2 ? 0 : Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const name of known) {
    if (Math.abs(name.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * Reads a word that must be one of several; throws a UsageError that lists them and suggests the nearest.
 * @param noun what the word is, such as `profile`
 * @param help the hint when none is near
 */
export function readChoice<T extends string>(
  noun: string,
  word: string,
  choices: readonly T[],
  help: string,
): T {
  const choice = choices.find((each) => each === word);
  if (choice !== undefined) return choice;
  const near = nearest(word, choices);
  throw new UsageError(
    `unknown ${noun} "${word}", expected one of ${choices.join(', ')}`,
    near === undefined ? help : `did you mean "${near}"`,
  );
}

/** Quotes a word of a command for a shell if necessary. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Counts insertions, deletions, substitutions and transpositions of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(substitution, (last[j] as number) + 1, (row[j - 1] as number) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] as number) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] as number;
}
