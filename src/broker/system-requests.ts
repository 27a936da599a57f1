// What the server answers in the system account, and of their own account to everybody (nats-server, events.go,
// initEventTracking): monitoring as over HTTP, a reload, the end of one client.
import type { Publication } from '../protocol/operations.ts';
import type { Account } from './account.ts';
import { globalAccountName } from './account-name.ts';
import { accountDetail, accountz } from './accountz.ts';
import { accstatz } from './accstatz.ts';
import { ClientSession } from './client.ts';
import { userOf } from './connection-record.ts';
import { connz } from './connz.ts';
import { BadQuery, Query } from './monitor-query.ts';
import type { Monitored } from './monitored.ts';
import { routez } from './routez.ts';
import { statsz } from './statsz.ts';
import type { Handler, Publisher } from './subscription.ts';
import { subsz } from './subsz.ts';
import type { System } from './system.ts';
import { publicPermissions } from './user-info.ts';
import { CpuMeter, varz } from './varz.ts';

/** The broker as requests may act on it. */
export interface Requested extends Monitored {
  reload(): Promise<void>;
}

/** A request, as far as it is understood. */
interface Request {
  readonly query: Query;
  readonly body: Readonly<Record<string, unknown>>;
  /** Of the subject. */
  readonly account: string;
}

/** Answers with the data; undefined for no answer at all. */
type Answer = (request: Request) => object | undefined | Promise<object | undefined>;

/** Listens for the requests; they are answered as long as the account is there. */
export function serveSystemRequests(system: System, broker: Requested): void {
  new SystemRequests(system, broker).listen();
}

class SystemRequests {
  readonly #system: System;
  readonly #broker: Requested;
  readonly #cpu = new CpuMeter();

  constructor(system: System, broker: Requested) {
    this.#system = system;
    this.#broker = broker;
  }

