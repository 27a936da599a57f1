// Random numbers from a seed, so that a failing test can be repeated.

/** Returns a generator of numbers in [0, 1) for a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns a whole number in [0, bound). */
export function below(random: () => number, bound: number): number {
  return Math.floor(random() * bound);
}

/** Splits the bytes at random places into non-empty pieces. */
export function randomSplits(bytes: Buffer, random: () => number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + below(random, random() < 0.5 ? 4 : 200));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
