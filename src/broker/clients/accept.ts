// Accepts a new client connection, up to the point where its session reads: INFO before or after TLS, as configured.
// The Handshaker performs the TLS handshake itself.
import type { Socket } from 'node:net';
import { violations } from '../../protocol/violations.ts';
import { firstByte } from '../../tls/first-byte.ts';
import type { Handshaker } from '../../tls/handshake.ts';
import { HandshakeError } from '../../tls/handshake-error.ts';
import type { ServerTls } from '../transport/server-tls.ts';
import type { ClientSession } from './client.ts';

/** How the broker accepts new connections. */
export interface AcceptOptions {
  /** Undefined without TLS. */
  readonly tls: ServerTls | undefined;
  readonly allowNonTls: boolean;
  /** Whether max_connections is reached. */
  readonly isFull: boolean;
}

/** Accepts a new connection (server.go, createClientEx). */
export async function acceptClient(
  session: ClientSession,
  socket: Socket,
  options: AcceptOptions,
): Promise<void> {
  const { tls } = options;
  tls?.handshaker.accepted();
  let first = tls?.block.handshakeFirst;
  if (first === undefined) session.sendFirstInfo();
  if (options.isFull) {
    session.violation(violations.maxConnections);
    return;
  }
  if (tls === undefined) {
    session.start();
    return;
  }
  if (first?.fallbackMs !== undefined && (await firstByte(socket, first.fallbackMs)) === 'silent') {
    first = undefined;
    session.sendFirstInfo();
  }
  const mayBePlain = first === undefined && options.allowNonTls;
  if (mayBePlain && (await firstByte(socket, tls.block.timeoutMs)) !== 'tls') {
    if (session.connection.isOpen) session.start();
    return;
  }
  if (!session.connection.isOpen || !(await upgradeToTls(session, tls.handshaker, first !== undefined)))
    return;
  if (first !== undefined) session.sendFirstInfo();
  session.start();
}

/** Accepts a client whose WebSocket is open (websocket.go, createWSClient). */
export function acceptWebsocket(session: ClientSession, isFull: boolean): void {
  session.sendFirstInfo();
  if (isFull) session.violation(violations.maxConnections);
  else session.start();
}

/** Performs the TLS handshake; returns false if the session ended during it. */
async function upgradeToTls(
  session: ClientSession,
  handshaker: Handshaker,
  isFirst: boolean,
): Promise<boolean> {
  if (!handshaker.admit()) {
    session.violation(violations.throttled);
    return false;
  }
  session.log.debug('Starting TLS client connection handshake');
  try {
    session.secured(await handshaker.accept(session.connection.release()), isFirst);
    return session.connection.isOpen;
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    const line = `TLS handshake error: ${error.message}`;
    if (error.isProbe) session.log.debug(line);
    else session.log.error(line);
    session.connection.abort('TLS Handshake Failure');
    return false;
  }
}
