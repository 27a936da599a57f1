// The requests that the server answers in the system account, and those that clients of any account may send about
// their own account (nats-server, events.go, initEventTracking): monitoring as over HTTP, a reload, disconnecting a
// client.
import type { Publication } from '../../../protocol/operations.ts';
import type { Account } from '../../accounts/account.ts';
import { requestInfo } from '../../accounts/request-info.ts';
import type { Handler, Publisher } from '../../accounts/subscription.ts';
import { publicPermissions } from '../../auth/user-info.ts';
import { ClientSession } from '../../clients/client.ts';
import { userNameOf } from '../../clients/connection-record.ts';
import { claims, expvarz, gatewayz, jsz, leafz, profilez } from '../endpoints/absent-features.ts';
import { accountDetail, accountz } from '../endpoints/accountz.ts';
import { accountStatistics, accstatz } from '../endpoints/accstatz.ts';
import { connz } from '../endpoints/connz.ts';
import { healthz } from '../endpoints/healthz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { InvalidQuery } from '../endpoints/query.ts';
import { routez } from '../endpoints/routez.ts';
import { statsz } from '../endpoints/statsz.ts';
import { subsz } from '../endpoints/subsz.ts';
import { CpuMeter, varz } from '../endpoints/varz.ts';
import { encodingFor } from './answer-encoding.ts';
import { type Failure, payloadOf, RequestOptions, replyOf } from './request-options.ts';
import { serveSubscriberRequests } from './subscriber-requests.ts';
import type { SystemPublisher } from './system-publisher.ts';

/** The broker, as requests read it and act on it. */
export interface ReloadableBroker extends MonitoredBroker {
  reload(): Promise<void>;
}

/** A parsed request. */
interface Request {
  readonly options: RequestOptions;
  /** The account in the subject. */
  readonly account: string;
}

/** Marks success in a response without data. */
const done = {};

/** Returns the data of the response; undefined for no response. */
type Answer = (request: Request) => object | undefined | Promise<object | undefined>;

/** Subscribes to the requests and answers them for as long as the account exists. */
export function serveSystemRequests(system: SystemPublisher, broker: ReloadableBroker): void {
  new SystemRequests(system, broker).listen();
}

class SystemRequests {
  readonly #system: SystemPublisher;
  readonly #broker: ReloadableBroker;
  readonly #cpu = new CpuMeter();

  constructor(system: SystemPublisher, broker: ReloadableBroker) {
    this.#system = system;
    this.#broker = broker;
  }

