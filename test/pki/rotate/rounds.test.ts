// Rounds on a simulated clock: when they run, and what makes them run sooner or later.
import { describe, expect, it } from 'vitest';
import { pauseAfter, runRounds, type Timekeeper } from '../../../src/pki/rotate/rounds.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** A clock that advances during sleep; each of `jumps` changes the system time at an elapsed time. */
class TestTime implements Timekeeper {
  #elapsed = 0;
  readonly #jumps: [at: number, by: number][];

  constructor(jumps: [at: number, by: number][] = []) {
    this.#jumps = jumps;
  }

  now(): Date {
    const jumped = this.#jumps.filter(([at]) => at <= this.#elapsed).reduce((sum, [, by]) => sum + by, 0);
    return new Date(Date.UTC(2026, 0, 1) + this.#elapsed + jumped);
  }

  elapsed(): number {
    return this.#elapsed;
  }

  async sleep(ms: number): Promise<void> {
    this.#elapsed += ms;
  }
}

/** Runs as many rounds as there are answers; returns when each one started, in milliseconds since the first. */
async function moments(
  answers: readonly (number | undefined | Error)[],
  time = new TestTime(),
): Promise<{ at: number[]; pauses: number[] }> {
  const at: number[] = [];
  const pauses: number[] = [];
  const controller = new AbortController();
  await runRounds({
    round: async () => {
      const answer = answers[at.length];
      at.push(time.elapsed());
      if (at.length === answers.length) controller.abort();
      if (answer instanceof Error) throw answer;
      return answer === undefined ? undefined : new Date(time.now().getTime() + answer);
    },
    onFailure: (_error, pauseMs) => pauses.push(pauseMs),
    time,
    signal: controller.signal,
  });
  return { at, pauses };
}

describe('rounds', () => {
  it('runs the next round at the time that the work asks for', async () => {
    expect((await moments([10 * minute, 90 * second, 0])).at).toEqual([0, 10 * minute, 11.5 * minute]);
  });

  it('waits at most an hour and at least a second, whatever time the work asks for', async () => {
    expect((await moments([undefined, 100 * hour, -5 * hour, 0])).at).toEqual([
      0,
      hour,
      2 * hour,
      2 * hour + second,
    ]);
  });

  it('continues after failures, with delays that double up to an hour and start over after a success', async () => {
    const no = new Error('no');
    const { at, pauses } = await moments([no, no, no, minute, no, 0]);
    expect(pauses).toEqual([5, 10, 20, 5].map((seconds) => seconds * second));
    expect(at).toEqual([0, 5, 15, 35, 95, 100].map((seconds) => seconds * second));
    expect([1, 2, 10, 11, 1000].map(pauseAfter)).toEqual([5000, 10_000, 2_560_000, hour, hour]);
  });

  it.each([
    ['forward', 40 * hour],
    ['back', -40 * hour],
  ])('runs within a minute after the system clock is set %s', async (_direction, by) => {
    const time = new TestTime([[10 * minute + second, by]]);
    expect((await moments([undefined, undefined, 0], time)).at).toEqual([0, 11 * minute, 11 * minute + hour]);
  });

  it('does not run early after a small correction of the system clock', async () => {
    expect((await moments([undefined, 0], new TestTime([[minute, 2 * second]]))).at).toEqual([0, hour]);
  });

  it('ends in the middle of a delay when the signal is aborted, after the current round has finished', async () => {
    const controller = new AbortController();
    const time = new TestTime();
    let done = 0;
    await runRounds({
      round: async () => {
        await Promise.resolve();
        done++;
        return undefined;
      },
      onFailure: () => expect.unreachable(),
      time: {
        now: () => time.now(),
        elapsed: () => time.elapsed(),
        sleep: async (ms) => {
          await time.sleep(ms);
          if (time.elapsed() >= 3 * minute) controller.abort();
        },
      },
      signal: controller.signal,
    });
    expect(done).toBe(1);
    expect(time.elapsed()).toBe(3 * minute);
  });
});
