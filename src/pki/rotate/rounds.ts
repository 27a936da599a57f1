// Repeats work: at the time that the work asks for, after a failure with growing delays, and when the system clock was
// changed. It does not know what the work is.
import { setTimeout as delay } from 'node:timers/promises';

/** The source of time; tests pass their own. */
export interface Timekeeper {
  now(): Date;
  /** Milliseconds of a monotonic clock, which cannot be set. */
  elapsed(): number;
  /** Waits for `ms` milliseconds, or until the signal is aborted; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The system clock. */
export const systemTime: Timekeeper = {
  now: () => new Date(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
};

export interface RoundsOptions {
  /** Does the work; returns the time at which it wants to run again. */
  readonly round: () => Promise<Date | undefined>;
  /** Called with the error that a round threw and the delay until the next round, in milliseconds. */
  readonly onFailure: (error: unknown, pauseMs: number) => void;
  readonly time: Timekeeper;
  /** Returns the delay after consecutive failures, in milliseconds; default pauseAfter. */
  readonly pause?: (failures: number) => number;
  /** Asked before each delay: the next round begins as soon as this signal is aborted. */
  readonly hurry?: () => AbortSignal;
  /** Ends the loop, after the current round. */
  readonly signal: AbortSignal;
}

const secondMs = 1000;
/** The longest delay between rounds, whatever the work asks for: another process may have changed its input. */
const longestRestMs = 3600 * secondMs;
const shortestRestMs = secondMs;
/** How often the loop checks whether the system clock was changed. */
const napMs = 60 * secondMs;
/** A smaller difference is not a clock change: clocks are adjusted all the time (slewing), and timers fire late. */
const clockToleranceMs = 5 * secondMs;
const firstPauseMs = 5 * secondMs;

/** Runs rounds until the signal is aborted; a failed round does not end the loop. */
export async function runRounds(options: RoundsOptions): Promise<void> {
  const { round, onFailure, time, signal, pause = pauseAfter, hurry } = options;
  let failures = 0;
  while (!signal.aborted) {
    let restMs: number;
    try {
      const wanted = await round();
      failures = 0;
      restMs = restUntil(wanted, time.now());
    } catch (error) {
      restMs = pause(++failures);
      onFailure(error, restMs);
    }
    await rest(restMs, time, hurry === undefined ? signal : AbortSignal.any([signal, hurry()]));
  }
}

/** Returns the delay after consecutive failures, in milliseconds: 5 seconds, doubled each time, up to an hour. */
export function pauseAfter(failures: number): number {
  return Math.min(firstPauseMs * 2 ** (failures - 1), longestRestMs);
}

function restUntil(wanted: Date | undefined, now: Date): number {
  const ms = wanted === undefined ? longestRestMs : wanted.getTime() - now.getTime();
  return Math.min(Math.max(ms, shortestRestMs), longestRestMs);
}

/** Waits in short naps, and returns early when the system clock was changed during one of them. */
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