  listen(): void {
    const broker = this.#broker;
    const { account } = this.#system;
    const { id } = broker.facts;
    for (const [name, answer] of Object.entries(this.#aboutServer())) {
      for (const who of ['PING', id]) this.#serve(account, `$SYS.REQ.SERVER.${who}.${name}`, answer);
    }
    for (const [name, answer] of Object.entries(this.#toServer())) {
      this.#serve(account, `$SYS.REQ.SERVER.${id}.${name}`, answer);
    }
    for (const [name, answer] of Object.entries(this.#aboutAccount())) {
      this.#serve(account, `$SYS.REQ.ACCOUNT.*.${name}`, answer);
    }
    for (const subject of ['PING', 'PING.STATSZ', `${id}.STATSZ`]) {
      account.handle(`$SYS.REQ.SERVER.${subject}`, (publication) => this.#sayHowItDoes(publication));
    }
    for (const who of ['PING', id]) {
      account.handle(`$SYS.REQ.SERVER.${who}.IDZ`, (publication) => this.#sayWhoItIs(publication));
    }
    this.#serve(account, '$SYS.REQ.ACCOUNT.PING.STATZ', ({ query }) => unlessEmpty(accstatz(query, broker)));
    broker.accounts.onEach((each) => this.#serveAccount(each));
  }

  /** Lets the clients of an account ask about themselves. */
  #serveAccount(account: Account): void {
    account.intercept('$SYS.REQ.USER.INFO', (publication, publisher) =>
      this.#sayWhoTheyAre(account, publication, publisher),
    );
    if (account === this.#system.account) return;
    const { CONNZ, STATZ } = this.#aboutAccount();
    const own = { CONNZ: ['ACCOUNT.PING.CONNZ', 'SERVER.PING.CONNZ'], STATZ: ['ACCOUNT.PING.STATZ'] };
    for (const [subjects, answer] of [
      [own.CONNZ, CONNZ],
      [own.STATZ, STATZ],
    ] as const) {
      for (const subject of subjects) {
        const handler = this.#answering(account, (request) => answer({ ...request, account: account.name }));
        account.intercept(`$SYS.REQ.${subject}`, handler);
      }
    }
  }

  #aboutServer(): Record<string, Answer> {
    const broker = this.#broker;
    const { monitor } = broker.options;
    const where = {
      host: monitor?.host ?? '',
      port: monitor?.port ?? 0,
      secure: monitor?.secure ?? false,
      basePath: monitor?.basePath ?? '',
    };
    return {
      VARZ: () => varz(broker, where, this.#cpu, new Map()),
      CONNZ: ({ query }) => connz(query, broker),
      SUBSZ: ({ query }) => subsz(query, broker),
      ROUTEZ: ({ query }) => routez(query, broker),
      ACCOUNTZ: ({ query }) => accountz(query, broker),
      HEALTHZ: () =>
        broker.isReady
          ? { status: 'ok', status_code: 200 }
          : { status: 'error', status_code: 500, error: 'not ready for connections' },
    };
  }

  #toServer(): Record<string, Answer> {
    const client = ({ body }: Request) => {
      const found = this.#broker.sessions.list().find(({ id }) => id === body.cid);
      if (found === undefined) throw new BadQuery('no such client or leafnode id');
      return found;
    };
    return {
      RELOAD: async () => {
        await this.#broker.reload();
        return {};
      },
      KICK: (request) => {
        client(request).connection.close('Kicked');
        return {};
      },
      LDM: (request) => {
        client(request).sendInfo({ lameDuck: true });
        return {};
      },
    };
  }

  #aboutAccount() {
    const broker = this.#broker;
    return {
      CONNZ: ({ query, account }: Request) => connz(query.with('acc', account), broker),
      SUBSZ: ({ query, account }: Request) => subsz(query.with('acc', account).with('subs', '1'), broker),
      INFO: ({ account }: Request) => accountDetail(account, broker),
      STATZ: ({ query, account }: Request) =>
        // The same subject asks for all accounts.
        account === 'PING' ? undefined : unlessEmpty(accstatz(query, broker, [account])),
    };
  }

  #serve(account: Account, subject: string, answer: Answer): void {
    account.handle(subject, this.#answering(account, answer));
  }

  /** Answers with the server beside the data, or beside what was wrong. */
  #answering(account: Account, answer: Answer): Handler {
    return (publication) => {
      const reply = replyOf(publication);
      if (reply === undefined) return true;
      const asked = subjectOf(publication).split('.')[3] ?? '';
      const request = this.#read(payloadOf(publication), asked);
      if (request !== undefined) void this.#respond(account, reply, request, answer);
      return true;
    };
  }

  async #respond(account: Account, reply: Buffer, request: Request | Failure, answer: Answer): Promise<void> {
    if ('code' in request) {
      this.#system.answer(account, reply, { server: this.#system.server(), error: request });
      return;
    }
    try {
      const pending = answer(request);
      const data = pending instanceof Promise ? await pending : pending;
      if (data === undefined) return;
      const body = Object.keys(data).length === 0 ? {} : { data };
      this.#system.answer(account, reply, { server: this.#system.server(), ...body });
    } catch (error) {
      const failure = { code: 500, description: error instanceof Error ? error.message : String(error) };
      this.#system.answer(account, reply, { server: this.#system.server(), error: failure });
    }
  }

  /** Reads the options of a request; undefined where it is meant for other servers. */
  #read(payload: string, account: string): Request | Failure | undefined {
    if (payload === '') return { query: new Query(new URLSearchParams()), body: {}, account };
    let body: unknown;
    try {
      body = JSON.parse(payload);
    } catch {
      return { code: 400, description: 'the request is no JSON' };
    }
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      return { code: 400, description: 'the request is no JSON object' };
    }
    const given = body as Record<string, unknown>;
    if (!this.#isMeant(given)) return undefined;
    const wrong = Object.keys(types).find(
      (name) => given[name] !== undefined && typeof given[name] !== types[name],
    );
    if (wrong !== undefined) return { code: 400, description: `"${wrong}" must be a ${types[wrong]}` };
    return { query: queryOf(given), body: given, account };
  }

  /** The filters that every request may have (events.go, filterRequest). */
  #isMeant({
    server_name: name,
    host,
    cluster,
    tags,
    domain,
    exact_match: isExact,
  }: Record<string, unknown>): boolean {
    const { facts } = this.#broker;
    const fits = (wanted: unknown, own: string) => {
      if (typeof wanted !== 'string' || wanted === '') return true;
      return isExact === true ? own === wanted : own.includes(wanted);
    };
    const hasTagsOrDomain =
      (Array.isArray(tags) && tags.length > 0) || (typeof domain === 'string' && domain !== '');
    return (
      fits(name, facts.name) &&
      fits(host, facts.host) &&
      fits(cluster, facts.cluster ?? '') &&
      !hasTagsOrDomain
    );
  }

  #sayHowItDoes(publication: Publication): boolean {
    const request = this.#read(payloadOf(publication), '');
    const reply = replyOf(publication) ?? Buffer.from(`$SYS.SERVER.${this.#broker.facts.id}.STATZ`);
    if (request === undefined) return true;
    const server = this.#system.server();
    const body = 'code' in request ? { server, error: request } : { server, statsz: statsz(this.#broker) };
    this.#system.answer(this.#system.account, reply, body);
    return true;
  }

  #sayWhoItIs(publication: Publication): boolean {
    const reply = replyOf(publication);
    const { name, host, id } = this.#broker.facts;
    if (reply !== undefined) this.#system.answer(this.#system.account, reply, { name, host, id });
    return true;
  }

  #sayWhoTheyAre(account: Account, publication: Publication, publisher: Publisher): boolean {
    const reply = replyOf(publication);
    if (reply === undefined || !(publisher instanceof ClientSession)) return true;
    const { profile } = publisher;
    const data = {
      user: userOf(profile),
      account: profile.account,
      account_name: profile.account === globalAccountName ? undefined : profile.account,
      permissions: publicPermissions(profile.identity?.permissions?.rules),
    };
    this.#system.answer(account, reply, { server: this.#system.server(), data });
    return true;
  }
}

