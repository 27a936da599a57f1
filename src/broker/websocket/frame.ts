// WebSocket frames (RFC 6455 section 5.2), as this server sends them: never masked. Texts and status codes are
// nats-server's (websocket.go).
import type { CloseReason } from '../../protocol/violations.ts';

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export function isControl(code: number): boolean {
  return code >= opcode.close;
}

export const finalBit = 0x80;
/** Marks the first frame of a compressed message (RFC 7692 section 6). */
export const compressedBit = 0x40;
export const maskBit = 0x80;

/** Maximum size of the header of a frame without a mask, in bytes. */
export const maxHeaderSize = 10;

/** Maximum payload of a control frame, in bytes. */
export const maxControlSize = 125;

export const closeStatus = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  none: 1005,
  invalidText: 1007,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
  tls: 1015,
} as const;

/** Returns the size of the header for a payload of `length` bytes. */
export function headerSize(length: number): number {
  if (length <= maxControlSize) return 2;
  return length < 65_536 ? 4 : maxHeaderSize;
}

/** Writes the header of a frame at `at`; returns the offset behind it. @param first its first byte */
export function writeHeader(target: Buffer, at: number, first: number, length: number): number {
  target[at] = first;
  if (length <= maxControlSize) {
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    target[at + 1] = 126;
    return target.writeUInt16BE(length, at + 2);
  }
  target[at + 1] = 127;
  target.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
  return target.writeUInt32BE(length % 2 ** 32, at + 6);
}

/** Builds a control frame. @param payload at most `maxControlSize` bytes */
export function controlFrame(code: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([finalBit | code, payload.length]), payload]);
}

/** Builds a close frame. @param text at most 123 bytes */
export function closeFrame(status: number, text: string | Buffer): Buffer {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(text as string)]);
  payload.writeUInt16BE(status);
  return controlFrame(opcode.close, payload);
}

const statusOfReason: Partial<Record<CloseReason, number>> = {
  'Client Closed': closeStatus.normal,
  'Authentication Timeout': closeStatus.policy,
  'Authentication Failure': closeStatus.policy,
  'Slow Consumer (Pending Bytes)': closeStatus.policy,
  'Slow Consumer (Write Deadline)': closeStatus.policy,
  'Maximum Account Connections Exceeded': closeStatus.policy,
  'Maximum Connections Exceeded': closeStatus.policy,
  'Maximum Control Line Exceeded': closeStatus.policy,
  'Maximum Subscriptions Exceeded': closeStatus.policy,
  'TLS Handshake Failure': closeStatus.tls,
  'Parse Error': closeStatus.protocolError,
  'Protocol Violation': closeStatus.protocolError,
  'Bad Client Protocol Version': closeStatus.protocolError,
  'Maximum Message Payload Exceeded': closeStatus.tooBig,
  'Write Error': closeStatus.goingAway,
  'Read Error': closeStatus.goingAway,
  'Stale Connection': closeStatus.goingAway,
  'Server Shutdown': closeStatus.goingAway,
};

/** The status that tells the peer why its connection ends (websocket.go, wsEnqueueCloseMessage). */
export function closeStatusOf(reason: CloseReason): number {
  return statusOfReason[reason] ?? closeStatus.internal;
}

/** Whether a peer may send this status (RFC 6455 section 7.4; websocket.go, wsIsValidCloseStatus). */
export function isCloseStatus(status: number): boolean {
  if (status < 1000 || status >= 5000 || (status >= 1016 && status < 3000)) return false;
  return ![1004, closeStatus.none, 1006, closeStatus.tls].includes(status);
}
