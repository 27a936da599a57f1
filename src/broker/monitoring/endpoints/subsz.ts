// /subsz: counts the subscriptions of all accounts, and lists them on request (monitor.go, Subsz).

import { goTime } from '../../../protocol/go-format.ts';
import { isLiteral } from '../../../subjects/subject.ts';
import { recordSubscriptions, type SubscriptionRecord } from '../../clients/connection-record.ts';
import { compareText } from './connz.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { InvalidQuery, type Query } from './query.ts';

const defaultLimit = 1024;

/** Answers a request; throws BadQuery. */
export function subsz(query: Query, broker: MonitoredBroker): object {
  const listed = query.boolean('subs');
  const offset = Math.max(0, query.integer('offset'));
  const limit = query.integer('limit');
  const test = query.text('test');
  const account = query.text('acc');
  if (test !== '' && !isLiteralText(test)) {
    throw new InvalidQuery(`invalid test subject, must be valid publish subject: ${test}`);
  }
  const found = listed ? list(broker, account, test) : [];
  const size = limit > 0 ? limit : defaultLimit;
  const page = found.slice(offset, offset + size);
  return {
    server_id: broker.facts.id,
    now: goTime(broker.now()),
    ...sublistSummary(broker, account),
    total: found.length,
    offset,
    limit: size,
    subscriptions_list: page.length > 0 ? page : undefined,
  };
}

/** The sublist statistics of one account; of all accounts for an empty name (sublist.go, SublistStats). */
export function sublistSummary({ accounts }: MonitoredBroker, account: string) {
  const chosen = [...accounts].filter(({ name }) => account === '' || name === account);
  const sum = { size: 0, inserts: 0, removes: 0, matches: 0, hits: 0, cached: 0, fanout: 0, maxFanout: 0 };
  for (const { subscriptions, remote } of chosen) {
    const { size, inserts, removes, matches, hits, fanouts } = subscriptions.statistics();
    sum.size += size + remote.size;
    sum.inserts += inserts;
    sum.removes += removes;
    sum.matches += matches;
    sum.hits += hits;
    sum.cached += fanouts.length;
    for (const fanout of fanouts) {
      sum.fanout += fanout;
      sum.maxFanout = Math.max(sum.maxFanout, fanout);
    }
  }
  return {
    num_subscriptions: sum.size,
    num_cache: sum.cached,
    num_inserts: sum.inserts,
    num_removes: sum.removes,
    num_matches: sum.matches,
    cache_hit_rate: sum.matches > 0 ? sum.hits / sum.matches : 0,
    max_fanout: sum.maxFanout,
    avg_fanout: sum.fanout > 0 ? sum.fanout / sum.cached : 0,
  };
}

function list({ sessions }: MonitoredBroker, account: string, test: string): SubscriptionRecord[] {
  const chosen = account === '' ? sessions.list() : sessions.inAccount(account);
  return chosen
    .flatMap((session) => recordSubscriptions(session, true))
    .filter(({ subject }) => test === '' || isSubscribedTo(subject, test))
    .sort(inOrder);
}

/** A fixed order, so that consecutive pages neither repeat nor omit a subscription (monitor.go, Subsz). */
function inOrder(a: SubscriptionRecord, b: SubscriptionRecord): number {
  return a.cid - b.cid || compareText(a.sid, b.sid) || compareText(a.subject, b.subject);
}

function isLiteralText(subject: string): boolean {
  const bytes = Buffer.from(subject);
  return !/[\t\n\f\r ]/.test(subject) && isLiteral(bytes, 0, bytes.length);
}

function isSubscribedTo(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const given = subject.split('.');
  const rest = wanted.at(-1) === '>';
  if (rest ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every((token, index) => token === '*' || (rest && token === '>') || token === given[index]);
}
