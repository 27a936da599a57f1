// The rules of subjects, on bytes: which a subscription may name and which a message may carry
// (nats-server's sublist.go). Subjects become Latin-1 strings, a character a byte, where a string is needed.

const DOT = 0x2e;
const STAR = 0x2a;
const REST = 0x3e;

/** Whether a subscription may have this subject: no empty token, and `>` only at the end. */
export function isSubscribable(subject: Buffer): boolean {
  return tokens(subject).every(
    (token, index, all) => token !== '' && (token !== '>' || index === all.length - 1),
  );
}

/** Whether a message may carry this subject, as pedantic clients have it checked: no empty token and no wildcard. */
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

/** Whether the subject has a token `*` or `>`. */
export function hasWildcard(subject: Buffer): boolean {
  return tokens(subject).some((token) => token === '*' || token === '>');
}

/**
 * Whether a message with the subject `buffer[start, end)` is for somebody who subscribed to the pattern. A token `*`
 * or `>` in the subject stands for nothing.
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

/** Whether a pattern takes in all that a subject with or without wildcards stands for. */
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

/** Whether there is a literal subject that both stand for. */
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

/** The tokens of a subject, empty ones included. */
export function tokens(subject: Buffer): string[] {
  return subject.toString('latin1').split('.');
}
