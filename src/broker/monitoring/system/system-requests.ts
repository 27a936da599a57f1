// Serves the requests of the system account, and those that clients of any account may send about their own account
// (nats-server, events.go, initEventTracking). system-answers.ts has the data of the responses.
import type { Publication } from '../../../protocol/operations.ts';
import type { Account } from '../../accounts/account.ts';
import { requestInfo } from '../../accounts/request-info.ts';
import type { Handler, Publisher } from '../../accounts/subscription.ts';
import { publicPermissions } from '../../auth/user-info.ts';
import { ClientSession } from '../../clients/client.ts';
import { userNameOf } from '../../clients/connection-record.ts';
import type { ServerFacts } from '../../clients/info.ts';
import { claims } from '../endpoints/absent-features.ts';
import { accountStatistics } from '../endpoints/accstatz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { InvalidQuery } from '../endpoints/query.ts';
import { statsz } from '../endpoints/statsz.ts';
import { encodingFor } from './answer-encoding.ts';
import { type Failure, payloadOf, RequestOptions, replyOf } from './request-options.ts';
import { serveSubscriberRequests } from './subscriber-requests.ts';
import {
  accountAnswers,
  accountStatz,
  done,
  type ReloadableBroker,
  type SystemAnswer,
  serverAnswers,
  serverCommands,
} from './system-answers.ts';
import type { SystemPublisher } from './system-publisher.ts';

/** Subscribes to the requests and answers them for as long as the account exists. */
export function serveSystemRequests(system: SystemPublisher, broker: ReloadableBroker): void {
  const { account } = system;
  const { id } = broker.facts;
  const serve = (subject: string, answer: SystemAnswer) =>
    account.subscribeInternal(subject, responder(system, broker, account, answer));
  for (const [name, answer] of Object.entries(serverAnswers(broker))) {
    for (const target of ['PING', id]) serve(`$SYS.REQ.SERVER.${target}.${name}`, answer);
  }
  for (const [name, answer] of Object.entries(serverCommands(broker))) {
    serve(`$SYS.REQ.SERVER.${id}.${name}`, answer);
  }
  for (const [name, answer] of Object.entries(accountAnswers(broker))) {
    serve(`$SYS.REQ.ACCOUNT.*.${name}`, answer);
  }
  for (const subject of ['PING', 'PING.STATSZ', `${id}.STATSZ`]) {
    account.subscribeInternal(`$SYS.REQ.SERVER.${subject}`, (publication) =>
      answerStatsz(system, broker, publication),
    );
  }
  account.subscribeInternal('$SYS.REQ.ACCOUNT.*.CONNS', (publication) =>
    answerConns(system, broker, publication),
  );
  for (const target of ['PING', id]) {
    account.subscribeInternal(`$SYS.REQ.SERVER.${target}.IDZ`, (publication) =>
      answerIdz(system, broker, publication),
    );
  }
  serve('$SYS.REQ.ACCOUNT.PING.STATZ', ({ options }) => accountStatz(broker, options, options.accounts));
  for (const subject of ['$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE', '$SYS.ACCOUNT.*.CLAIMS.UPDATE']) {
    account.subscribeInternal(subject, (publication) => rejectClaims(system, publication));
  }
  account.intercept('$SYS.REQ.USER.*.INFO', (publication, publisher) =>
    answerImportedUserInfo(system, publication, publisher),
  );
  serveSubscriberRequests(system, broker);
  broker.accounts.onEach((each) => serveAccount(system, broker, each));
}

/** Answers requests of an account's clients about themselves. */
function serveAccount(system: SystemPublisher, broker: MonitoredBroker, account: Account): void {
  account.intercept('$SYS.REQ.USER.INFO', (publication, publisher) =>
    answerUserInfo(system, account, publication, publisher),
  );
  if (account === system.account) return;
  const { CONNZ, STATZ } = accountAnswers(broker);
  const answers = { 'ACCOUNT.PING.CONNZ': CONNZ, 'SERVER.PING.CONNZ': CONNZ, 'ACCOUNT.PING.STATZ': STATZ };
  for (const [subject, answer] of Object.entries(answers)) {
    const handler = responder(system, broker, account, (request) =>
      answer({ ...request, account: account.name }),
    );
    account.intercept(`$SYS.REQ.${subject}`, handler);
  }
}

/** Makes the handler that responds with the server and either the data or the error. */
function responder(
  system: SystemPublisher,
  broker: MonitoredBroker,
  account: Account,
  answer: SystemAnswer,
): Handler {
  return (publication) => {
    const reply = replyOf(publication);
    if (reply === undefined) return true;
    const [, , , requested = '', kind = ''] = subjectOf(publication).split('.');
    const options = readOptions(kind, publication, broker.facts);
    const encoding = encodingFor(publication);
    const send = (body: object) =>
      system.respond(
        account,
        reply,
        { server: system.serverInfo(), ...body },
        // nats-server does not encode errors.
        'error' in body ? undefined : encoding,
      );
    if (options !== undefined) void respond(send, options, requested, answer);
    return true;
  };
}

