// The parts of `watch` that belong to its process: the signals that end it, and its log.
import { formatDuration } from '../duration.ts';
import { LineLogger, type Logger } from '../log.ts';
import { failureOf } from './failure.ts';

/** Returns a logger that writes to stderr in the format of nats-server. */
export function processLogger(): LineLogger {
  const colors = process.stderr.isTTY && !process.env.NO_COLOR;
  return new LineLogger((line) => process.stderr.write(line), { colors });
}

/** Runs `work`. SIGINT and SIGTERM abort its signal, so that it can end between two changes. */
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

/** Makes SIGHUP end a rest early: aborts the present signal, until `take` reports it once. */
export function onHangup(logger: Pick<Logger, 'info'>): {
  readonly signal: () => AbortSignal;
  readonly take: () => boolean;
  readonly off: () => void;
} {
  let controller = new AbortController();
  const hurry = () => {
    logger.info('Trapped "SIGHUP" signal');
    controller.abort();
  };
  process.on('SIGHUP', hurry);
  return {
    signal: () => controller.signal,
    take: () => {
      const { aborted } = controller.signal;
      if (aborted) controller = new AbortController();
      return aborted;
    },
    off: () => process.off('SIGHUP', hurry),
  };
}

/** Logs the error of a failed round, its hint, and when the next attempt follows. */
export function logFailure(logger: Logger, thrown: unknown, pauseMs: number): void {
  const { message, hint } = failureOf(thrown);
  for (const line of message.split('\n')) logger.error(line);
  if (hint !== undefined) logger.error(`hint: ${hint}`);
  logger.warn(`trying again in ${formatDuration(pauseMs)}`);
}
