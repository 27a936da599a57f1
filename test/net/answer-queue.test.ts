// AnswerQueue: the order of responses, and the limit on the memory of long responses to slow readers.
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { json, text } from '../../src/net/answer.ts';
import { AnswerQueue } from '../../src/net/answer-queue.ts';

const megabyte = 1024 * 1024;
const long = (megabytes: number) => text(200, 'x'.repeat(megabytes * megabyte));

it('computes one response at a time and pauses after it for as long as it took', async () => {
  const queue = new AnswerQueue();
  const times: number[] = [];
  const work = async () => {
    times.push(performance.now());
    while (performance.now() - (times.at(-1) as number) < 20);
    times.push(performance.now());
    return text(200, '');
  };
  const ask = () => queue.answer({ destroyed: false } as never, new EventEmitter() as never, work);
  await Promise.all([ask(), ask(), ask()]);
  const [, end = 0, second = 0, secondEnd = 0, third = 0] = times;
  expect(times).toHaveLength(6);
  // A timer may be a millisecond early.
  expect(Math.min(second - end, third - secondEnd)).toBeGreaterThan(18);
});

it('continues after a failed response and computes none for a disconnected requester', async () => {
  const queue = new AnswerQueue();
  const ask = (destroyed: boolean, work: () => Promise<ReturnType<typeof text>>) =>
    queue.answer({ destroyed } as never, new EventEmitter() as never, work);
  const failed = ask(false, () => Promise.reject(new Error('no')));
  const left = ask(true, () => Promise.reject(new Error('disconnected')));
  const last = ask(false, () => Promise.resolve(text(200, 'yes')));
  await expect(failed).rejects.toThrow('no');
  expect(await left).toBeUndefined();
  expect((await last)?.body).toBe('yes');
});

it('computes an urgent response ahead of all queued ones', async () => {
  const queue = new AnswerQueue();
  const order: string[] = [];
  const ask = (name: string, isUrgent: boolean) => {
    const work = async () => text(order.push(name), '');
    return queue.answer({ destroyed: false } as never, new EventEmitter() as never, work, isUrgent);
  };
  await Promise.all([ask('first', false), ask('second', false), ask('third', false), ask('urgent', true)]);
  expect(order.indexOf('urgent')).toBeLessThan(2);
});

it('rejects a long response while others exceed the limit and accepts it when one has been read', () => {
  const queue = new AnswerQueue();
  const readers = Array.from({ length: 4 }, () => new EventEmitter());
  for (const reader of readers) expect(queue.limit(long(16), reader as never).status).toBe(200);
  expect(queue.limit(long(1), new EventEmitter() as never)).toMatchObject({
    status: 503,
    body: expect.stringContaining('limit'),
  });
  readers[0]?.emit('close');
  expect(queue.limit(long(1), new EventEmitter() as never).status).toBe(200);
});

it('accepts a response above the limit if no other is in progress', () => {
  expect(new AnswerQueue().limit(long(70), new EventEmitter() as never).status).toBe(200);
});

it('always accepts a short response', () => {
  const queue = new AnswerQueue();
  queue.limit(long(70), new EventEmitter() as never);
  expect(queue.limit(json({ status: 'ok' }), new EventEmitter() as never).status).toBe(200);
});
