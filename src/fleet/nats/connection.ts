// Connects the fleet to NATS servers with @nats-io/transport-node. The package loads slowly, so import this file dynamically.
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import type { Logger } from '../../log.ts';
import type { PairFiles, PkiDirectory } from '../../pki/store/directory.ts';

export type { Msg, NatsConnection } from '@nats-io/transport-node';

export interface NatsOptions {
  /** `nats://` or `tls://` URLs; all of the same system. */
  readonly servers: readonly string[];
  readonly directory: PkiDirectory;
  /** The client pair; without one, only servers that do not ask for a certificate accept the connection. */
  readonly pair?: PairFiles;
  /** What the server shows as the name of the client. */
  readonly name: string;
  /** Whether to connect again after the connection is lost, for as long as it takes. */
  readonly persistent?: boolean;
  readonly timeoutMs?: number;
}

/** How long the library waits before it connects to the same server again, in milliseconds. */
const betweenAttemptsMs = 2000;

/**
 * Connects. The files are read at each attempt, so that a connection that was lost continues with a renewed pair. Throws
 * `unreachable`.
 */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const { servers, directory, pair, name, persistent = false, timeoutMs = 5000 } = options;
  // The library knows only one scheme.
  const plain = servers.map((url) => url.replace(/^tls:\/\//i, 'nats://'));
  const users = plain.map((url) => new URL(url)).find(({ username }) => username !== '');
  try {
    return await connect({
      servers: plain.map((url) => new URL(url).host),
      name,
      timeout: timeoutMs,
      reconnect: persistent,
      // A server may refuse the pair until it has read new pins.
      ignoreAuthErrorAbort: persistent,
      maxReconnectAttempts: persistent ? -1 : 0,
      reconnectTimeWait: betweenAttemptsMs,
      tls: {
        caFile: directory.authorityFile,
        ...given({ certFile: pair?.certificateFile, keyFile: pair?.keyFile }),
      },
      ...given({
        user: users && decodeURIComponent(users.username),
        pass: users && decodeURIComponent(users.password),
      }),
    });
  } catch (cause) {
    const shown = plain.map((url) => new URL(url).host).join(', ');
    throw new NatspkiError('unreachable', `cannot connect to NATS at ${shown}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Logs what happens to a connection, and tells when it is lost and made again, until it is closed. */
export async function logConnection(
  connection: NatsConnection,
  logger: Pick<Logger, 'info' | 'warn'>,
  onState: (isConnected: boolean) => void = () => undefined,
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect' || status.type === 'reconnect') onState(status.type === 'reconnect');
    if (status.type === 'disconnect') logger.warn(`Lost the NATS server at ${status.server}, trying again`);
    else if (status.type === 'reconnect') logger.info(`Connected to the NATS server at ${status.server}`);
    else if (status.type === 'error') logger.warn(`NATS: ${status.error.message}`);
  }
}
