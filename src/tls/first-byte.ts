// Detects by the first byte that a client sends whether it speaks TLS, without consuming it. Makes no TLS connection.

import type { Socket } from 'node:net';

/** The content type of a TLS record that carries a handshake (RFC 8446 section 5.1). */
const handshakeRecord = 0x16;

/**
 * Waits for the first byte: `tls` for a handshake, `plain` for anything else, `silent` after `timeoutMs` without one,
 * `closed` when the client has disconnected. The received bytes stay in the socket for its next reader.
 */
export function firstByte(socket: Socket, timeoutMs: number): Promise<'tls' | 'plain' | 'silent' | 'closed'> {
  return new Promise((resolve) => {
    const done = (what: 'tls' | 'plain' | 'silent' | 'closed') => {
      clearTimeout(timer);
      socket.off('readable', look).off('end', gone).off('close', gone).off('error', gone);
      resolve(what);
    };
    const look = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      socket.unshift(chunk);
      done(chunk[0] === handshakeRecord ? 'tls' : 'plain');
    };
    const gone = () => done('closed');
    const timer = setTimeout(() => done('silent'), timeoutMs);
    if (socket.destroyed || socket.readableEnded) gone();
    else socket.on('readable', look).on('end', gone).on('close', gone).on('error', gone);
  });
}
