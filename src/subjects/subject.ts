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

/** The tokens of a subject, empty ones included. */
export function tokens(subject: Buffer): string[] {
  return subject.toString('latin1').split('.');
}
