// Describes a client with nats-server's fields in their order (events.go, ClientInfo), for services of other accounts
// and for latency results.
import { goTime, nanoseconds } from '../../protocol/go-format.ts';
import type { Requester } from './subscription.ts';

/** The server that describes its client. */
export interface ServerName {
  readonly name: string;
  readonly cluster: string | undefined;
}

/** What the description contains. */
export interface ClientInfoOptions {
  /** The client's account. */
  readonly account: string;
  /** The account that forwards a request; undefined if that is the client's own. */
  readonly service?: string | undefined;
  /** Whether to include the client's identity. */
  readonly isShared: boolean;
  /** The server to name; undefined for none. */
  readonly server: ServerName | undefined;
}

/** Returns the fields for JSON; undefined for those to leave out. */
export function clientInfo(
  client: Requester,
  { account, service, isShared, server }: ClientInfoOptions,
): object {
  const { rttMs, start, host, id, user, name, lang, version } = client;
  return {
    start: isShared ? goTime(start) : undefined,
    host: (isShared && host) || undefined,
    id: isShared ? id : undefined,
    acc: account,
    svc: service,
    user: (isShared && user) || undefined,
    name: (isShared && name) || undefined,
    lang: (isShared && lang) || undefined,
    ver: (isShared && version) || undefined,
    rtt: nanoseconds(rttMs) || undefined,
    server: server?.name,
    cluster: server?.cluster,
    kind: isShared ? 'Client' : undefined,
    client_type: isShared ? client.type : undefined,
  };
}
