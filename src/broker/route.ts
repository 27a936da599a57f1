// One route's session: what the operations of another server of the cluster mean. Bytes come and go through its
// Connection; which servers there are, and who may be one, is the Cluster's business.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LabelledLogger, type Logger, quote, quoteBytes } from '../log.ts';
import { errorLine, pingLine, pongLine } from '../protocol/encoder.ts';
import type { RoutedPublication, RouteOperationHandler } from '../protocol/operations.ts';
import { RouteParser } from '../protocol/route-parser.ts';
import { type CloseReason, type Violation, violations } from '../protocol/violations.ts';
import { describeConnection } from '../tls/ciphers.ts';
import type { Account, Accounts } from './account.ts';
import { Connection, type ConnectionOwner, type Transport } from './connection.ts';
import type { TlsFacts } from './connection-record.ts';
import { type DeliveryPolicy, publishRouted } from './delivery.ts';
import { Heartbeat, type HeartbeatSettings } from './heartbeat.ts';
import type { Interest } from './local-interest.ts';
import { RemoteInterest, type RouteTarget } from './remote-interest.ts';
import { parseRouteConnect, parseRouteInfo, type RouteConnect, type RouteInfo } from './route-info.ts';
import { ConnectionStatistics } from './statistics.ts';
import type { Publisher } from './subscription.ts';

/** A line may carry the INFO of a large cluster, or a subject of any length that a client may use. */
const maxControlLine = 1024 * 1024;

/** Whatever another server allows its clients, more than this is not read. */
const maxPayload = 64 * 1024 * 1024;

/** The cluster as one of its routes sees it. */
export interface RouteEnvironment {
  readonly accounts: Accounts;
  readonly transport: Transport;
  readonly delivery: DeliveryPolicy;
  readonly logger: Logger;
  readonly now: () => Date;
  readonly heartbeat: HeartbeatSettings;
  readonly maxPayload: number;
  readonly headers: boolean;
  /** Whether those who connect must say user and password. */
  readonly authRequired: boolean;
  /** How long a server may take to introduce itself. */
  readonly introductionMs: number;
  /** Why a CONNECT is not accepted; undefined where it is. @param detail for the log */
  judge(connect: RouteConnect): { violation: Violation; detail?: string } | undefined;
  /** The first INFO has come; the route is registered, or closed. */
  introduced(route: RouteSession): void;
  /** Another INFO has come. */
  informed(route: RouteSession, info: RouteInfo): void;
  /** Called once, when the session is over. */
  forget(route: RouteSession, reason: CloseReason): void;
}

/** Why there is a route: `explicit` where the configuration names it. */
export type RouteType = 'explicit' | 'implicit';

export class RouteSession implements RouteOperationHandler, ConnectionOwner, RouteTarget {
  readonly id: number;
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  readonly log: LabelledLogger;
  readonly traceDelivery: RouteTarget['traceDelivery'];
  /** Where this server connects to it again; undefined where the other side did. */
  url: URL | undefined;
  type: RouteType;
  /** Connect again though another server told of it: both sides may have dropped the other's connection. */
  retries = false;
  /** What the other server said of itself; undefined before. */
  remote: RouteInfo | undefined;
  readonly #environment: RouteEnvironment;
  readonly #parser: RouteParser;
  readonly #heartbeat: Heartbeat;
  readonly #publisher: Publisher;
  /** What the other server listens to, by how RS- names it. */
  readonly #interest = new Map<string, { account: Account; entry: RemoteInterest }>();
  /** The account of the last message. */
  #account: Account | undefined;
  #introduction: NodeJS.Timeout | undefined;
  #mustConnect = false;
  #tls: TLSSocket | undefined;
  #tlsFacts: TlsFacts | undefined;

