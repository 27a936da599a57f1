// Compression of whole messages without context takeover (permessage-deflate, RFC 7692 section 7.2), which needs no memory
// between two messages. Level and threshold are nats-server's (websocket.go).
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

/** Output of up to this many bytes is sent uncompressed. */
export const compressionThreshold = 64;

/** The end of a flushed deflate stream, which a message leaves out. */
const flushed = Buffer.from([0, 0, 0xff, 0xff]);

/** Compresses the payload of a message. */
export function deflate(payload: Buffer): Buffer {
  const whole = deflateRawSync(payload, {
    level: constants.Z_BEST_SPEED,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  return whole.subarray(0, whole.length - flushed.length);
}

/** Decompresses the payload of a message; throws if it is invalid or larger than `maxSize` bytes. */
export function inflate(payload: Buffer, maxSize: number): Buffer {
  return inflateRawSync(Buffer.concat([payload, flushed]), {
    finishFlush: constants.Z_SYNC_FLUSH,
    maxOutputLength: maxSize,
  });
}
