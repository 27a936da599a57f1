// The header Nats-Request-Info, which describes the client of a request from another account. Removes the header if the
// client has set it itself.
import type { Publication } from '../../protocol/operations.ts';
import { type Content, compose } from '../../protocol/publication.ts';

const key = 'Nats-Request-Info: ';
const emptyBlock = 'NATS/1.0\r\n\r\n';

/** Copies a request under the subject and the reply of the service, with the JSON in its headers. */
export function withRequestInfo(
  publication: Publication,
  subject: Uint8Array,
  reply: Uint8Array,
  json: string,
): Publication {
  const { buffer, headerSize, payloadStart, payloadEnd } = publication;
  const bodyStart = payloadStart + headerSize;
  const block = headerSize === 0 ? emptyBlock : buffer.toString('latin1', payloadStart, bodyStart);
  const otherLines = block.slice(0, -2).replace(/(?<=\n)Nats-Request-Info:[^\n]*\n/g, '');
  const line = `${key}${Buffer.from(json).toString('latin1')}\r\n`;
  const content: Content = {
    headers: Buffer.from(`${otherLines}${line}\r\n`, 'latin1'),
    payload: buffer.subarray(bodyStart, payloadEnd),
    reply,
  };
  return compose(subject, content);
}

/** The fields of the header that the broker reads. */
export interface RequestInfo {
  readonly user: string;
  readonly acc: string;
  readonly svc: string;
}

/** Parses the header of a request; undefined if it is absent or invalid. */
export function requestInfo({ buffer, payloadStart, headerSize }: Publication): RequestInfo | undefined {
  const block = buffer.toString('utf8', payloadStart, payloadStart + headerSize);
  const json = /\nNats-Request-Info:([^\n]*)/.exec(block)?.[1];
  try {
    const info = JSON.parse(json ?? '');
    const [user = '', acc = '', svc = ''] = [info.user, info.acc, info.svc];
    return [user, acc, svc].every((text) => typeof text === 'string') ? { user, acc, svc } : undefined;
  } catch {
    return undefined;
  }
}
