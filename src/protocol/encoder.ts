// Operations to bytes: constant lines as ready buffers, and messages written in place into an output buffer.
import type { Publication } from './operations.ts';

export const pingLine = Buffer.from('PING\r\n');
export const pongLine = Buffer.from('PONG\r\n');
export const okLine = Buffer.from('+OK\r\n');

const MSG = Buffer.from('MSG ');
const HMSG = Buffer.from('HMSG ');
const RMSG = Buffer.from('RMSG ');
const WITH_REPLY = Buffer.from('+ ');
const WITHOUT_REPLY = Buffer.from('| ');

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

/**
 * Makes RS+, or RS- where nobody listens any more (nats-server, route.go, addRouteSubOrUnsubProtoToBuf).
 * @param account with a space behind it
 * @param queue in Latin-1
 */
export function interestLine(
  account: Buffer,
  subject: Buffer,
  queue: string | undefined,
  weight: number,
): Buffer {
  const group = queue === undefined ? '' : weight > 0 ? ` ${queue} ${weight}` : ` ${queue}`;
  const line = Buffer.allocUnsafe(4 + account.length + subject.length + group.length + 2);
  let at = line.write(weight > 0 ? 'RS+ ' : 'RS- ', 'latin1');
  at = put(line, at, account, 0, account.length);
  at = put(line, at, subject, 0, subject.length);
  line.write(`${group}\r\n`, at, 'latin1');
  return line;
}

/** Bytes that `writeRouted` may write at the most. */
export function routedSize(publication: Publication, account: Buffer, queues: readonly Buffer[]): number {
  const marks = queues.reduce((sum, queue) => sum + queue.length, WITH_REPLY.length);
  return publication.end - publication.subjectStart + account.length + marks + 5;
}

/**
 * Writes RMSG or HMSG for a route at `at` and returns the place behind it (nats-server, client.go, msgHeaderForRouteOrLeaf).
 * @param account with a space behind it
 * @param queues the groups that the other server is to serve, each with a space behind it
 */
export function writeRouted(
  target: Buffer,
  at: number,
  publication: Publication,
  account: Buffer,
  queues: readonly Buffer[],
  headers: boolean,
): number {
  const { buffer, subjectStart, subjectEnd, replyStart, replyEnd, headerSize, end } = publication;
  const cutsHeaders = headerSize > 0 && !headers;
  const keyword = headerSize > 0 && headers ? HMSG : RMSG;
  at = put(target, at, keyword, 0, keyword.length);
  at = put(target, at, account, 0, account.length);
  // Without queue groups all the rest reads in the publication as it must read here.
  if (queues.length === 0 && !cutsHeaders) return put(target, at, buffer, subjectStart, end);
  at = put(target, at, buffer, subjectStart, subjectEnd + 1);
  const hasReply = replyEnd > replyStart;
  if (queues.length > 0) {
    const mark = hasReply ? WITH_REPLY : WITHOUT_REPLY;
    at = put(target, at, mark, 0, mark.length);
  }
  if (hasReply) at = put(target, at, buffer, replyStart, replyEnd + 1);
  for (const queue of queues) at = put(target, at, queue, 0, queue.length);
  if (cutsHeaders) return writeBody(target, at, publication);
  return put(target, at, buffer, (hasReply ? replyEnd : subjectEnd) + 1, end);
}

function writeWithoutHeaders(target: Buffer, at: number, publication: Publication, sid: Buffer): number {
  const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
  at = put(target, at, MSG, 0, MSG.length);
  at = put(target, at, buffer, subjectStart, subjectEnd + 1);
  at = put(target, at, sid, 0, sid.length);
  if (replyEnd > replyStart) at = put(target, at, buffer, replyStart, replyEnd + 1);
  return writeBody(target, at, publication);
}

/** Writes the size and the payload without the headers. */
function writeBody(target: Buffer, at: number, publication: Publication): number {
  const { buffer, payloadEnd, end } = publication;
  const bodyStart = publication.payloadStart + publication.headerSize;
  at += target.write(`${payloadEnd - bodyStart}\r\n`, at, 'latin1');
  return put(target, at, buffer, bodyStart, end);
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
