// The rules for subjects, on bytes: which subjects a subscription and a message may have (nats-server's sublist.go).
// Where strings are needed, subjects are Latin-1, one character per byte.

const DOT = 0x2e;
const STAR = 0x2a;
const REST = 0x3e;

/** Returns whether a subscription may have this subject: no empty token, and `>` only at the end. */
export function isSubscribable(subject: Buffer): boolean {
  return tokens(subject).every(
    (token, index, all) => token !== '' && (token !== '>' || index === all.length - 1),
  );
}

/** Returns whether a message of a pedantic client may have this subject: no empty token and no wildcard. */
export function isLiteral(buffer: Buffer, start: number, end: number): boolean {
  let tokenStart = start;
  for (let at = start; at <= end; at++) {
    if (at < end && buffer[at] !== DOT) continue;
    const length = at - tokenStart;
    if (length === 0) return false;
    if (length === 1 && (buffer[tokenStart] === STAR || buffer[tokenStart] === REST)) return false;
    tokenStart = at + 1;
  }
  return true;
}

/** Returns whether the subject has a token `*` or `>`. */
export function hasWildcard(subject: Buffer): boolean {
  return tokens(subject).some((token) => token === '*' || token === '>');
}

/**
 * Returns whether a subscription to the pattern receives a message with the subject `buffer[start, end)`. A token `*` or
 * `>` in the subject of the message has no special meaning.
 */
export function matches(pattern: Buffer, buffer: Buffer, start: number, end: number): boolean {
  let at = start;
  for (let index = 0; index < pattern.length; index++) {
    const byte = pattern[index];
    if ((byte === STAR || byte === REST) && isWholeToken(pattern, index)) {
      if (at === end || buffer[at] === DOT) return false;
      if (byte === REST) return !hasEmptyToken(buffer, at, end);
      while (at < end && buffer[at] !== DOT) at++;
    } else {
      if (at === end || buffer[at] !== byte) return false;
      at++;
    }
  }
  return at === end;
}

function isWholeToken(pattern: Buffer, index: number): boolean {
  const [before, behind] = [pattern[index - 1] ?? DOT, pattern[index + 1] ?? DOT];
  return before === DOT && behind === DOT;
}

function hasEmptyToken(buffer: Buffer, start: number, end: number): boolean {
  let previous = DOT;
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number;
    if (byte === DOT && previous === DOT) return true;
    previous = byte;
  }
  return previous === DOT;
}

/** Returns whether a pattern matches everything that a subject, with or without wildcards, matches. */
export function covers(pattern: readonly string[], subject: readonly string[]): boolean {
  if (subject.includes('')) return false;
  for (const [index, wanted] of pattern.entries()) {
    const token = subject[index];
    if (token === undefined) return false;
    if (wanted === '>') return true;
    if (token === '>' || (wanted !== '*' && wanted !== token)) return false;
  }
  return pattern.length === subject.length;
}

/** Returns whether there is a literal subject that both patterns match. */
export function overlap(one: readonly string[], other: readonly string[]): boolean {
  const length = Math.max(one.length, other.length);
  for (let index = 0; index < length; index++) {
    const [a, b] = [one[index], other[index]];
    if (a === undefined || b === undefined) return false;
    if (a === '>' || b === '>') return true;
    if (a !== '*' && b !== '*' && a !== b) return false;
  }
  return true;
}

/** Returns the tokens of a subject, including empty ones. */
export function tokens(subject: Buffer): string[] {
  return subject.toString('latin1').split('.');
}
