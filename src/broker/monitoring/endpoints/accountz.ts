// /accountz: the names of all accounts, or the details of one (monitor.go, Accountz).

import { goTime } from '../../../protocol/go-format.ts';
import type { LatencyOptions } from '../../options/latency-options.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { InvalidQuery, type Query } from './query.ts';
import { sublistSummary } from './subsz.ts';

/** Answers a request; throws BadQuery. */
export function accountz(query: Query, broker: MonitoredBroker): object {
  const name = query.text('acc');
  const account = name === '' ? undefined : accountDetail(name, broker);
  return {
    server_id: broker.facts.id,
    now: goTime(broker.now()),
    system_account: broker.systemAccount,
    accounts: account === undefined ? [...broker.accounts].map((each) => each.name) : undefined,
    account_detail: account,
  };
}

/** Describes one account in the fields of nats-server's AccountInfo; throws BadQuery if it does not exist. */
export function accountDetail(name: string, broker: MonitoredBroker): object {
  const account = [...broker.accounts].find((each) => each.name === name);
  if (account === undefined) throw new InvalidQuery(`Account ${name} does not exist`);
  const connections = broker.sessions.inAccount(name).length;
  return {
    account_name: name,
    update_time: goTime(broker.configuredAt),
    is_system: name === broker.systemAccount || undefined,
    expired: false,
    complete: true,
    jetstream_enabled: false,
    leafnode_connections: 0,
    client_connections: connections,
    subscriptions: account.subscriptions.size,
    exports: exportsOf(name, broker),
    imports: importsOf(name, broker),
    name_tag: name,
    sublist_stats: sublistSummary(broker, name),
  };
}

/** Response types as nats-server prints them (accounts.go, ServiceRespType). */
const responseTypes = { single: 'Singleton', stream: 'Streamed', chunked: 'Chunked' } as const;

/** Lists what the account exports, in the fields of nats-server's ExtExport; undefined if nothing. */
function exportsOf(name: string, { options }: MonitoredBroker): object[] | undefined {
  const exports = options.auth.accounts.find((account) => account.name === name)?.exports ?? [];
  if (exports.length === 0) return undefined;
  return exports.map(({ subject, kind, responseType, accounts, latency }) => ({
    subject,
    type: kind,
    response_type: kind === 'service' ? responseTypes[responseType] : undefined,
    service_latency: latency && describeLatency(latency),
    approved_accounts: accounts,
  }));
}

/** Lists what the account imports, in the fields of nats-server's ExtImport; undefined if nothing. */
function importsOf(name: string, { options }: MonitoredBroker): object[] | undefined {
  const { streams, services } = options.auth.links;
  const own = ({ account }: { account: string }) => account === name;
  const found = [
    ...streams.filter(own).map(({ exporter, from, to }) => ({
      subject: from,
      account: exporter,
      local_subject: to,
      type: 'stream',
      invalid: false,
      share: false,
      tracking: false,
    })),
    ...services.filter(own).map(({ exporter, from, to, share, latency }) => ({
      subject: to,
      account: exporter,
      to: from,
      local_subject: from,
      type: 'service',
      invalid: false,
      share,
      tracking: false,
      latency: latency && describeLatency(latency),
    })),
  ];
  return found.length === 0 ? undefined : found;
}

/** Describes latency sampling as nats-server's jwt package prints it (ServiceLatency). */
function describeLatency({ sampling, subject }: LatencyOptions): object {
  return { sampling: sampling === 0 ? 'headers' : sampling, results: subject };
}
