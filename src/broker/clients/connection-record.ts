// Snapshots of a connection for monitoring: while it is open, or as it ended. They contain no secret.
import type { CloseReason } from '../../protocol/violations.ts';
import type { ClientType, Requester, Subscription } from '../accounts/subscription.ts';
import type { AuthenticatedUser } from '../auth/authenticator.ts';
import type { ConnectOptions } from '../auth/connect-options.ts';
import { redactSeeds } from '../options/nkey.ts';
import type { Connection } from '../transport/connection.ts';
import type { ConnectionStatistics } from '../transport/statistics.ts';
import type { TlsFacts } from '../transport/tls-facts.ts';

/** What a session reports about itself. */
export interface SessionProfile {
  readonly type: ClientType;
  readonly connect: Readonly<ConnectOptions>;
  /** Undefined before the client is accepted. */
  readonly user: AuthenticatedUser | undefined;
  readonly account: string;
  readonly tls: TlsFacts | undefined;
  /** In milliseconds; 0 if unknown. */
  readonly rttMs: number;
  readonly subscriptions: Iterable<Subscription> & { readonly size: number };
}

export interface MonitoredSession {
  readonly id: number;
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  readonly profile: SessionProfile;
}

/** A subscription in the fields of nats-server's SubDetail (monitor.go). */
export interface SubscriptionRecord {
  readonly account: string | undefined;
  readonly account_tag: string | undefined;
  readonly subject: string;
  readonly qgroup: string | undefined;
  readonly sid: string;
  readonly msgs: number;
  readonly max: number | undefined;
  readonly cid: number;
}

/** Times are milliseconds since 1970. */
export interface ConnectionRecord {
  readonly type: ClientType;
  readonly cid: number;
  readonly ip: string;
  readonly port: number;
  readonly start: number;
  readonly lastActivity: number;
  /** When the snapshot was taken: uptime and idle time refer to it. */
  readonly at: number;
  /** Undefined while the connection is open. */
  readonly reason: CloseReason | undefined;
  readonly rttMs: number;
  readonly pending: number;
  readonly inMsgs: number;
  readonly outMsgs: number;
  readonly inBytes: number;
  readonly outBytes: number;
  readonly stalls: number;
  readonly subscriptionCount: number;
  readonly name: string;
  readonly lang: string;
  readonly version: string;
  readonly tls: TlsFacts | undefined;
  readonly user: string;
  readonly account: string;
}

/** Takes a snapshot of a session. @param reason why it ended; undefined while it is open */
export function recordConnection(
  session: MonitoredSession,
  at: number,
  reason: CloseReason | undefined,
): ConnectionRecord {
  const { id: cid, connection, statistics, profile } = session;
  const { name, lang, version } = profile.connect;
  // Written out because there may be very many: V8 takes ten times as long to build an object from spreads.
  return {
    type: profile.type,
    cid,
    start: statistics.start,
    lastActivity: statistics.lastActivity,
    at,
    reason,
    inMsgs: statistics.inMsgs,
    outMsgs: statistics.outMsgs,
    inBytes: statistics.inBytes,
    outBytes: statistics.outBytes,
    name,
    lang,
    version,
    ip: connection.remoteAddress,
    port: connection.remotePort,
    rttMs: profile.rttMs,
    pending: connection.pending,
    stalls: connection.stalls,
    subscriptionCount: profile.subscriptions.size,
    tls: profile.tls,
    user: userNameOf(profile),
    account: profile.account,
  };
}

/** What a service of another account, or a latency metric, may contain about a session. */
export function requesterOf({ id, connection, statistics, profile }: MonitoredSession): Requester {
  const { type, connect, account, rttMs } = profile;
  const { name, lang, version } = connect;
  return {
    type,
    account,
    rttMs,
    id,
    name,
    lang,
    version,
    start: statistics.start,
    host: connection.remoteAddress,
    user: userNameOf(profile),
  };
}

/** Lists the subscriptions of a session. @param withAccount as in /subsz and for closed connections */
export function recordSubscriptions(
  { id, profile }: MonitoredSession,
  withAccount: boolean,
): SubscriptionRecord[] {
  const account = withAccount ? profile.account : undefined;
  return Array.from(profile.subscriptions, ({ subject, queue, sid, delivered, max }) => ({
    account,
    account_tag: account,
    subject: utf8(subject),
    qgroup: queue === undefined ? undefined : utf8(queue),
    sid: utf8(sid),
    msgs: delivered,
    max: max || undefined,
    cid: id,
  }));
}

/** The name that the client authenticates with, never the secret (client.go, getRawAuthUser). */
export function userNameOf({ connect, user }: SessionProfile): string {
  const known = /^\w+:(.*)$/s.exec(user?.label ?? '')?.[1];
  const claimed = redactSeeds(connect.nkey || connect.user);
  return known || claimed || (connect.auth_token === '' ? '' : '[REDACTED]');
}

/** Decodes what a session keeps as Latin-1, one character per byte. */
function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}
