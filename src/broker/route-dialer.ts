// Connects to other servers of the cluster, again and again where the configuration names them (route.go,
// connectToRoute). What is said over the connection is the RouteSession's business.
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '../log.ts';

/** How long a connection may take to be made (const.go, DEFAULT_ROUTE_DIAL). */
const dialMs = 1000;

/** Between two tries, and with back-off at the most (const.go). */
const firstDelayMs = 1000;
const lastDelayMs = 30_000;

/** The first try that failed is said aloud, and then one in this many (opts.go, connect_error_reports). */
const reportEvery = 3600;

export interface DialSettings {
  /** How often a failure is tried again; Infinity for ever. */
  readonly retries: number;
  readonly backoff: boolean;
  /** Milliseconds before the first try. */
  readonly delayMs: number;
  /** Asked before each try: false gives up. */
  readonly isWanted: () => boolean;
}

/** Connects; resolves with undefined where it gave up, or where `signal` has aborted. */
export async function dialRoute(
  url: URL,
  settings: DialSettings,
  log: Logger,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  let delay = firstDelayMs;
  try {
    if (settings.delayMs > 0) await wait(settings.delayMs, undefined, { signal });
    for (let attempt = 1; !signal.aborted && settings.isWanted(); attempt++) {
      log.debug(`Trying to connect to route on ${url.host}`);
      const outcome = await open(url, signal);
      if (!(outcome instanceof Error)) return outcome;
      if (signal.aborted) return undefined;
      const text = `Error trying to connect to route (attempt ${attempt}): ${url.host}: ${outcome.message}`;
      if (attempt % reportEvery === 1) log.error(text);
      else log.debug(text);
      if (attempt > settings.retries) return undefined;
      await wait(delay, undefined, { signal });
      if (settings.backoff) delay = Math.min(2 * delay, lastDelayMs);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return undefined;
}

function open(url: URL, signal: AbortSignal): Promise<Socket | Error> {
  return new Promise((resolve) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const socket = connect({ host, port: Number(url.port), noDelay: true, allowHalfOpen: true, signal });
    socket.setTimeout(dialMs, () => socket.destroy(new Error(`no answer in ${dialMs} ms`)));
    const fail = (error: Error) => resolve(error);
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