async function respond(
  send: (body: object) => void,
  options: RequestOptions | Failure,
  account: string,
  answer: SystemAnswer,
): Promise<void> {
  if ('code' in options) {
    send({ error: options });
    return;
  }
  try {
    const pending = answer({ options, account });
    const data = pending instanceof Promise ? await pending : pending;
    if (data !== undefined) send(data === done ? {} : { data });
  } catch (error) {
    const failure = { code: 500, description: error instanceof Error ? error.message : String(error) };
    // nats-server prints null for data that a monitoring endpoint failed to produce.
    send(error instanceof InvalidQuery ? { data: null, error: failure } : { error: failure });
  }
}

/** Parses the options of a request; undefined if it addresses other servers or is too malformed for a response. */
function readOptions(
  kind: string,
  publication: Publication,
  facts: ServerFacts,
): RequestOptions | Failure | undefined {
  const payload = payloadOf(publication);
  const options = RequestOptions.read(kind, payload);
  const needsClient = kind === 'KICK' || kind === 'LDM';
  if (needsClient && ('code' in options || payload.length === 0)) return undefined;
  return 'code' in options || options.isFor(facts) ? options : undefined;
}

function answerStatsz(system: SystemPublisher, broker: MonitoredBroker, publication: Publication): boolean {
  const options = readOptions('STATSZ', publication, broker.facts);
  const reply = replyOf(publication) ?? Buffer.from(`$SYS.SERVER.${broker.facts.id}.STATSZ`);
  if (options === undefined) return true;
  // Without a reply subject, the statistics go to all servers, which stops in lame duck mode.
  if (replyOf(publication) === undefined && !broker.isReady) return true;
  const server = system.serverInfo();
  const body = 'code' in options ? { server, error: options } : { server, statsz: statsz(broker) };
  system.respond(system.account, reply, body);
  return true;
}

/**
 * Answers with the same connection count that advisories contain, for an account with connections (events.go,
 * connsRequest).
 */
function answerConns(system: SystemPublisher, broker: MonitoredBroker, publication: Publication): boolean {
  const reply = replyOf(publication);
  const [, , , name = ''] = subjectOf(publication).split('.');
  const options = RequestOptions.read('CONNS', payloadOf(publication));
  if (reply === undefined || 'code' in options || (options.account ?? name) !== name) return true;
  if (broker.sessions.inAccount(name).length === 0) return true;
  const counted = accountStatistics(broker, name);
  system.respond(system.account, reply, { ...system.typedEvent('account_connections'), ...counted });
  return true;
}

function answerIdz(system: SystemPublisher, { facts }: MonitoredBroker, publication: Publication): boolean {
  const reply = replyOf(publication);
  const { name, host, id } = facts;
  if (reply !== undefined) system.respond(system.account, reply, { name, host, id });
  return true;
}

/** Rejects account updates: accounts come from the configuration only. */
function rejectClaims(system: SystemPublisher, publication: Publication): boolean {
  const reply = replyOf(publication);
  const [, kind, first = '', second = ''] = subjectOf(publication).split('.');
  const name = kind === 'REQ' ? second : first;
  const error = claims(name, payloadOf(publication).length === 0);
  const body = { server: system.serverInfo(), error };
  if (reply !== undefined) system.respond(system.account, reply, body);
  return true;
}

/** Answers with the user and account that a request from another account names in its headers. */
function answerImportedUserInfo(
  system: SystemPublisher,
  publication: Publication,
  publisher: Publisher,
): boolean {
  const reply = replyOf(publication);
  if (reply === undefined || !(publisher instanceof ClientSession)) return true;
  const { user = '', acc = '' } = requestInfo(publication) ?? {};
  const permissions = publicPermissions(publisher.profile.user?.permissions?.rules);
  const data = { user, account: acc, account_name: acc || undefined, permissions };
  system.respond(system.account, reply, { server: system.serverInfo(), data });
  return true;
}

function answerUserInfo(
  system: SystemPublisher,
  account: Account,
  publication: Publication,
  publisher: Publisher,
): boolean {
  const reply = replyOf(publication);
  if (reply === undefined || !(publisher instanceof ClientSession)) return true;
  const { profile } = publisher;
  const data = {
    user: userNameOf(profile),
    account: profile.account,
    account_name: profile.account,
    permissions: publicPermissions(profile.user?.permissions?.rules),
  };
  system.respond(account, reply, { server: system.serverInfo(), data });
  return true;
}

function subjectOf({ buffer, subjectStart, subjectEnd }: Publication): string {
  return buffer.toString('latin1', subjectStart, subjectEnd);
}
