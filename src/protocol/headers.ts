// Changes of the header block of a message, as nats-server makes them (client.go, setHeader).
import type { Publication } from './operations.ts';
import { compose } from './publication.ts';

const emptyBlock = 'NATS/1.0\r\n\r\n';

/** The subjects of the copy; by default those of the message. */
export interface Address {
  readonly subject: Uint8Array;
  /** Empty for none. */
  readonly reply: Uint8Array;
}

/** Copies a message with this header as its last one, in place of headers of that name. @param name without characters that are special in a pattern */
export function withHeader(
  publication: Publication,
  name: string,
  value: string,
  { subject, reply } = addressOf(publication),
): Publication {
  const { buffer, headerSize, payloadStart, payloadEnd } = publication;
  const bodyStart = payloadStart + headerSize;
  const block = headerSize === 0 ? emptyBlock : buffer.toString('latin1', payloadStart, bodyStart);
  const otherLines = block.slice(0, -2).replace(new RegExp(`(?<=\\n)${name}:[^\\n]*\\n`, 'g'), '');
  const line = `${name}: ${Buffer.from(value).toString('latin1')}\r\n`;
  return compose(subject, {
    headers: Buffer.from(`${otherLines}${line}\r\n`, 'latin1'),
    payload: buffer.subarray(bodyStart, payloadEnd),
    reply,
  });
}

function addressOf({ buffer, subjectStart, subjectEnd, replyStart, replyEnd }: Publication): Address {
  return { subject: buffer.subarray(subjectStart, subjectEnd), reply: buffer.subarray(replyStart, replyEnd) };
}
