// /routez: the routes in use, in the fields of nats-server's Routez (monitor.go).
import { formatGoSpan } from '../../../duration.ts';
import { goTime, uptime } from '../../../protocol/go-format.ts';
import type { SubjectRules } from '../../../subjects/permissions.ts';
import type { RouteSession } from '../../cluster/route.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import type { Query } from './query.ts';

/** Answers a request; throws BadQuery. */
export function routez(query: Query, broker: MonitoredBroker): object {
  const subs = query.subscriptions('subs');
  const now = broker.now().getTime();
  const { facts, cluster } = broker;
  const rules = cluster?.permissions?.rules;
  const routes = (cluster?.routes ?? []).map((route) => ({
    ...describe(route, now),
    ...describeInterest(route, subs),
  }));
  return {
    server_id: facts.id,
    server_name: facts.name,
    now: goTime(now),
    import: rules && announced(rules.import),
    export: rules && announced(rules.export),
    num_routes: routes.length,
    routes,
  };
}

function describe(route: RouteSession, now: number) {
  const { id, remote, remoteId, isDialled, destination, connection, statistics } = route;
  const { start, lastActivity, inMsgs, outMsgs, inBytes, outBytes } = statistics;
  return {
    rid: id,
    remote_id: remoteId,
    remote_name: remote?.server_name ?? '',
    did_solicit: isDialled || destination !== undefined,
    is_configured: destination?.type === 'explicit',
    ip: connection.remoteAddress,
    port: connection.remotePort,
    start: goTime(start),
    last_activity: goTime(lastActivity),
    rtt: formatGoSpan(route.rttMs),
    uptime: uptime(now - start),
    idle: uptime(now - lastActivity),
    import: remote?.all.import,
    export: remote?.all.export,
    pending_size: connection.pending,
    in_msgs: inMsgs,
    out_msgs: outMsgs,
    in_bytes: inBytes,
    out_bytes: outBytes,
    subscriptions: route.interestCount,
    account: typeof route.slot === 'string' ? route.slot : undefined,
    compression: 'off',
  };
}

function describeInterest(route: RouteSession, how: 'none' | 'list' | 'detail') {
  if (how === 'none' || route.interestCount === 0) return {};
  const subscriptions = Array.from(route.interests(), ({ account, subjectBytes, queue, isLeaf }) => {
    const subject = subjectBytes.toString();
    const qgroup = queue === undefined ? undefined : Buffer.from(queue, 'latin1').toString();
    const sid = [isLeaf ? 'L' : 'R', account.name, subject, qgroup]
      .filter((part) => part !== undefined)
      .join(' ');
    return { subject, qgroup, sid, msgs: 0, cid: route.id };
  });
  if (how === 'detail') return { subscriptions_list_detail: subscriptions };
  return { subscriptions_list: subscriptions.map(({ subject }) => subject) };
}

function announced({ allow, deny }: SubjectRules) {
  const subjects = (rules: SubjectRules['deny']) => rules.map(({ subject }) => subject);
  if (allow === undefined && deny.length === 0) return undefined;
  return { allow: allow && subjects(allow), deny: deny.length === 0 ? undefined : subjects(deny) };
}
