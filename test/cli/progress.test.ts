import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withProgress } from '../../src/cli/progress.ts';

function fakeTerminal(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
}

describe('withProgress', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  async function run(isTTY: boolean, milliseconds: number) {
    const { stream, text } = fakeTerminal(isTTY);
    const work = withProgress(
      'making keys',
      (update) => {
        update(3, 6);
        return new Promise((resolve) => setTimeout(() => resolve('done'), milliseconds));
      },
      stream,
    );
    await vi.advanceTimersByTimeAsync(milliseconds);
    expect(await work).toBe('done');
    return text();
  }

  it('draws a bar after half a second, and erases its line at the end', async () => {
    const text = await run(true, 700);
    expect(text).toMatch(/making keys {2}(#|█){10}(-|░){10} .*3\/6/);
    expect(text.endsWith('\r\x1b[K')).toBe(true);
    expect(text).not.toContain('\n');
  });

  it('draws nothing for quick work, and nothing without a terminal', async () => {
    expect(await run(true, 400)).toBe('');
    expect(await run(false, 5000)).toBe('');
  });

  it('erases its line when the work fails', async () => {
    const { stream, text } = fakeTerminal(true);
    const work = withProgress(
      'x',
      () => new Promise((_, reject) => setTimeout(() => reject(new Error('no')), 600)),
      stream,
    );
    const failed = expect(work).rejects.toThrow('no');
    await vi.advanceTimersByTimeAsync(700);
    await failed;
    expect(text().endsWith('\r\x1b[K')).toBe(true);
  });
});