  listen(): void {
    const broker = this.#broker;
    const { account } = this.#system;
    const { id } = broker.facts;
    for (const [name, answer] of Object.entries(this.#aboutServer())) {
      for (const target of ['PING', id]) this.#serve(account, `$SYS.REQ.SERVER.${target}.${name}`, answer);
    }
    for (const [name, answer] of Object.entries(this.#toServer())) {
      this.#serve(account, `$SYS.REQ.SERVER.${id}.${name}`, answer);
    }
    for (const [name, answer] of Object.entries(this.#aboutAccount())) {
      this.#serve(account, `$SYS.REQ.ACCOUNT.*.${name}`, answer);
    }
    for (const subject of ['PING', 'PING.STATSZ', `${id}.STATSZ`]) {
      account.subscribeInternal(`$SYS.REQ.SERVER.${subject}`, (publication) =>
        this.#answerStatsz(publication),
      );
    }
    account.subscribeInternal('$SYS.REQ.ACCOUNT.*.CONNS', (publication) => this.#answerConns(publication));
    for (const target of ['PING', id]) {
      account.subscribeInternal(`$SYS.REQ.SERVER.${target}.IDZ`, (publication) =>
        this.#answerIdz(publication),
      );
    }
    this.#serve(account, '$SYS.REQ.ACCOUNT.PING.STATZ', ({ options }) =>
      this.#count(options, options.accounts),
    );
    for (const subject of ['$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE', '$SYS.ACCOUNT.*.CLAIMS.UPDATE']) {
      account.subscribeInternal(subject, (publication) => this.#rejectClaims(publication));
    }
    account.intercept('$SYS.REQ.USER.*.INFO', (publication, publisher) =>
      this.#answerImportedUserInfo(publication, publisher),
    );
    serveSubscriberRequests(this.#system, broker);
    broker.accounts.onEach((each) => this.#serveAccount(each));
  }

  /** Answers requests of an account's clients about themselves. */
  #serveAccount(account: Account): void {
    account.intercept('$SYS.REQ.USER.INFO', (publication, publisher) =>
      this.#answerUserInfo(account, publication, publisher),
    );
    if (account === this.#system.account) return;
    const { CONNZ, STATZ } = this.#aboutAccount();
    const answers = { 'ACCOUNT.PING.CONNZ': CONNZ, 'SERVER.PING.CONNZ': CONNZ, 'ACCOUNT.PING.STATZ': STATZ };
    for (const [subject, answer] of Object.entries(answers)) {
      const handler = this.#answering(account, (request) => answer({ ...request, account: account.name }));
      account.intercept(`$SYS.REQ.${subject}`, handler);
    }
  }

  #aboutServer(): Record<string, Answer> {
    const broker = this.#broker;
    const { monitor } = broker.options;
    const where = {
      host: monitor?.host ?? broker.options.host,
      port: monitor?.port ?? 0,
      secure: monitor?.secure ?? false,
      basePath: monitor?.basePath ?? '',
    };
    return {
      VARZ: () => varz(broker, where, this.#cpu, new Map()),
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

  #toServer(): Record<string, Answer> {
    const client = ({ options: { cid } }: Request, unknown: string) => {
      const found = this.#broker.sessions.list().find(({ id }) => id === cid);
      if (found === undefined) throw new Error(unknown);
      return found;
    };
    return {
      RELOAD: async () => {
        await this.#broker.reload();
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

  #aboutAccount() {
    const broker = this.#broker;
    return {
      CONNZ: ({ options: { query }, account }: Request) => connz(query.with('acc', account), broker),
      SUBSZ: ({ options: { query }, account }: Request) =>
        subsz(query.with('acc', account).with('subs', '1'), broker),
      LEAFZ: ({ options: { query } }: Request) => leafz(query, broker),
      JSZ: () => {
        throw new InvalidQuery('jetstream not enabled');
      },
      INFO: ({ account }: Request) => accountDetail(account, broker),
      STATZ: ({ options, account }: Request) =>
        // With PING as its account, the same subject requests all accounts.
        account === 'PING' ? undefined : this.#count(options, [account]),
    };
  }

  /** Returns undefined for no response: servers omit unused accounts unless the request includes them. */
  #count(options: RequestOptions, only: readonly string[] | undefined): object | undefined {
    const counted = accstatz(options.query, this.#broker, only);
    return counted.account_statz.length === 0 && !options.includesUnused ? undefined : counted;
  }

  #serve(account: Account, subject: string, answer: Answer): void {
    account.subscribeInternal(subject, this.#answering(account, answer));
  }

  /** Makes the handler that responds with the server and either the data or the error. */
  #answering(account: Account, answer: Answer): Handler {
    return (publication) => {
      const reply = replyOf(publication);
      if (reply === undefined) return true;
      const [, , , asked = '', kind = ''] = subjectOf(publication).split('.');
      const options = this.#read(kind, publication);
      const encoding = encodingFor(publication);
      const say = (body: object) =>
        this.#system.respond(
          account,
          reply,
          { server: this.#system.serverInfo(), ...body },
          // nats-server does not encode errors.
          'error' in body ? undefined : encoding,
        );
      if (options !== undefined) void this.#respond(say, options, asked, answer);
      return true;
    };
  }

  async #respond(
    say: (body: object) => void,
    options: RequestOptions | Failure,
    asked: string,
    answer: Answer,
  ): Promise<void> {
    if ('code' in options) {
      say({ error: options });
      return;
    }
    try {
      const pending = answer({ options, account: asked });
      const data = pending instanceof Promise ? await pending : pending;
      if (data !== undefined) say(data === done ? {} : { data });
    } catch (error) {
      const failure = { code: 500, description: error instanceof Error ? error.message : String(error) };
      // nats-server prints null for data that a monitoring endpoint failed to produce.
      say(error instanceof InvalidQuery ? { data: null, error: failure } : { error: failure });
    }
  }

  /** Parses the options of a request; undefined if it addresses other servers or is too malformed for a response. */
  #read(kind: string, publication: Publication): RequestOptions | Failure | undefined {
    const payload = payloadOf(publication);
    const options = RequestOptions.read(kind, payload);
    const needsClient = kind === 'KICK' || kind === 'LDM';
    if (needsClient && ('code' in options || payload.length === 0)) return undefined;
    return 'code' in options || options.isFor(this.#broker.facts) ? options : undefined;
  }

  #answerStatsz(publication: Publication): boolean {
    const options = this.#read('STATSZ', publication);
    const reply = replyOf(publication) ?? Buffer.from(`$SYS.SERVER.${this.#broker.facts.id}.STATSZ`);
    if (options === undefined) return true;
    // Without a reply subject, the statistics go to all servers, which stops in lame duck mode.
    if (replyOf(publication) === undefined && !this.#broker.isReady) return true;
    const server = this.#system.serverInfo();
    const body = 'code' in options ? { server, error: options } : { server, statsz: statsz(this.#broker) };
    this.#system.respond(this.#system.account, reply, body);
    return true;
  }

  /**
   * Answers with the same connection count that advisories contain, for an account with connections (events.go,
   * connsRequest).
   */
  #answerConns(publication: Publication): boolean {
    const reply = replyOf(publication);
    const [, , , name = ''] = subjectOf(publication).split('.');
    const options = RequestOptions.read('CONNS', payloadOf(publication));
    if (reply === undefined || 'code' in options || (options.account ?? name) !== name) return true;
    if (this.#broker.sessions.inAccount(name).length === 0) return true;
    const counted = accountStatistics(this.#broker, name);
    const body = { ...this.#system.typedEvent('account_connections'), ...counted };
    this.#system.respond(this.#system.account, reply, body);
    return true;
  }

  #answerIdz(publication: Publication): boolean {
    const reply = replyOf(publication);
    const { name, host, id } = this.#broker.facts;
    if (reply !== undefined) this.#system.respond(this.#system.account, reply, { name, host, id });
    return true;
  }

  /** Rejects account updates: accounts come from the configuration only. */
  #rejectClaims(publication: Publication): boolean {
    const reply = replyOf(publication);
    const [, kind, first = '', second = ''] = subjectOf(publication).split('.');
    const name = kind === 'REQ' ? second : first;
    const error = claims(name, payloadOf(publication).length === 0);
    const body = { server: this.#system.serverInfo(), error };
    if (reply !== undefined) this.#system.respond(this.#system.account, reply, body);
    return true;
  }

  /** Answers with the user and account that a request from another account names in its headers. */
  #answerImportedUserInfo(publication: Publication, publisher: Publisher): boolean {
    const reply = replyOf(publication);
    if (reply === undefined || !(publisher instanceof ClientSession)) return true;
    const { user = '', acc = '' } = requestInfo(publication) ?? {};
    const permissions = publicPermissions(publisher.profile.user?.permissions?.rules);
    const data = { user, account: acc, account_name: acc || undefined, permissions };
    this.#system.respond(this.#system.account, reply, { server: this.#system.serverInfo(), data });
    return true;
  }

  #answerUserInfo(account: Account, publication: Publication, publisher: Publisher): boolean {
    const reply = replyOf(publication);
    if (reply === undefined || !(publisher instanceof ClientSession)) return true;
    const { profile } = publisher;
    const data = {
      user: userNameOf(profile),
      account: profile.account,
      account_name: profile.account,
      permissions: publicPermissions(profile.user?.permissions?.rules),
    };
    this.#system.respond(account, reply, { server: this.#system.serverInfo(), data });
    return true;
  }
}

function subjectOf({ buffer, subjectStart, subjectEnd }: Publication): string {
  return buffer.toString('latin1', subjectStart, subjectEnd);
}
