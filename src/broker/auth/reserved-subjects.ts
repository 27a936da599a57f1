// Subjects that nats-server reserves for gateways, service imports and JetStream. Clients may not publish to them on
// this broker either, so that a client that works here works on nats-server (client.go, processInboundClientMsg).

interface Prefix {
  readonly bytes: Buffer;
  /** The shortest subject that the prefix reserves: nats-server reserves the bare prefix in some cases only. */
  readonly least: number;
}

const publishing = [longer('_GR_.'), longer('$GR.'), bareToo('$NRG.')];
const replying = [longer('_GR_.'), longer('$GR.'), longer('$JS.ACK.'), bareToo('_R_.')];

function longer(prefix: string): Prefix {
  return { bytes: Buffer.from(prefix), least: prefix.length + 1 };
}

function bareToo(prefix: string): Prefix {
  return { bytes: Buffer.from(prefix), least: prefix.length };
}

const DOLLAR = 0x24;
const UNDERSCORE = 0x5f;

/** The queue group that no client may join. */
export const reservedGroup = '_sys_';

/** Whether a client may not publish to the subject `buffer[start, end)`. */
export function isReservedSubject(buffer: Buffer, start: number, end: number): boolean {
  return beginsWithOne(publishing, buffer, start, end);
}

/** Whether a client may not use `buffer[start, end)` as a reply subject. */
export function isReservedReply(buffer: Buffer, start: number, end: number): boolean {
  return beginsWithOne(replying, buffer, start, end);
}

function beginsWithOne(prefixes: readonly Prefix[], buffer: Buffer, start: number, end: number): boolean {
  const first = buffer[start];
  if (start === end || (first !== DOLLAR && first !== UNDERSCORE)) return false;
  for (const prefix of prefixes) {
    if (beginsWith(prefix, buffer, start, end)) return true;
  }
  return false;
}

function beginsWith({ bytes, least }: Prefix, buffer: Buffer, start: number, end: number): boolean {
  if (end - start < least) return false;
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] !== buffer[start + index]) return false;
  }
  return true;
}
