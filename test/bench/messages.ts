// The messages that the load generator sends, and the check of what arrived. No sockets here.

export interface Subscription {
  readonly subject: string;
  readonly queue?: string;
  readonly sid: string;
}

/** Messages written in one piece. */
export interface Batch {
  readonly bytes: Buffer;
  readonly messages: number;
}

/** What a verification pass sends, and how often each message must arrive. */
export interface Sequence {
  readonly publishers: number;
  /** Messages of each publisher; message n goes to subject n, counted round. */
  readonly messages: number;
  readonly subjects: readonly string[];
  readonly size: number;
  readonly copies: number;
}

const batchLength = 64 * 1024;

/** Numbers subscriptions so that all have a sid of one length, which makes all deliveries one length. */
export function subscriptions(subjects: readonly string[], queue?: string): Subscription[] {
  const first = 10 ** (String(subjects.length).length - 1);
  return subjects.map((subject, index) => ({
    subject,
    ...(queue === undefined ? {} : { queue }),
    sid: String(first + index),
  }));
}

export function subscribeLine({ subject, queue, sid }: Subscription): string {
  return `SUB ${subject} ${queue === undefined ? '' : `${queue} `}${sid}\r\n`;
}

/** A PUB operation as it goes over the wire. */
export function publication(subject: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`PUB ${subject} ${payload.length}\r\n`), payload, Buffer.from('\r\n')]);
}

/** The length on the wire of a message as its subscriber receives it. */
export function deliveryLength(subject: string, sid: string, size: number, reply = ''): number {
  return `MSG ${subject} ${sid} ${reply && `${reply} `}${size}\r\n`.length + size + 2;
}

/**
 * Content that names its publisher and its place in the sequence; the rest, to its last byte, follows from them. It has
 * no capital letter, so that a PING of the server can be found in a stream of deliveries.
 */
export function payload(size: number, publisher: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = headLength; at < size; at++) bytes[at] = 97 + ((sequence + publisher + at) % 26);
  bytes.write(hex(publisher, 2) + hex(sequence, 8), 'latin1');
  return bytes;
}

const headLength = 10;

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** Puts one message to each subject, over and over, until a batch is worth a write; long lists become several batches. */
export function batches(subjects: readonly string[], size: number): Batch[] {
  const messages = subjects.map((subject) => publication(subject, payload(size, 0, 0)));
  const round = messages.reduce((length, { length: more }) => length + more, 0);
  const repeated = Array.from(
    { length: Math.max(1, Math.floor(batchLength / round)) },
    () => messages,
  ).flat();
  const made: Batch[] = [];
  for (let from = 0; from < repeated.length; ) {
    let to = from;
    for (let length = 0; to < repeated.length && length < batchLength; to++)
      length += repeated[to]?.length ?? 0;
    made.push({ bytes: Buffer.concat(repeated.slice(from, to)), messages: to - from });
    from = to;
  }
  return made;
}

/** Compares the streams of some connections, byte for byte, with a sequence; returns what is wrong, most of all nothing. */
export function findFaults(streams: readonly Buffer[], sequence: Sequence): string[] {
  const faults: string[] = [];
  const arrived = new Map<string, number>();
  for (const [connection, stream] of streams.entries()) {
    const newest = new Map<string, number>();
    for (let at = 0; at < stream.length; ) {
      const message = readDelivery(stream, at);
      const told = message?.payload.toString('latin1', 0, headLength) ?? '';
      const publisher = Number.parseInt(told.slice(0, 2), 16);
      const place = Number.parseInt(told.slice(2), 16);
      if (!message || !isWhole(message, publisher, place, sequence)) {
        faults.push(`connection ${connection} received something else at byte ${at}`);
        break;
      }
      const source = `${publisher} ${message.sid}`;
      if (place <= (newest.get(source) ?? -1)) faults.push(`message ${told} arrived out of order`);
      newest.set(source, place);
      arrived.set(told, (arrived.get(told) ?? 0) + 1);
      at = message.end;
    }
  }
  for (let publisher = 0; publisher < sequence.publishers; publisher++) {
    for (let place = 0; place < sequence.messages; place++) {
      const told = hex(publisher, 2) + hex(place, 8);
      const times = arrived.get(told) ?? 0;
      if (times !== sequence.copies) faults.push(`message ${told} arrived ${times} times`);
    }
  }
  return faults;
}

interface Delivery {
  readonly subject: string;
  readonly sid: string;
  readonly payload: Buffer;
  readonly end: number;
}

function readDelivery(stream: Buffer, at: number): Delivery | undefined {
  const lineEnd = stream.indexOf('\r\n', at);
  const [, subject, sid, size] =
    /^MSG (\S+) (\S+) (\d+)$/.exec(stream.toString('latin1', at, Math.max(at, lineEnd))) ?? [];
  if (!subject || !sid || !size) return undefined;
  const end = lineEnd + 2 + Number(size);
  if (stream.toString('latin1', end, end + 2) !== '\r\n') return undefined;
  return { subject, sid, payload: stream.subarray(lineEnd + 2, end), end: end + 2 };
}

function isWhole(message: Delivery, publisher: number, place: number, sequence: Sequence): boolean {
  const { subjects, size } = sequence;
  return (
    message.subject === subjects[place % subjects.length] &&
    message.payload.equals(payload(size, publisher, place))
  );
}
