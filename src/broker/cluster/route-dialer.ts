// Dials another server of the cluster until it answers (nats-server, route.go, connectToRoute). The RouteSession speaks
// the protocol over the connection.
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '../../log.ts';

/** Timeout of one attempt, in milliseconds (const.go, DEFAULT_ROUTE_DIAL). */
const dialMs = 1000;

/** Milliseconds between two attempts, and the maximum with back-off (const.go). */
const firstDelayMs = 1000;
const lastDelayMs = 30_000;

/** The first failed attempt and then every one of this many are logged as errors (opts.go, connect_error_reports). */
const reportEvery = 3600;

export interface DialSettings {
  /** Maximum number of retries; Infinity for no limit. */
  readonly retries: number;
  readonly backoff: boolean;
  /** Milliseconds before the first attempt. */
  readonly delayMs: number;
  /** In [0, 1): selects one address of a name. */
  readonly random: () => number;
  /** Whether an address is this server's own. */
  readonly isOwnAddress: (address: string, port: number) => boolean;
}

/**
 * Dials; resolves with undefined when its retries are used up, when every address is our own, or when `signal` aborts.
 */
export async function dialRoute(
  url: URL,
  settings: DialSettings,
  log: Logger,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  let delay = firstDelayMs;
  try {
    if (settings.delayMs > 0) await wait(settings.delayMs, undefined, { signal });
    for (let attempt = 1; !signal.aborted; attempt++) {
      const outcome = await open(url, settings, log, signal);
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

/** Resolves with undefined if every address of the name is this server's own. */
async function open(
  url: URL,
  { random, isOwnAddress }: DialSettings,
  log: Logger,
  signal: AbortSignal,
): Promise<Socket | Error | undefined> {
  const port = Number(url.port);
  try {
    const addresses = await addressesOf(url.hostname.replace(/^\[|\]$/g, ''));
    const others = addresses.filter((address) => addresses.length === 1 || !isOwnAddress(address, port));
    const host = others[Math.floor(random() * others.length)];
    if (host === undefined || signal.aborted) return undefined;
    log.debug(`Trying to connect to route on ${url.host} (${host})`);
    return await connected(host, port, signal);
  } catch (error) {
    return error as Error;
  }
}

/** Resolves a host to all its addresses: one name may stand for all servers of a cluster. */
async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function connected(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    const abort = () => socket.destroy(new Error('aborted'));
    signal.addEventListener('abort', abort);
    socket.setTimeout(dialMs, () => socket.destroy(new Error(`no answer within ${dialMs} ms`)));
    socket.once('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.setTimeout(0);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('close', () => signal.removeEventListener('abort', abort));
  });
}
