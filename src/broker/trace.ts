// Protocol trace lines as nats-server writes them.
import { quoteBytes } from '../log.ts';
import type { Publication } from '../protocol/operations.ts';

/** The lines for a message that came in. @param max payload bytes shown */
export function tracePublication(publication: Publication, max: number): string[] {
  const { buffer, subjectStart, payloadStart, payloadEnd, headerSize } = publication;
  const line = buffer.toString('latin1', subjectStart, payloadStart - 2);
  const operation = `<<- [${headerSize > 0 ? 'HPUB' : 'PUB'} ${line}]`;
  const size = payloadEnd - payloadStart;
  if (size === 0) return [operation];
  const shown = quoteBytes(buffer.subarray(payloadStart, payloadStart + Math.min(size, max)));
  return [operation, `<<- MSG_PAYLOAD: [${size > max ? `${shown.slice(0, -1)}..."` : shown}]`];
}
