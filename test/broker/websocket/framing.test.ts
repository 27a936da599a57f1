// The framing of a WebSocket: random streams in random frames and chunks, in both directions.
import { describe, expect, it } from 'vitest';
import type { FramedConnection } from '../../../src/broker/transport/framing.ts';
import { BufferPool } from '../../../src/broker/transport/output.ts';
import { MaskingKey, Unmasker } from '../../../src/broker/websocket/mask.ts';
import { framings } from '../../../src/broker/websocket/websocket-framing.ts';
import { code, FrameDecoder, frame } from '../../harness/frames.ts';
import { compressed, decompressed } from '../../harness/websocket.ts';
import { below, seeded } from '../../support/seeded.ts';

const settings = { compresses: true, isMasked: true, isBrowser: false, mayFragmentCompressed: true };

/** A connection that records what the framing does. */
class Recorder implements FramedConnection {
  isOpen = true;
  readonly parts: Buffer[] = [];
  problem = '';

  deliver(bytes: Buffer): void {
    this.parts.push(Buffer.from(bytes));
  }

  mayQueue(): boolean {
    return this.isOpen;
  }

  refuse(problem: string): void {
    this.problem = problem;
    this.isOpen = false;
  }

  close(): void {
    this.isOpen = false;
  }
}

/** Feeds bytes in chunks of random size, each in the same memory, as sockets are read. */
function feed(bytes: Buffer, random: () => number, read: (chunk: Buffer) => void): void {
  const memory = Buffer.alloc(70_000);
  for (let at = 0; at < bytes.length; ) {
    const size = random() < 0.5 ? 1 + below(random, 20) : 1 + below(random, 65_536);
    const length = bytes.copy(memory, 0, at, at + size);
    read(memory.subarray(0, length));
    memory.fill(0xff);
    at += length;
  }
}

/** Packs random bytes into random messages, with pings in between. */
function randomMessages(random: () => number): { content: Buffer; frames: Buffer; pings: string[] } {
  const content: Buffer[] = [];
  const frames: Buffer[] = [];
  const pings: string[] = [];
  for (let count = 0; count < 30; count++) {
    const size = random() < 0.1 ? below(random, 100_000) : below(random, 300);
    const bytes = Buffer.from(Array.from({ length: size }, () => below(random, 256)));
    content.push(bytes);
    const isCompressed = random() < 0.3;
    let rest = isCompressed ? compressed(bytes) : bytes;
    for (let isFirst = true, isFinal = false; !isFinal; isFirst = false) {
      const length = random() < 0.5 ? rest.length : below(random, rest.length + 1);
      isFinal = length === rest.length;
      const own = isFirst ? code.binary : code.continuation;
      frames.push(
        frame(rest.subarray(0, length), { code: own, isFinal, reserved: isFirst && isCompressed ? 4 : 0 }),
      );
      rest = rest.subarray(length);
      if (random() < 0.2) {
        pings.push(String(pings.length));
        frames.push(frame(String(pings.length - 1), { code: code.ping }));
      }
    }
  }
  return { content: Buffer.concat(content), frames: Buffer.concat(frames), pings };
}

/** Takes all output of a framing. */
function takeAll({ queue }: ReturnType<ReturnType<typeof framings>>): Buffer {
  const parts: Buffer[] = [];
  for (let taken = queue.take(); taken !== undefined; taken = queue.take()) {
    parts.push(Buffer.from(taken.buffer.subarray(taken.start, taken.end)));
    queue.give(taken.buffer);
  }
  return Buffer.concat(parts);
}

