// Protocol trace lines in nats-server's format.
import { quoteBytes } from '../../log.ts';
import type { Publication } from '../../protocol/operations.ts';

/** Formats the lines for a received message. @param max maximum number of payload bytes shown */
export function tracePublication(publication: Publication, max: number): string[] {
  const { buffer, subjectStart, payloadStart, payloadEnd, headerSize } = publication;
  const line = buffer.toString('latin1', subjectStart, payloadStart - 2);
  const operation = `<<- [${headerSize > 0 ? 'HPUB' : 'PUB'} ${line}]`;
  const size = payloadEnd - payloadStart;
  if (size === 0) return [operation];
  const shown = quoteBytes(buffer.subarray(payloadStart, payloadStart + Math.min(size, max)));
  return [operation, `<<- MSG_PAYLOAD: [${size > max ? `${shown.slice(0, -1)}..."` : shown}]`];
}

/**
 * Formats the line for a message sent to the subscription `sid`.
 * @param headers whether the receiver supports headers
 */
export function traceMessage(publication: Publication, sid: string, headers: boolean): string {
  const { buffer, subjectStart, subjectEnd, replyStart, replyEnd, headerSize } = publication;
  const size = publication.payloadEnd - publication.payloadStart;
  const sizes = headerSize === 0 ? [size] : headers ? [headerSize, size] : [size - headerSize];
  const words = [
    headerSize > 0 && headers ? 'HMSG' : 'MSG',
    buffer.toString('latin1', subjectStart, subjectEnd),
    sid,
    ...(replyEnd > replyStart ? [buffer.toString('latin1', replyStart, replyEnd)] : []),
    ...sizes,
  ];
  return `->> [${words.join(' ')}]`;
}
