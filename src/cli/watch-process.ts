// What `watch` is as a process: real time, signals that end it, and failures as lines in its log.
import { setTimeout as delay } from 'node:timers/promises';
import { formatDuration } from '../duration.ts';
import { LineLogger, type Logger } from '../log.ts';
import type { Timekeeper } from '../rounds.ts';
import { failureOf } from './failure.ts';

/** Makes the logger of a command that stays: lines on stderr as nats-server writes them. */
export function processLogger(): LineLogger {
  const colors = process.stderr.isTTY && !process.env.NO_COLOR;
  return new LineLogger((line) => process.stderr.write(line), { colors });
}

/** The machine's own time. */
export const realTime: Timekeeper = {
  now: () => new Date(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
};

/** Runs work until it ends; SIGINT and SIGTERM abort its signal, so that it ends where it is whole. */
export async function untilStopped(
  logger: Logger,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    logger.info(`Trapped "${name}" signal`);
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.on(name, stop);
  try {
    await work(controller.signal);
  } finally {
    for (const name of signals) process.off(name, stop);
  }
}

/** Logs what a round threw, with its hint and when it is tried again. */
export function logFailure(logger: Logger, thrown: unknown, pauseMs: number): void {
  const { message, hint } = failureOf(thrown);
  for (const line of message.split('\n')) logger.error(line);
  if (hint !== undefined) logger.error(`hint: ${hint}`);
  logger.warn(`trying again in ${formatDuration(pauseMs)}`);
}