describe('WebsocketFraming', () => {
  it('delivers the content of any frames in any chunks, and answers every ping', () => {
    const create = framings();
    for (let seed = 1; seed <= 12; seed++) {
      const random = seeded(seed);
      const { content, frames, pings } = randomMessages(random);
      const framing = create(settings, new BufferPool());
      framing.maxMessageSize = 200_000;
      const connection = new Recorder();
      feed(frames, random, (chunk) => framing.read(chunk, connection));
      expect(connection.problem).toBe('');
      expect(Buffer.concat(connection.parts).equals(content), `seed ${seed}`).toBe(true);
      const pongs = new FrameDecoder().add(takeAll(framing));
      expect(pongs.map(({ payload }) => String(payload))).toEqual(pings);
    }
  });

  it.each([
    settings,
    { ...settings, compresses: false },
    { ...settings, isBrowser: true },
    { ...settings, isBrowser: true, compresses: false },
    { ...settings, isBrowser: true, mayFragmentCompressed: false },
  ])('packs any output into frames that contain it: %j', (own) => {
    const random = seeded(5);
    const framing = framings()(own, new BufferPool());
    const { queue } = framing;
    const decoder = new FrameDecoder();
    const expected: Buffer[] = [];
    const received: Buffer[] = [];
    let parts: Buffer[] = [];
    let isCompressed = false;
    for (let step = 0; step < 300; step++) {
      const size = random() < 0.05 ? below(random, 200_000) : below(random, 400);
      const bytes = Buffer.from(Array.from({ length: size }, () => below(random, 20)));
      bytes.copy(queue.room(size), queue.at);
      queue.advance(queue.at + size);
      expected.push(bytes);
      if (random() < 0.6) continue;
      expect(queue.pending).toBeGreaterThanOrEqual(0);
      for (const each of decoder.add(takeAll(framing))) {
        if (each.code !== code.continuation) isCompressed = each.isCompressed;
        parts.push(each.payload);
        if (!each.isFinal) continue;
        received.push(isCompressed ? decompressed(parts) : Buffer.concat(parts));
        parts = [];
      }
      expect(queue.pending).toBe(0);
    }
    // The last step may have left output in the queue.
    const whole = Buffer.concat(expected);
    expect(whole.subarray(0, whole.length - queue.pending).equals(Buffer.concat(received))).toBe(true);
    expect(received.length).toBeGreaterThan(50);
  });

  it('sends one close frame, behind everything else', () => {
    const framing = framings()({ ...settings, compresses: false }, new BufferPool());
    const { queue } = framing;
    Buffer.from('last').copy(queue.room(4), queue.at);
    queue.advance(queue.at + 4);
    framing.end('Server Shutdown');
    framing.end('Read Error');
    const sent = new FrameDecoder().add(takeAll(framing));
    expect(sent.map((each) => [each.code, each.payload.toString('latin1')])).toEqual([
      [code.binary, 'last'],
      [code.close, '\x03\xe9Server Shutdown'],
    ]);
  });

  it('keeps a compressed message of many fragments in little memory', () => {
    const framing = framings()(settings, new BufferPool());
    framing.maxMessageSize = 1_000_000;
    const connection = new Recorder();
    const chunk = () => frame('x', { code: code.continuation, isFinal: false });
    framing.read(frame('', { isFinal: false, reserved: 4 }), connection);
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 200_000; count++) framing.read(chunk(), connection);
    expect(connection.isOpen).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  });

  it('delivers nothing after the connection has closed', () => {
    const framing = framings()(settings, new BufferPool());
    const connection = new Recorder();
    connection.deliver = (bytes) => {
      connection.parts.push(Buffer.from(bytes));
      connection.isOpen = false;
    };
    const first = frame('a'.repeat(2000));
    framing.read(Buffer.concat([first, frame('b'.repeat(2000)), frame('c', { code: 3 })]), connection);
    expect(String(Buffer.concat(connection.parts))).toMatch(/^a+b*$/);
    expect(connection.problem).toBe('');
  });
});

describe('Unmasker', () => {
  it('removes the mask at every alignment of source, target and key', () => {
    const unmasker = new Unmasker();
    const key = new MaskingKey();
    const secret = Buffer.from([9, 8, 7, 6]);
    for (const length of [0, 1, 31, 32, 33, 100]) {
      for (let combination = 0; combination < 4 * 4 * 4 * 4; combination++) {
        const [offset, from, to, used] = [0, 2, 4, 6].map((bits) => (combination >> bits) & 3) as [
          number,
          number,
          number,
          number,
        ];
        const memory = Buffer.alloc(200, 7);
        const chunk = memory.subarray(offset);
        const source = to + from;
        for (let index = 0; index < length; index++) {
          chunk[source + index] = index ^ (secret[(used + index) & 3] as number);
        }
        key.set(secret, 0);
        key.at = used;
        unmasker.unmask(chunk, source, to, length, key);
        const unmasked = chunk.subarray(to, to + length);
        if (unmasked.some((byte, index) => byte !== index)) expect.fail(`${offset} ${from} ${to} ${used}`);
        if (key.at !== ((used + length) & 3)) expect.fail(`the key is at ${key.at}`);
      }
    }
  });
});
