// The way of a new connection to a session that is read: INFO before or after TLS, as the configuration says. TLS itself is
// made by the Handshaker.
import type { Socket } from 'node:net';
import { violations } from '../../protocol/violations.ts';
import { firstByte } from '../../tls/first-byte.ts';
import type { Handshaker } from '../../tls/handshake.ts';
import { HandshakeError } from '../../tls/handshake-error.ts';
import type { TlsEntrance } from '../transport/tls-entrance.ts';
import type { ClientSession } from './client.ts';

/** How new connections are let in. */
export interface Entrance {
  /** Undefined without TLS. */
  readonly tls: TlsEntrance | undefined;
  readonly allowNonTls: boolean;
  /** No more clients than there are. */
  readonly isFull: boolean;
}

/** Takes a new connection to where its session reads (server.go, createClientEx). */
export async function welcome(session: ClientSession, socket: Socket, entrance: Entrance): Promise<void> {
  const { tls } = entrance;
  let first = tls?.block.handshakeFirst;
  if (first === undefined) session.greet();
  if (entrance.isFull) {
    session.violation(violations.maxConnections);
    return;
  }
  if (tls === undefined) {
    session.start();
    return;
  }
  if (first?.fallbackMs !== undefined && (await firstByte(socket, first.fallbackMs)) === 'silent') {
    first = undefined;
    session.greet();
  }
  const mayBePlain = first === undefined && entrance.allowNonTls;
  if (mayBePlain && (await firstByte(socket, tls.block.timeoutMs)) !== 'tls') {
    if (session.connection.isOpen) session.start();
    return;
  }
  if (!session.connection.isOpen || !(await upgrade(session, tls.handshaker, first !== undefined))) return;
  if (first !== undefined) session.greet();
  session.start();
}

/** Makes the TLS connection; false where the session has ended over it. */
async function upgrade(session: ClientSession, handshaker: Handshaker, isFirst: boolean): Promise<boolean> {
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
