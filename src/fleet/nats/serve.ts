// Keeps the NATS service of an authority running: connects with the authority's own client pair, answers, and starts again
// when the connection is closed for good.
import { setTimeout as delay } from 'node:timers/promises';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import type { Logger } from '../../log.ts';
import type { NatsConnection } from './connection.ts';
import type { NatsServiceOptions } from './service.ts';
import { serviceUser } from './subjects.ts';

export interface ServeOptions extends Omit<NatsServiceOptions, 'connection' | 'logger'> {
  /** `nats://` or `tls://` URLs of one system. */
  readonly servers: readonly string[];
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Told when the connection is made, and when it is lost. */
  readonly onState?: (isConnected: boolean) => void;
  /** Ends the service. */
  readonly signal: AbortSignal;
  /** Milliseconds between attempts to connect. */
  readonly pauseMs?: number;
}

/**
 * Serves until the signal is aborted. Throws `no-client-pair` at once when there is no pair to connect with; a server that
 * does not answer is tried again.
 */
export async function serveOverNats(options: ServeOptions): Promise<void> {
  const { logger, signal, authority, servers, pauseMs = 2000 } = options;
  const { directory } = authority;
  const pair = directory.pair(serviceUser);
  if (!exists(pair.certificateFile) || !exists(pair.keyFile)) {
    throw new NatspkiError(
      'no-client-pair',
      `there is no pair "${serviceUser}" in "${directory.path}" to connect to NATS with`,
      { hint: `natspki issue client ${serviceUser} --dir ${directory.path}` },
    );
  }
  const { connectNats } = await import('./connection.ts');
  let complaint = '';
  while (!signal.aborted) {
    try {
      const facts = { servers, directory, pair, name: 'natspki serve', persistent: true };
      await serveOn(await connectNats(facts), options);
      complaint = '';
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      if (error.message !== complaint) logger.warn(`${error.message}, trying again`);
      complaint = error.message;
    }
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Serves on a connection until it is closed, or closes it when the signal is aborted. */
async function serveOn(connection: NatsConnection, options: ServeOptions): Promise<void> {
  const { logger, signal, onState = () => undefined } = options;
  const { NatsService } = await import('./service.ts');
  const { logConnection } = await import('./connection.ts');
  const stop = async () => {
    await service.stop();
    await connection.close();
  };
  const service = await NatsService.start({ ...options, connection });
  logger.info(`Answering over NATS at ${connection.getServer()}`);
  onState(true);
  void logConnection(connection, logger, onState);
  const onAbort = () => void stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const error = await connection.closed();
  onState(false);
  signal.removeEventListener('abort', onAbort);
  if (error instanceof Error) logger.warn(`NATS closed the connection: ${error.message}`);
}
