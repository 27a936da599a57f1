// Creates publications that no client has sent: from their parts, or from another publication under a new subject.
import type { Publication } from './operations.ts';

/** The content of a message and its reply subject. */
export interface Content {
  readonly payload: Uint8Array;
  /** The complete header block, from `NATS/1.0` to its empty line. */
  readonly headers?: Uint8Array | undefined;
  readonly reply?: Uint8Array | undefined;
}

const none = new Uint8Array();

/** Creates a publication in a new buffer. @param subject without white space, like the reply subject */
export function compose(
  subject: Uint8Array,
  { payload, headers = none, reply = none }: Content,
): Publication {
  const sizes = `${headers.length > 0 ? `${headers.length} ` : ''}${headers.length + payload.length}\r\n`;
  return assemble(subject, reply, Buffer.from(sizes, 'latin1'), headers.length, [headers, payload, crlf]);
}

/** Copies a publication with another subject and reply subject. @param reply empty for none */
export function readdress(publication: Publication, subject: Uint8Array, reply: Uint8Array): Publication {
  const { buffer, subjectEnd, replyStart, replyEnd, payloadStart, end, headerSize } = publication;
  const sizesStart = (replyEnd > replyStart ? replyEnd : subjectEnd) + 1;
  const sizes = buffer.subarray(sizesStart, payloadStart);
  return assemble(subject, reply, sizes, headerSize, [buffer.subarray(payloadStart, end)]);
}

const crlf = Buffer.from('\r\n');
const space = Buffer.from(' ');

function assemble(
  subject: Uint8Array,
  reply: Uint8Array,
  sizes: Uint8Array,
  headerSize: number,
  rest: readonly Uint8Array[],
): Publication {
  const replyParts = reply.length > 0 ? [reply, space] : [];
  const buffer = Buffer.concat([subject, space, ...replyParts, sizes, ...rest]);
  const replyStart = reply.length > 0 ? subject.length + 1 : 0;
  const replyEnd = reply.length > 0 ? replyStart + reply.length : 0;
  return {
    buffer,
    subjectStart: 0,
    subjectEnd: subject.length,
    replyStart,
    replyEnd,
    headerSize,
    payloadStart: (reply.length > 0 ? replyEnd : subject.length) + 1 + sizes.length,
    payloadEnd: buffer.length - crlf.length,
    end: buffer.length,
    isNoted: false,
  };
}
