// A client in nats-server's fields and their order (events.go, ClientInfo), as services of other accounts and those who
// measure them are told of it.
import { goTime } from '../../go-time.ts';
import type { Requester } from './subscription.ts';

/** The server that tells of its client. */
export interface TellingServer {
  readonly name: string;
  readonly cluster: string | undefined;
}

/** What is told. */
export interface Telling {
  /** The account that the client is in. */
  readonly account: string;
  /** The account that passes a request on; undefined for that of the client. */
  readonly service?: string | undefined;
  /** Whether it says who the client is. */
  readonly isShared: boolean;
  /** Named in it; undefined for none. */
  readonly server: TellingServer | undefined;
}

/** Puts it together; what is not said is undefined. */
export function clientInfo(client: Requester, { account, service, isShared, server }: Telling): object {
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
    client_type: isShared ? 'nats' : undefined,
  };
}

/** A span as Go prints it. */
export function nanoseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e6);
}
