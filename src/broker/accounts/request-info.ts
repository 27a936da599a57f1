// What a request from another account says of its client: the header Nats-Request-Info, JSON in nats-server's fields and
// their order (events.go, ClientInfo). What a client writes there itself is taken out.

import { goTime } from '../../go-time.ts';
import type { Publication } from '../../protocol/operations.ts';
import { type Content, compose } from '../../protocol/publication.ts';
import type { Requester } from './subscription.ts';

const key = 'Nats-Request-Info: ';
const emptyBlock = 'NATS/1.0\r\n\r\n';

/** Of a request that passes through several accounts. */
export interface Passage {
  /** The account that the client is in. */
  readonly account: string;
  /** The account that passes the request on; undefined for that of the client. */
  readonly service: string | undefined;
  /** Whether it says who the client is. */
  readonly isShared: boolean;
}

/** The server that tells of its client. */
export interface TellingServer {
  readonly name: string;
  readonly cluster: string | undefined;
}

/** Makes the JSON. @param server named in it; undefined for none */
export function describeRequester(
  requester: Requester,
  { account, service, isShared }: Passage,
  server: TellingServer | undefined,
): string {
  const { rttMs, start, host, id, user, name, lang, version } = requester;
  const info = {
    start: isShared ? goTime(start) : undefined,
    host: (isShared && host) || undefined,
    id: isShared ? id : undefined,
    acc: account,
    svc: service,
    user: (isShared && user) || undefined,
    name: (isShared && name) || undefined,
    lang: (isShared && lang) || undefined,
    ver: (isShared && version) || undefined,
    rtt: Math.round(rttMs * 1e6) || undefined,
    server: server?.name,
    cluster: server?.cluster,
    kind: isShared ? 'Client' : undefined,
    client_type: isShared ? 'nats' : undefined,
  };
  // Go writes these so, wherever they stand.
  return JSON.stringify(info).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}

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
