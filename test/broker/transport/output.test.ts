// OutputQueue and BufferPool: order of bytes, sizes of buffers, and exclusive use of each buffer.
import { describe, expect, it } from 'vitest';
import { BufferPool, OutputQueue } from '../../../src/broker/transport/output.ts';
import { below, seeded } from '../../support/seeded.ts';

function append(queue: OutputQueue, bytes: Buffer): void {
  const target = queue.room(bytes.length);
  bytes.copy(target, queue.at);
  queue.advance(queue.at + bytes.length);
}

function takeAll(queue: OutputQueue): Buffer {
  const parts: Buffer[] = [];
  for (let taken = queue.take(); taken !== undefined; taken = queue.take()) {
    parts.push(Buffer.from(taken.buffer.subarray(taken.start, taken.end)));
    queue.give(taken.buffer);
  }
  return Buffer.concat(parts);
}

describe('OutputQueue', () => {
  it('returns every byte in order, whatever the chunk sizes', () => {
    const random = seeded(3);
    const pool = new BufferPool();
    const queues = [new OutputQueue(pool), new OutputQueue(pool), new OutputQueue(pool)];
    const expected = queues.map((): Buffer[] => []);
    for (let step = 0; step < 3000; step++) {
      const index = below(random, queues.length);
      const queue = queues[index] as OutputQueue;
      const size = random() < 0.02 ? below(random, 200_000) : below(random, 400);
      const bytes = Buffer.alloc(size, step);
      append(queue, bytes);
      expected[index]?.push(bytes);
      expect(queue.pending).toBe(expected[index]?.reduce((sum, { length }) => sum + length, 0));
      if (random() < 0.05) {
        expect(takeAll(queue).equals(Buffer.concat(expected[index] as Buffer[]))).toBe(true);
        expected[index] = [];
        expect(queue.pending).toBe(0);
      }
    }
  });

  it('uses a small buffer for little output and larger buffers for more', () => {
    const queue = new OutputQueue(new BufferPool());
    append(queue, Buffer.alloc(10));
    expect(queue.take()?.buffer.length).toBe(2048);
    for (let step = 0; step < 2000; step++) append(queue, Buffer.alloc(100));
    const lengths: number[] = [];
    for (let taken = queue.take(); taken !== undefined; taken = queue.take())
      lengths.push(taken.buffer.length);
    expect(lengths).toEqual([2048, 16_384, 65_536, 65_536, 65_536]);
  });

  it('reuses the buffer of a large message, but not for small messages after it', () => {
    const queue = new OutputQueue(new BufferPool());
    for (const size of [200_000, 1_048_576 + 4096]) {
      append(queue, Buffer.alloc(size));
      const large = queue.take()?.buffer as Buffer;
      queue.give(large);
      append(queue, Buffer.alloc(size));
      expect(queue.take()?.buffer).toBe(large);
      append(queue, Buffer.alloc(10));
      expect(queue.take()?.buffer.length).toBe(65_536);
    }
  });

  it('reuses a buffer only after it has been given back', () => {
    const pool = new BufferPool();
    const [one, other] = [new OutputQueue(pool), new OutputQueue(pool)];
    append(one, Buffer.from('one'));
    const taken = one.take();
    append(other, Buffer.from('other'));
    expect(taken?.buffer.toString('latin1', 0, 3)).toBe('one');
    one.give(taken?.buffer as Buffer);
    append(one, Buffer.from('again'));
    expect(one.take()?.buffer).toBe(taken?.buffer);
  });
});
