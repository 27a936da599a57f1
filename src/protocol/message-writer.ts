// Encodes messages directly into an output buffer.
import type { Publication } from './operations.ts';

const MSG = Buffer.from('MSG ');
const HMSG = Buffer.from('HMSG ');
const RMSG = Buffer.from('RMSG ');
const WITH_REPLY = Buffer.from('+ ');
const WITHOUT_REPLY = Buffer.from('| ');

const SPACE = 0x20;

/** Up to this many bytes, copying one by one is faster than a call into the runtime. */
const short = 24;

const nothing: Buffer = Buffer.alloc(0);

/** Returns the maximum number of bytes that `writeMessage` writes. */
export function messageSize(publication: Publication, sid: string): number {
  return publication.end - publication.subjectStart + sid.length + 7;
}

/** Returns the maximum number of bytes that `writeRouted` writes. */
export function routedSize(publication: Publication, account: Buffer, queues: readonly Buffer[]): number {
  const marks = queues.reduce((sum, queue) => sum + queue.length, WITH_REPLY.length);
  return publication.end - publication.subjectStart + account.length + marks + 5;
}

/** Writes the messages of all connections of a broker; one publication is usually written several times. */
export class MessageWriter {
  /** The most recent source of a copy, with its memory and its offset there. */
  #source: Buffer = nothing;
  #memory: ArrayBufferLike = nothing.buffer;
  #offset = nothing.byteOffset;

  /**
   * Writes MSG or HMSG for one subscription at `at`; returns the offset after it.
   * @param sid the id of the subscription, in Latin-1
   * @param headers whether the receiver supports headers; otherwise they are removed
   */
  writeMessage(target: Buffer, at: number, publication: Publication, sid: string, headers: boolean): number {
    const { buffer, subjectStart, subjectEnd, end } = publication;
    if (publication.headerSize > 0 && !headers)
      return this.#writeWithoutHeaders(target, at, publication, sid);
    const keyword = publication.headerSize > 0 ? HMSG : MSG;
    at = this.#put(target, at, keyword, 0, keyword.length);
    at = this.#put(target, at, buffer, subjectStart, subjectEnd + 1);
    at = putSid(target, at, sid);
    // The rest of the publication is identical to the rest of the message.
    return this.#put(target, at, buffer, subjectEnd + 1, end);
  }

  /**
   * Writes RMSG or HMSG for a route at `at`; returns the offset after it (nats-server's client.go, msgHeaderForRouteOrLeaf).
   * @param account followed by a space
   * @param queues the queue groups that the other server must serve, each followed by a space
   * @param headers whether the route supports headers; otherwise they are removed
   */
  writeRouted(
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
    at = this.#put(target, at, keyword, 0, keyword.length);
    at = this.#put(target, at, account, 0, account.length);
    // Without queue groups, the rest of the publication is identical to the rest of the message.
    if (queues.length === 0 && !cutsHeaders) return this.#put(target, at, buffer, subjectStart, end);
    at = this.#put(target, at, buffer, subjectStart, subjectEnd + 1);
    const hasReply = replyEnd > replyStart;
    if (queues.length > 0) {
      const mark = hasReply ? WITH_REPLY : WITHOUT_REPLY;
      at = this.#put(target, at, mark, 0, mark.length);
    }
    if (hasReply) at = this.#put(target, at, buffer, replyStart, replyEnd + 1);
    for (const queue of queues) at = this.#put(target, at, queue, 0, queue.length);
    if (cutsHeaders) return this.#writeBody(target, at, publication);
    return this.#put(target, at, buffer, (hasReply ? replyEnd : subjectEnd) + 1, end);
  }

  #writeWithoutHeaders(target: Buffer, at: number, publication: Publication, sid: string): number {
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
    at = this.#put(target, at, MSG, 0, MSG.length);
    at = this.#put(target, at, buffer, subjectStart, subjectEnd + 1);
    at = putSid(target, at, sid);
    if (replyEnd > replyStart) at = this.#put(target, at, buffer, replyStart, replyEnd + 1);
    return this.#writeBody(target, at, publication);
  }

  /** Writes the size and the payload without the headers. */
  #writeBody(target: Buffer, at: number, publication: Publication): number {
    const { buffer, payloadEnd, end } = publication;
    const bodyStart = publication.payloadStart + publication.headerSize;
    at += target.write(`${payloadEnd - bodyStart}\r\n`, at, 'latin1');
    return this.#put(target, at, buffer, bodyStart, end);
  }

  /** Copies `source[from, to)` to `target[at...]`. */
  #put(target: Buffer, at: number, source: Buffer, from: number, to: number): number {
    if (to - from > short) {
      if (source !== this.#source) {
        this.#source = source;
        this.#memory = source.buffer;
        this.#offset = source.byteOffset;
      }
      // Does the same as `copy`, without a lookup of the source's memory each time, which takes as long as the copy.
      target.set(new Uint8Array(this.#memory, this.#offset + from, to - from), at);
      return at + to - from;
    }
    while (from < to) target[at++] = source[from++] as number;
    return at;
  }
}

/** Writes the id and a space. An id that is used rarely is read faster from a string than from a Buffer. */
function putSid(target: Buffer, at: number, sid: string): number {
  const { length } = sid;
  if (length > short) at += target.write(sid, at, 'latin1');
  else for (let index = 0; index < length; index++) target[at++] = sid.charCodeAt(index);
  target[at] = SPACE;
  return at + 1;
}