/** Why a request was not understood (events.go, ApiError). */
interface Failure {
  readonly code: number;
  readonly description: string;
}

/** The options that requests have in JSON, and their types. */
const types: Readonly<Record<string, 'string' | 'number' | 'boolean'>> = {
  sort: 'string',
  auth: 'boolean',
  subscriptions: 'boolean',
  subscriptions_detail: 'boolean',
  offset: 'number',
  limit: 'number',
  cid: 'number',
  mqtt_client: 'string',
  state: 'number',
  user: 'string',
  acc: 'string',
  account: 'string',
  filter_subject: 'string',
  test: 'string',
  include_unused: 'boolean',
};

/** Those that monitoring has under the same name. */
const sameInQuery = [
  'sort',
  'auth',
  'offset',
  'limit',
  'cid',
  'mqtt_client',
  'user',
  'acc',
  'filter_subject',
  'test',
];

/** Connection states by their numbers (monitor.go, ConnState). */
const states = ['open', 'closed', 'any'];

/** The same options as monitoring over HTTP takes them. */
function queryOf(body: Record<string, unknown>): Query {
  const parameters = new URLSearchParams();
  for (const name of sameInQuery) {
    if (body[name] !== undefined) parameters.set(name, String(body[name]));
  }
  if (typeof body.account === 'string') parameters.set('acc', body.account);
  if (body.subscriptions === true) parameters.set('subs', '1');
  if (body.subscriptions_detail === true) parameters.set('subs', 'detail');
  if (typeof body.state === 'number') parameters.set('state', states[body.state] ?? String(body.state));
  if (body.include_unused === true) parameters.set('unused', '1');
  return new Query(parameters);
}

function unlessEmpty(answer: ReturnType<typeof accstatz>): object | undefined {
  return answer.account_statz.length === 0 ? undefined : answer;
}

function subjectOf({ buffer, subjectStart, subjectEnd }: Publication): string {
  return buffer.toString('latin1', subjectStart, subjectEnd);
}

/** A copy: the publication is gone when the answer is made. */
function replyOf({ buffer, replyStart, replyEnd }: Publication): Buffer | undefined {
  return replyEnd > replyStart ? Buffer.from(buffer.subarray(replyStart, replyEnd)) : undefined;
}

function payloadOf({ buffer, payloadStart, payloadEnd, headerSize }: Publication): string {
  return buffer.toString('utf8', payloadStart + headerSize, payloadEnd);
}