  /** @param url where this server has connected to; undefined where the other side has */
  constructor(
    id: number,
    socket: Socket,
    url: URL | undefined,
    type: RouteType,
    environment: RouteEnvironment,
  ) {
    this.id = id;
    this.url = url;
    this.type = type;
    this.#environment = environment;
    this.#mustConnect = url === undefined;
    this.statistics = new ConnectionStatistics(environment.now().getTime());
    this.connection = new Connection(socket, environment.transport, this);
    this.log = new LabelledLogger(environment.logger, `${this.connection.peer} - rid:${id}`);
    this.#parser = new RouteParser(this, { maxControlLine, maxPayload: environment.maxPayload });
    // Nobody holds up a route: it carries the messages of many.
    this.#publisher = { connection: undefined, statistics: this.statistics };
    this.#heartbeat = new Heartbeat(
      () => environment.heartbeat,
      () => this.connection.write(pingLine),
      () => this.violation(violations.staleConnection),
    );
    this.traceDelivery = environment.logger.tracing
      ? ({ buffer, subjectStart, payloadStart }, account) =>
          this.log.trace(`->> [RMSG ${account} ${buffer.toString('latin1', subjectStart, payloadStart - 2)}]`)
      : undefined;
  }

  get headers(): boolean {
    return this.#environment.headers && this.remote?.headers === true;
  }

  get tls(): TLSSocket | undefined {
    return this.#tls;
  }

  get tlsFacts(): TlsFacts | undefined {
    return this.#tlsFacts;
  }

  get rttMs(): number {
    return this.#heartbeat.rttMs;
  }

  /** What the other server listens to. */
  *interests(): Iterable<{ account: string; entry: RemoteInterest }> {
    for (const { account, entry } of this.#interest.values()) yield { account: account.name, entry };
  }

  get interestCount(): number {
    return this.#interest.size;
  }

  /** Goes on over TLS. */
  secured(socket: TLSSocket): void {
    this.#tls = socket;
    const { tls_version, tls_cipher_suite } = describeConnection(socket);
    this.#tlsFacts = { tls_version, tls_cipher_suite, isFirst: true };
    this.log.debug('TLS handshake complete');
    this.log.debug(`TLS version ${tls_version}, cipher suite ${tls_cipher_suite}`);
    this.connection.secure(socket);
  }

  /** Introduces this server and begins to read. */
  start(lines: readonly Buffer[]): void {
    this.#introduction = setTimeout(
      () => this.violation(violations.authenticationTimeout, 'no INFO of another server came in time'),
      this.#environment.introductionMs,
    );
    for (const line of lines) this.connection.write(line);
    this.#heartbeat.start();
    this.connection.open();
    this.log.info('Route connection created');
  }

  /** Says what clients of this server listen to. */
  tell(account: string, { subject, queue, weight }: Interest): void {
    const sign = weight > 0 ? '+' : '-';
    const group = queue === undefined ? '' : ` ${queue}${weight > 0 ? ` ${weight}` : ''}`;
    const line = `RS${sign} ${account} ${subject.toString('latin1')}${group}`;
    this.log.trace(`->> [${line}]`);
    this.connection.write(Buffer.from(`${line}\r\n`, 'latin1'));
  }

  // What the connection says.

  receive(chunk: Buffer): void {
    this.statistics.readAt = this.#environment.now().getTime();
    try {
      this.#parser.parse(chunk);
    } catch (error) {
      this.log.error(`Internal error: ${error instanceof Error ? error.stack : error}`);
      this.connection.abort('Parse Error');
    }
  }

  slow(text: string): void {
    this.log.info(text);
  }

  closed(reason: CloseReason): void {
    this.#parser.stop();
    clearTimeout(this.#introduction);
    this.#heartbeat.stop();
    for (const { account, entry } of this.#interest.values()) {
      account.remote.remove(entry.subject, entry.queue, entry);
    }
    this.#interest.clear();
    this.log.info(`Router connection closed: ${reason}`);
    this.#environment.forget(this, reason);
  }

  // What the other server says.

  connect(json: Buffer): void {
    this.log.trace('<<- [CONNECT]');
    try {
      const refusal = this.#environment.judge(parseRouteConnect(json));
      if (refusal !== undefined) this.violation(refusal.violation, refusal.detail);
      else this.#mustConnect = false;
    } catch (error) {
      this.violation(violations.malformed, `CONNECT with ${(error as Error).message}`);
    }
  }

  info(json: Buffer): void {
    if (!this.#mayBeHeard()) return;
    let info: RouteInfo;
    try {
      info = parseRouteInfo(json);
    } catch (error) {
      this.violation(violations.malformed, `INFO with ${(error as Error).message}`);
      return;
    }
    this.log.trace(`<<- [INFO ${quote(info.server_name)}]`);
    if (this.remote !== undefined) {
      this.#environment.informed(this, info);
      return;
    }
    clearTimeout(this.#introduction);
    this.remote = info;
    this.#parser.maxPayload = Math.min(maxPayload, Math.max(this.#environment.maxPayload, info.max_payload));
    this.#environment.introduced(this);
  }

  publish(publication: RoutedPublication): void {
    if (!this.#isIntroduced()) return;
    this.statistics.inMsgs++;
    this.statistics.inBytes += publication.payloadEnd - publication.payloadStart;
    this.statistics.lastActivity = this.statistics.readAt;
    if (this.#account?.name !== publication.account) {
      this.#account = this.#environment.accounts.get(publication.account);
    }
    publishRouted(publication, this.#account, this.#publisher, this.#environment.delivery);
  }

  interest(accountBytes: Buffer, subject: Buffer, queueBytes: Buffer | undefined, weight: number): void {
    if (!this.#isIntroduced()) return;
    const key = keyOf(accountBytes, subject, queueBytes);
    if (this.log.tracing) this.log.trace(`<<- [RS+ ${key}${queueBytes === undefined ? '' : ` ${weight}`}]`);
    const known = this.#interest.get(key);
    if (known !== undefined) {
      known.entry.weight = weight;
      return;
    }
    const account = this.#environment.accounts.get(accountBytes.toString('latin1'));
    const entry = new RemoteInterest(this, Buffer.from(subject), queueBytes?.toString('latin1'), weight);
    if (account.remote.insert(entry.subject, entry.queue, entry)) this.#interest.set(key, { account, entry });
    else this.log.debug(`Interest in a subject that is none: ${quoteBytes(subject)}`);
  }

  noInterest(accountBytes: Buffer, subject: Buffer, queueBytes: Buffer | undefined): void {
    if (!this.#isIntroduced()) return;
    const key = keyOf(accountBytes, subject, queueBytes);
    if (this.log.tracing) this.log.trace(`<<- [RS- ${key}]`);
    const known = this.#interest.get(key);
    if (known === undefined) return;
    this.#interest.delete(key);
    known.account.remote.remove(known.entry.subject, known.entry.queue, known.entry);
  }

  ping(): void {
    this.log.trace('<<- [PING]');
    this.connection.write(pongLine);
  }

  pong(): void {
    this.log.trace('<<- [PONG]');
    this.#heartbeat.answered();
  }

  peerError(text: Buffer): void {
    this.log.error(`Remote error: ${quoteBytes(text)}`);
    this.connection.close('Parse Error');
  }

  /** Answers what the other side did wrong. @param detail for the log only */
  violation({ text, closes, log }: Violation, detail?: string): void {
    if (!this.connection.isOpen) return;
    const line = [log ?? text, detail].filter((part) => part !== undefined).join(': ');
    this.log.error(line);
    if (text !== undefined) this.connection.write(errorLine(text));
    this.connection.close(closes ?? 'Protocol Violation');
  }

  /** Where those who connect must know something, nothing is believed before they have said it. */
  #mayBeHeard(): boolean {
    if (!this.#mustConnect || !this.#environment.authRequired) return true;
    this.violation(violations.authorization, 'CONNECT expected');
    return false;
  }

  #isIntroduced(): boolean {
    if (this.remote !== undefined) return true;
    this.violation(violations.malformed, 'INFO expected');
    return false;
  }
}

/** As RS- names it. */
function keyOf(account: Buffer, subject: Buffer, queue: Buffer | undefined): string {
  const text = `${account.toString('latin1')} ${subject.toString('latin1')}`;
  return queue === undefined ? text : `${text} ${queue.toString('latin1')}`;
}
