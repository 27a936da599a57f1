// Work that comes round again: at the moment it names itself, after a failure with growing pauses, and when the clock
// was moved. It knows nothing of the work.

/** Where time comes from; a test has its own. */
export interface Timekeeper {
  now(): Date;
  /** Milliseconds since some moment, which nobody can set. */
  elapsed(): number;
  /** Waits, or less when the signal is aborted; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface RoundsOptions {
  /** Does the work; returns when it wants to be called again. */
  readonly round: () => Promise<Date | undefined>;
  /** Called with what a round threw and the pause until the next, in milliseconds. */
  readonly onFailure: (error: unknown, pauseMs: number) => void;
  readonly time: Timekeeper;
  /** Ends it, after the round that is under way. */
  readonly signal: AbortSignal;
}

const secondMs = 1000;
/** Work is looked at this often even when it wants nothing: others may have changed what it is about. */
const longestRestMs = 3600 * secondMs;
const shortestRestMs = secondMs;
/** How soon a clock that was moved is noticed. */
const napMs = 60 * secondMs;
/** Clocks are moved by this much all the time (slewing), and timers are late by it. */
const clockToleranceMs = 5 * secondMs;
const firstPauseMs = 5 * secondMs;

/** Holds rounds until the signal is aborted; no failure of a round ends it. */
export async function runRounds(options: RoundsOptions): Promise<void> {
  const { round, onFailure, time, signal } = options;
  let failures = 0;
  while (!signal.aborted) {
    let restMs: number;
    try {
      const wanted = await round();
      failures = 0;
      restMs = restUntil(wanted, time.now());
    } catch (error) {
      restMs = pauseAfter(++failures);
      onFailure(error, restMs);
    }
    await rest(restMs, time, signal);
  }
}

/** Gives the pause after a number of failures in a row, in milliseconds: 5 seconds doubled each time, up to an hour. */
export function pauseAfter(failures: number): number {
  return Math.min(firstPauseMs * 2 ** (failures - 1), longestRestMs);
}

function restUntil(wanted: Date | undefined, now: Date): number {
  const ms = wanted === undefined ? longestRestMs : wanted.getTime() - now.getTime();
  return Math.min(Math.max(ms, shortestRestMs), longestRestMs);
}

/** Waits in naps, and no longer when the clock shows another time than it should after one. */
async function rest(ms: number, time: Timekeeper, signal: AbortSignal): Promise<void> {
  const start = time.elapsed();
  const offset = time.now().getTime() - start;
  for (;;) {
    const left = ms - (time.elapsed() - start);
    if (left <= 0 || signal.aborted) return;
    await time.sleep(Math.min(left, napMs), signal);
    const moved = time.now().getTime() - time.elapsed() - offset;
    if (Math.abs(moved) > clockToleranceMs) return;
  }
}
