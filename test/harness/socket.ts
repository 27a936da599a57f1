// Connects to a server as every client of the tests does: over TCP, and over TLS once the client wants it.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';

/** Connects to a port of this host without reading anything. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Reads on until a connection has ended, however: `once` of node:events rejects when it was reset. */
export async function closed(connection: Duplex): Promise<void> {
  connection.on('error', () => {}).resume();
  if (!connection.closed) await new Promise<void>((resolve) => connection.once('close', resolve));
}

/** Continues a connection over TLS; rejects when the handshake fails on this side. */
export async function upgradeSocket(socket: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  socket.removeAllListeners('data');
  socket.pause();
  const secure = connectTls({ ...options, socket });
  await once(secure, 'secureConnect');
  return secure;
}

/** Returns the CONNECT line of a client that is neither verbose nor pedantic unless these members say otherwise. */
export function connectLine(members: object = {}): string {
  return `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...members })}\r\n`;
}
