// The answers to requests in the system account, by the last token of their subject: monitoring as over HTTP, a reload,
// disconnecting a client. This module subscribes to nothing and sends nothing.
import { expvarz, gatewayz, jsz, leafz, profilez } from '../endpoints/absent-features.ts';
import { accountDetail, accountz } from '../endpoints/accountz.ts';
import { accstatz } from '../endpoints/accstatz.ts';
import { connz } from '../endpoints/connz.ts';
import { healthz } from '../endpoints/healthz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { InvalidQuery } from '../endpoints/query.ts';
import { routez } from '../endpoints/routez.ts';
import { subsz } from '../endpoints/subsz.ts';
import { CpuMeter, varz } from '../endpoints/varz.ts';
import type { RequestOptions } from './request-options.ts';

/** The broker, as requests read it and act on it. */
export interface ReloadableBroker extends MonitoredBroker {
  reload(): Promise<void>;
}

/** A parsed request. */
export interface SystemRequest {
  readonly options: RequestOptions;
  /** The account in the subject. */
  readonly account: string;
}

/** Marks success in a response without data. */
export const done = {};

/** Returns the data of the response; undefined for no response. */
export type SystemAnswer = (request: SystemRequest) => object | undefined | Promise<object | undefined>;

/** Answers about the server, for requests to one server or to all. */
export function serverAnswers(broker: MonitoredBroker): Record<string, SystemAnswer> {
  const { monitor } = broker.options;
  const cpu = new CpuMeter();
  const where = {
    host: monitor?.host ?? broker.options.host,
    port: monitor?.port ?? 0,
    secure: monitor?.secure ?? false,
    basePath: monitor?.basePath ?? '',
  };
  return {
    VARZ: () => varz(broker, where, cpu, new Map()),
    CONNZ: ({ options }) => connz(options.query, broker),
    SUBSZ: ({ options }) => subsz(options.query, broker),
    ROUTEZ: ({ options }) => routez(options.query, broker),
    GATEWAYZ: ({ options }) => gatewayz(options.query, broker),
    LEAFZ: ({ options }) => leafz(options.query, broker),
    JSZ: ({ options }) => (options.onlyLeader ? undefined : jsz(options.query, broker)),
    RAFTZ: () => ({}),
    IPQUEUESZ: () => ({}),
    PROFILEZ: ({ options }) => profilez(options.query.text('name')),
    EXPVARZ: () => expvarz(),
    ACCOUNTZ: ({ options }) => accountz(options.query, broker),
    HEALTHZ: ({ options }) => {
      const { status, code, ...why } = healthz(options.query, broker);
      return { status, status_code: code, ...why };
    },
  };
}

/** Commands to one server. */
export function serverCommands(broker: ReloadableBroker): Record<string, SystemAnswer> {
  const client = ({ options: { cid } }: SystemRequest, unknown: string) => {
    const found = broker.sessions.list().find(({ id }) => id === cid);
    if (found === undefined) throw new Error(unknown);
    return found;
  };
  return {
    RELOAD: async () => {
      await broker.reload();
      return done;
    },
    KICK: (request) => {
      client(request, 'no such client or leafnode id').connection.close('Kicked');
      return done;
    },
    LDM: (request) => {
      client(request, 'no such client id').sendInfo({ lameDuck: true });
      return done;
    },
  };
}

/** Answers about one account. */
export function accountAnswers(broker: MonitoredBroker) {
  return {
    CONNZ: ({ options: { query }, account }: SystemRequest) => connz(query.with('acc', account), broker),
    SUBSZ: ({ options: { query }, account }: SystemRequest) =>
      subsz(query.with('acc', account).with('subs', '1'), broker),
    LEAFZ: ({ options: { query } }: SystemRequest) => leafz(query, broker),
    JSZ: () => {
      throw new InvalidQuery('jetstream not enabled');
    },
    INFO: ({ account }: SystemRequest) => accountDetail(account, broker),
    STATZ: ({ options, account }: SystemRequest) =>
      // With PING as its account, the same subject requests all accounts.
      account === 'PING' ? undefined : accountStatz(broker, options, [account]),
  };
}

/**
 * Answers with the statistics of accounts; undefined for no response: servers omit unused accounts unless the request
 * includes them. @param only the names of the accounts; undefined for all
 */
export function accountStatz(
  broker: MonitoredBroker,
  options: RequestOptions,
  only: readonly string[] | undefined,
): object | undefined {
  const counted = accstatz(options.query, broker, only);
  return counted.account_statz.length === 0 && !options.includesUnused ? undefined : counted;
}
