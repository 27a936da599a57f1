// Looks at the first byte a client sends, without taking it: TLS or not.

import type { Socket } from 'node:net';

/**
 * Waits for the first byte: `tls` for a handshake record (0x16), `plain` for anything else, `silent` after `timeoutMs`
 * without one, `closed` when the client went away. The byte stays in the socket, which is left paused.
 */
export function firstByte(
  _socket: Socket,
  _timeoutMs: number,
): Promise<'tls' | 'plain' | 'silent' | 'closed'> {
  throw new Error('not yet');
}
