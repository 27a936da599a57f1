// The encoding of a response in the system account, chosen by `Accept-Encoding` of the request (events.go,
// getAcceptEncoding): gzip or none. nats-server also supports Snappy; a requester of that accepts a plain response as
// well.
import { gzipSync } from 'node:zlib';
import type { Publication } from '../../../protocol/operations.ts';
import type { Content } from '../../../protocol/publication.ts';

export type Encoding = 'gzip' | 'identity';

/** Returns undefined if the request does not name an encoding. */
export function encodingFor({ buffer, payloadStart, headerSize }: Publication): Encoding | undefined {
  const block = buffer.toString('latin1', payloadStart, payloadStart + headerSize);
  const accepted = /\nAccept-Encoding:[ \t]*([^\r\n]*)/.exec(block)?.[1];
  return accepted === undefined || accepted === '' ? undefined : encodingOf(accepted);
}

/** Chooses one of the encodings that a header accepts. */
export function encodingOf(accepted: string): Encoding {
  return accepted.toLowerCase().includes('gzip') ? 'gzip' : 'identity';
}

/** Encodes the payload and names the encoding in a header. */
export function encode(payload: Buffer, encoding: Encoding | undefined): Content {
  if (encoding === undefined) return { payload };
  const headers = Buffer.from(`NATS/1.0\r\nContent-Encoding: ${encoding}\r\n\r\n`);
  return { headers, payload: encoding === 'gzip' ? gzipSync(payload) : payload };
}
