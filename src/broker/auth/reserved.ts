// Subjects that nats-server keeps to itself, for gateways, service imports and JetStream: a client may not publish to
// them, here neither, so that what works here works there (client.go, processInboundClientMsg).

interface Prefix {
  readonly bytes: Buffer;
  /** How long a subject must be for the prefix to count: nats-server is not of one mind about the bare prefix. */
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

/** Whether a client may not ask for answers at `buffer[start, end)`. */
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
