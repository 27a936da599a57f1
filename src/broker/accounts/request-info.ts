// The header Nats-Request-Info, which describes the client of a request from another account. Removes the header if the
// client has set it itself.
import { withHeader } from '../../protocol/headers.ts';
import type { Publication } from '../../protocol/operations.ts';

/** Copies a request under the subject and the reply of the service, with the JSON in its headers. */
export function withRequestInfo(
  publication: Publication,
  subject: Uint8Array,
  reply: Uint8Array,
  json: string,
): Publication {
  return withHeader(publication, 'Nats-Request-Info', json, { subject, reply });
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
