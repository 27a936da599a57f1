// Subjects that nats-server reserves for gateways, service imports and JetStream. Clients may not publish to them on
// this broker either, so that a client that works here works on nats-server (client.go, processInboundClientMsg).

interface Prefix {
  readonly bytes: Buffer;
  /** The shortest subject that the prefix reserves: nats-server reserves the bare prefix in some cases only. */
  readonly minLength: number;
}

const reservedSubjects = [below('_GR_.'), below('$GR.'), atOrBelow('$NRG.')];
const reservedReplies = [below('_GR_.'), below('$GR.'), below('$JS.'), atOrBelow('_R_.')];

function below(prefix: string): Prefix {
  return { bytes: Buffer.from(prefix), minLength: prefix.length + 1 };
}

function atOrBelow(prefix: string): Prefix {
  return { bytes: Buffer.from(prefix), minLength: prefix.length };
}

const DOLLAR = 0x24;
const UNDERSCORE = 0x5f;

/** The queue group that no client may join. */
export const reservedGroup = '_sys_';

/** Whether a client may not publish to the subject `buffer[start, end)`. */
export function isReservedSubject(buffer: Buffer, start: number, end: number): boolean {
  return beginsWithOne(reservedSubjects, buffer, start, end);
}

/** Whether a client may not use `buffer[start, end)` as a reply subject. */
export function isReservedReply(buffer: Buffer, start: number, end: number): boolean {
  return beginsWithOne(reservedReplies, buffer, start, end);
}

/**
 * How JetStream treats a message to the subject: `request` for its API, in any domain, `other` for acknowledgements, flow
 * control and the like, undefined if JetStream does not act on it (client.go, jsReservedKind).
 */
export function jetStreamKind(subject: string): 'request' | 'other' | undefined {
  const [first, second = '', third] = subject.split('.', 3);
  if (first !== '$JS') return undefined;
  if (second === 'API' || third === 'API') return 'request';
  return ['ACK', 'FC', 'SNAPSHOT', 'EVENT'].includes(second) ? 'other' : undefined;
}

function beginsWithOne(prefixes: readonly Prefix[], buffer: Buffer, start: number, end: number): boolean {
  const first = buffer[start];
  if (start === end || (first !== DOLLAR && first !== UNDERSCORE)) return false;
  for (const prefix of prefixes) {
    if (beginsWith(prefix, buffer, start, end)) return true;
  }
  return false;
}

function beginsWith({ bytes, minLength }: Prefix, buffer: Buffer, start: number, end: number): boolean {
  if (end - start < minLength) return false;
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] !== buffer[start + index]) return false;
  }
  return true;
}
