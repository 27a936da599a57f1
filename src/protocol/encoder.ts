// Operations to bytes: constant lines as ready buffers, and messages written in place into an output buffer.
import type { Publication } from './operations.ts';

export const pingLine = Buffer.from('PING\r\n');
export const pongLine = Buffer.from('PONG\r\n');
export const okLine = Buffer.from('+OK\r\n');

const MSG = Buffer.from('MSG ');
const HMSG = Buffer.from('HMSG ');

/** Makes the line that begins a connection; the space before its end is nats-server's. */
export function infoLine(json: string): Buffer {
  return Buffer.from(`INFO ${json} \r\n`);
}

/** Makes `-ERR 'text'`. */
export function errorLine(text: string): Buffer {
  return Buffer.from(`-ERR '${text}'\r\n`);
}

/** Makes the message that tells a requester that nobody listens (client.go, processInboundClientMsg). */
export function noRespondersMessage(reply: Buffer, sid: string, subject: Buffer): Buffer {
  const headers = `NATS/1.0 503\r\nNats-Subject: ${subject.toString('latin1')}\r\n\r\n`;
  const line = `HMSG ${reply.toString('latin1')} ${sid} ${headers.length} ${headers.length}\r\n`;
  return Buffer.from(`${line}${headers}\r\n`, 'latin1');
}

/** Bytes that `writeMessage` may write at the most. */
export function messageSize(publication: Publication, sid: Buffer): number {
  return publication.end - publication.subjectStart + sid.length + 6;
}

/**
 * Writes MSG or HMSG for one subscription at `at` and returns the place behind it.
 * @param sid the subscription's id with a space behind it
 * @param headers whether the receiver takes headers; where not, they are cut off
 */
export function writeMessage(
  target: Buffer,
  at: number,
  publication: Publication,
  sid: Buffer,
  headers: boolean,
): number {
  const { buffer, subjectStart, subjectEnd, end } = publication;
  if (publication.headerSize > 0 && !headers) return writeWithoutHeaders(target, at, publication, sid);
  const keyword = publication.headerSize > 0 ? HMSG : MSG;
  at = put(target, at, keyword, 0, keyword.length);
  at = put(target, at, buffer, subjectStart, subjectEnd + 1);
  at = put(target, at, sid, 0, sid.length);
  // All the rest reads in the publication as it must read in the message.
  return put(target, at, buffer, subjectEnd + 1, end);
}

function writeWithoutHeaders(target: Buffer, at: number, publication: Publication, sid: Buffer): number {
  const { buffer, subjectStart, subjectEnd, replyStart, replyEnd, headerSize } = publication;
  at = put(target, at, MSG, 0, MSG.length);
  at = put(target, at, buffer, subjectStart, subjectEnd + 1);
  at = put(target, at, sid, 0, sid.length);
  if (replyEnd > replyStart) at = put(target, at, buffer, replyStart, replyEnd + 1);
  const bodyStart = publication.payloadStart + headerSize;
  at += target.write(`${publication.payloadEnd - bodyStart}\r\n`, at, 'latin1');
  return put(target, at, buffer, bodyStart, publication.end);
}

/** Copies `source[from, to)` to `target[at...]`; below some forty bytes a loop beats the call into the runtime. */
function put(target: Buffer, at: number, source: Buffer, from: number, to: number): number {
  if (to - from > 40) {
    source.copy(target, at, from, to);
    return at + to - from;
  }
  while (from < to) target[at++] = source[from++] as number;
  return at;
}
