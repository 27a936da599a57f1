// How an answer in the system account is encoded, as the request wants it in `Accept-Encoding` (events.go,
// getAcceptEncoding): by gzip, or not. nats-server knows Snappy too; who asks for that takes a plain answer as well.
import { gzipSync } from 'node:zlib';
import type { Publication } from '../../protocol/operations.ts';
import type { Content } from '../../protocol/publication.ts';

export type Encoding = 'gzip' | 'identity';

/** Undefined where the request does not ask. */
export function encodingFor({ buffer, payloadStart, headerSize }: Publication): Encoding | undefined {
  const block = buffer.toString('latin1', payloadStart, payloadStart + headerSize);
  const accepted = /\nAccept-Encoding:[ \t]*([^\r\n]*)/.exec(block)?.[1];
  if (accepted === undefined || accepted === '') return undefined;
  return accepted.toLowerCase().includes('gzip') ? 'gzip' : 'identity';
}

/** Encodes the payload, and says so in a header. */
export function encode(payload: Buffer, encoding: Encoding | undefined): Content {
  if (encoding === undefined) return { payload };
  const headers = Buffer.from(`NATS/1.0\r\nContent-Encoding: ${encoding}\r\n\r\n`);
  return { headers, payload: encoding === 'gzip' ? gzipSync(payload) : payload };
}
