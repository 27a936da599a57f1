// The messages that the load generator sends, and the check of what arrived. It opens no sockets.

export interface Subscription {
  readonly subject: string;
  readonly queue?: string;
  readonly sid: string;
}

/** Messages that go out in one write. */
export interface Batch {
  readonly bytes: Buffer;
  readonly messages: number;
}

/** What a verification pass sends, and how often each message must arrive. */
export interface Sequence {
  readonly publishers: number;
  /** Messages of each publisher; message n goes to subject n modulo their number. */
  readonly messages: number;
  readonly subjects: readonly string[];
  readonly size: number;
  readonly copies: number;
}

const batchLength = 64 * 1024;

/** Numbers subscriptions with sids of one length, so that all deliveries have one length. */
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

/** The bytes of a PUB operation. */
export function publication(subject: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`PUB ${subject} ${payload.length}\r\n`), payload, Buffer.from('\r\n')]);
}

/** The length of a delivered MSG on the wire. */
export function deliveryLength(subject: string, sid: string, size: number, reply = ''): number {
  return `MSG ${subject} ${sid} ${reply && `${reply} `}${size}\r\n`.length + size + 2;
}

/**
 * Returns content that starts with its publisher and its place in the sequence; every other byte derives from those
 * two. It has no upper-case letter, so that a PING of the server can be found in a stream of deliveries.
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

/**
 * Builds batches with one message to each subject, repeated until a batch is worth a write; a long list of subjects
 * fills several batches.
 */
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

/** Compares the streams of several connections with a sequence, byte for byte; returns the faults. */
export function findFaults(streams: readonly Buffer[], sequence: Sequence): string[] {
  const faults: string[] = [];
  const arrived = new Map<string, number>();
  for (const [connection, stream] of streams.entries()) {
    const newest = new Map<string, number>();
    for (let at = 0; at < stream.length; ) {
      const message = readDelivery(stream, at);
      const id = message?.payload.toString('latin1', 0, headLength) ?? '';
      const publisher = Number.parseInt(id.slice(0, 2), 16);
      const place = Number.parseInt(id.slice(2), 16);
      if (!message || !isWhole(message, publisher, place, sequence)) {
        faults.push(`connection ${connection} received unexpected data at byte ${at}`);
        break;
      }
      const source = `${publisher} ${message.sid}`;
      if (place <= (newest.get(source) ?? -1)) faults.push(`message ${id} arrived out of order`);
      newest.set(source, place);
      arrived.set(id, (arrived.get(id) ?? 0) + 1);
      at = message.end;
    }
  }
  for (let publisher = 0; publisher < sequence.publishers; publisher++) {
    for (let place = 0; place < sequence.messages; place++) {
      const id = hex(publisher, 2) + hex(place, 8);
      const times = arrived.get(id) ?? 0;
      if (times !== sequence.copies) faults.push(`message ${id} arrived ${times} times`);
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
