// What a request from another account says of its client: the header Nats-Request-Info. What a client writes there itself
// is taken out.
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
  const others = block.slice(0, -2).replace(/(?<=\n)Nats-Request-Info:[^\n]*\n/g, '');
  const line = `${key}${Buffer.from(json).toString('latin1')}\r\n`;
  const content: Content = {
    headers: Buffer.from(`${others}${line}\r\n`, 'latin1'),
    payload: buffer.subarray(bodyStart, payloadEnd),
    reply,
  };
  return compose(subject, content);
}

/** Who a request says that it is from. */
export interface RequestInfo {
  readonly user: string;
  readonly acc: string;
  readonly svc: string;
}

/** Reads what a request says; undefined where it says nothing, or something else. */
export function requestInfo({ buffer, payloadStart, headerSize }: Publication): RequestInfo | undefined {
  const block = buffer.toString('utf8', payloadStart, payloadStart + headerSize);
  const json = /\nNats-Request-Info:([^\n]*)/.exec(block)?.[1];
  try {
    const said = JSON.parse(json ?? '');
    const [user = '', acc = '', svc = ''] = [said.user, said.acc, said.svc];
    return [user, acc, svc].every((text) => typeof text === 'string') ? { user, acc, svc } : undefined;
  } catch {
    return undefined;
  }
}
