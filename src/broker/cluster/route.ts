// One route's session: what the operations of another server of the cluster mean. Bytes come and go through its
// Connection; which servers there are, and who may be one, is the Cluster's business.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LabelledLogger, type Logger, quote, quoteBytes } from '../../log.ts';
import { errorLine, interestLine, pingLine, pongLine } from '../../protocol/encoder.ts';
import type { Publication, RoutedPublication, RouteOperationHandler } from '../../protocol/operations.ts';
import { RouteParser } from '../../protocol/route-parser.ts';
import { type CloseReason, type Violation, violations } from '../../protocol/violations.ts';
import { describeConnection } from '../../tls/ciphers.ts';
import { describeAlert } from '../../tls/outgoing.ts';
import { type PeerCertificate, peerOf } from '../../tls/peer.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import { type DeliveryPolicy, publishRouted } from '../accounts/delivery.ts';
import type { Interest } from '../accounts/local-interest.ts';
import { RemoteInterest, type RouteTarget } from '../accounts/remote-interest.ts';
import { LastMatch, type Publisher } from '../accounts/subscription.ts';
import type { TlsFacts } from '../clients/connection-record.ts';
import { Connection, type ConnectionOwner } from '../transport/connection.ts';
import { Heartbeat } from '../transport/heartbeat.ts';
import { ConnectionStatistics } from '../transport/statistics.ts';
import {
  type GossipMode,
  parseRouteConnect,
  parseRouteInfo,
  type RouteConnect,
  type RouteInfo,
} from './route-info.ts';
import { RouteInterest } from './route-interest.ts';
import type { RoutePermissions } from './route-permissions.ts';
import type { RouteSettings } from './route-settings.ts';

/** Whatever another server allows its clients, more than this is not read. */
const maxPayload = 64 * 1024 * 1024;

/** A route that has been silent for this long may be dead, where its server comes by another one; it has to answer then. */
const silentMs = 2000;
const probeMs = 10_000;

/** The cluster as one of its routes sees it. */
export interface RouteEnvironment {
  readonly accounts: Accounts;
  readonly settings: RouteSettings;
  readonly delivery: DeliveryPolicy;
  readonly logger: Logger;
  readonly now: () => Date;
  /** Undefined where everything goes over routes. */
  readonly permissions: RoutePermissions | undefined;
  /** Why a server that has connected is not let in; undefined where it is. */
  judge(
    route: RouteSession,
    connect: RouteConnect,
    peer: () => PeerCertificate | undefined,
  ): Refusal | undefined;
  /** A server that has connected is let in, and waits for INFO. */
  accepted(route: RouteSession): void;
  /** The first INFO has come. */
  introduced(route: RouteSession, remote: RouteInfo): void;
  /** It has answered after it got our INFO. */
  confirmed(route: RouteSession): void;
  /** Another INFO has come. */
  informed(route: RouteSession, remote: RouteInfo, info: RouteInfo): void;
  /** Called once, when the session is over. */
  forget(route: RouteSession, reason: CloseReason): void;
}

/** Why somebody is not let in. @param detail for the log */
export interface Refusal {
  readonly violation: Violation;
  readonly detail?: string;
}

/** Why there is a route: `explicit` where the configuration names it. */
export type RouteType = 'explicit' | 'implicit';

/** Where this server connects to. */
export interface Destination {
  readonly url: URL;
  readonly type: RouteType;
  /** What whoever told of it wants to be done with what is learnt there. */
  readonly gossip: GossipMode;
}

export class RouteSession implements RouteOperationHandler, ConnectionOwner, RouteTarget {
  readonly id: number;
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  readonly log: LabelledLogger;
  readonly traceDelivery: RouteTarget['traceDelivery'];
  /** Whether this server has connected, not the other side. */
  readonly isDialled: boolean;
  /** Where this server connects again when the route ends; none where that is for the other side to do. */
  destinations: readonly Destination[];
  /** The id of the other server; empty before it has said it. */
  remoteId = '';
  /** What the other server said of itself; undefined before. */
  remote: RouteInfo | undefined;
  readonly #environment: RouteEnvironment;
  readonly #parser: RouteParser;
  readonly #heartbeat: Heartbeat;
  readonly #publisher: Publisher;
  readonly #lastMatch = new LastMatch();
  readonly #interest = new RouteInterest();
  /** The account of the last message. */
  #account: Account | undefined;
  #introduction: NodeJS.Timeout | undefined;
  #isGreeted = false;
  #isKept = false;
  #tls: TLSSocket | undefined;
  #tlsFacts: TlsFacts | undefined;

  /** @param destination where this server has connected to; undefined where the other side has */
  constructor(
    id: number,
    socket: Socket,
    destination: Destination | undefined,
    environment: RouteEnvironment,
  ) {
    const { settings } = environment;
    this.id = id;
    this.destinations = destination === undefined ? [] : [destination];
    this.isDialled = destination !== undefined;
    this.#environment = environment;
    this.statistics = new ConnectionStatistics(environment.now().getTime());
    this.connection = new Connection(socket, settings.transport, this);
    this.log = new LabelledLogger(environment.logger, `${this.connection.peer} - rid:${id}`);
    this.#parser = new RouteParser(this, settings.limits, settings.transport.pool, settings.transport.lines);
    this.#parser.connectFirst = !this.isDialled;
    // Nobody holds up a route: it carries the messages of many.
    this.#publisher = {
      connection: undefined,
      statistics: this.statistics,
      isRoute: true,
      lastMatch: this.#lastMatch,
    };
    this.#heartbeat = new Heartbeat(
      () => environment.settings.heartbeat,
      () => this.connection.write(pingLine),
      () => this.violation(violations.staleConnection),
    );
    this.traceDelivery = environment.logger.tracing
      ? ({ buffer, subjectStart, payloadStart }, account) =>
          this.log.trace(`->> [RMSG ${account} ${buffer.toString('latin1', subjectStart, payloadStart - 2)}]`)
      : undefined;
  }

  /** The one that says what kind of route this is. */
  get destination(): Destination | undefined {
    return this.destinations.find(({ type }) => type === 'explicit') ?? this.destinations[0];
  }

  get headers(): boolean {
    return this.#environment.settings.headers && this.remote?.headers === true;
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
  interests(): Iterable<RemoteInterest> {
    return this.#interest;
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
    // Before the connection ends over it: with TLS 1.3 the other side refuses a certificate after the handshake.
    socket.once('error', (error) => {
      const refusal = describeAlert(error);
      if (refusal !== undefined) this.log.error(`TLS route handshake error: ${refusal}`);
    });
    this.connection.secure(socket);
  }

  /** Begins to read. @param connect the CONNECT of this server, where it has connected */
  start(connect?: Buffer): void {
    this.#introduction = setTimeout(
      () => this.violation(violations.authenticationTimeout, 'no INFO of another server came in time'),
      this.#environment.settings.introductionMs,
    );
    if (connect !== undefined) this.connection.write(connect);
    this.#heartbeat.start();
    this.connection.open();
    this.log.info('Route connection created');
  }

  /** Sends the first INFO, once. */
  greet(info: Buffer): void {
    if (this.#isGreeted) return;
    this.#isGreeted = true;
    this.connection.write(info);
  }

  /** The route stays; what it asks for counts from now on. */
  keep(): void {
    clearTimeout(this.#introduction);
    this.#isKept = true;
    this.#heartbeat.connected(this.#environment.delivery.random);
    this.#heartbeat.ask();
  }

  /** Finds out whether the other side is still there, unless it has just been heard. */
  probe(): void {
    const silence = this.#environment.now().getTime() - this.statistics.readAt;
    if (silence >= silentMs) this.#heartbeat.probe(probeMs);
  }

  /** Says what clients of this server listen to. */
  tell(account: Account, { subject, queue, weight }: Interest): void {
    if (this.log.tracing) {
      const group = queue === undefined ? '' : ` ${queue}${weight > 0 ? ` ${weight}` : ''}`;
      const line = `RS${weight > 0 ? '+' : '-'} ${account.name} ${subject}${group}`;
      this.log.trace(`->> [${line}]`);
    }
    this.connection.write(interestLine(account.nameBytes, subject, queue, weight));
  }

  /** Takes over what a reload has changed. */
  applyLimits(): void {
    this.#parser.maxControlLine = this.#environment.settings.limits.maxControlLine;
  }

  /** Drops what the other server may not ask for any more. */
  review(): void {
    const { permissions } = this.#environment;
    if (permissions === undefined) return;
    this.#interest.review(({ subjectBytes }) => permissions.mayExport(subjectBytes));
  }

  /** Whether a message is kept from the other server. */
  withholds(publication: Publication): boolean {
    return this.#environment.permissions?.withholds(publication) ?? false;
  }

  // What the connection says.

  receive(chunk: Buffer): void {
    this.statistics.readAt = this.#environment.settings.transport.clock();
    try {
      this.#parser.parse(chunk);
      this.#lastMatch.forget();
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
    this.#interest.clear();
    const remote = this.remote === undefined ? '' : ` - Remote: ${this.remote.server_name}`;
    this.log.info(`Router connection closed: ${reason}${remote}`);
    this.#environment.forget(this, reason);
  }

  // What the other server says.

  connect(json: Buffer): void {
    this.log.trace('<<- [CONNECT]');
    let connect: RouteConnect;
    try {
      connect = parseRouteConnect(json);
    } catch (error) {
      this.violation(violations.malformed, `CONNECT with ${(error as Error).message}`);
      return;
    }
    const refusal = this.#environment.judge(this, connect, () => this.#tls && peerOf(this.#tls));
    if (refusal !== undefined) {
      this.violation(refusal.violation, refusal.detail);
    } else if (this.#parser.connectFirst) {
      this.#parser.connectFirst = false;
      this.remoteId = connect.name;
      this.#environment.accepted(this);
    }
  }

  info(json: Buffer): void {
    let info: RouteInfo;
    try {
      info = parseRouteInfo(json);
    } catch (error) {
      this.violation(violations.malformed, `INFO with ${(error as Error).message}`);
      return;
    }
    this.log.trace(`<<- [INFO ${quote(info.server_name)}]`);
    if (this.remote !== undefined) {
      this.#environment.informed(this, this.remote, info);
      return;
    }
    if (!this.isDialled && info.server_id !== this.remoteId) {
      this.violation(violations.malformed, 'INFO of another server than CONNECT');
      return;
    }
    this.remoteId = info.server_id;
    this.remote = info;
    const { limits } = this.#environment.settings;
    this.#parser.maxPayload = Math.min(maxPayload, Math.max(limits.maxPayload, info.max_payload));
    this.#environment.introduced(this, info);
  }

  publish(publication: RoutedPublication): void {
    if (!this.#isIntroduced()) return;
    this.statistics.inMsgs++;
    this.statistics.inBytes += publication.payloadEnd - publication.payloadStart;
    this.statistics.lastActivity = this.statistics.readAt;
    if (this.log.tracing) this.#tracePublication(publication);
    if (this.#account?.name !== publication.account) {
      this.#account = this.#environment.accounts.named(publication.account);
    }
    publishRouted(publication, this.#account, this.#publisher, this.#environment.delivery);
  }

  interest(
    accountBytes: Buffer,
    subject: Buffer,
    queueBytes: Buffer | undefined,
    weight: number,
    leaf: Buffer | undefined,
  ): void {
    if (!this.#isIntroduced()) return;
    const key = keyOf(accountBytes, subject, queueBytes, leaf);
    if (this.log.tracing)
      this.log.trace(`<<- [${key[0]}S+ ${key.slice(2)}${queueBytes === undefined ? '' : ` ${weight}`}]`);
    const known = this.#interest.get(key);
    if (known !== undefined) {
      known.weight = weight;
      return;
    }
    if (this.#environment.permissions?.mayExport(subject) === false) {
      this.log.debug(`Can not export ${quoteBytes(subject)}, ignoring remote subscription request`);
      return;
    }
    const account = this.#environment.accounts.named(accountBytes.toString());
    const queue = queueBytes?.toString('latin1');
    const interest = new RemoteInterest(this, account, subject, queue, weight, leaf !== undefined);
    if (!this.#interest.add(key, interest))
      this.log.error(`Could not insert subscription: invalid subject ${quoteBytes(subject)}`);
  }

  noInterest(
    accountBytes: Buffer,
    subject: Buffer,
    queueBytes: Buffer | undefined,
    leaf: Buffer | undefined,
  ): void {
    if (!this.#isIntroduced()) return;
    const key = keyOf(accountBytes, subject, queueBytes, leaf);
    if (this.log.tracing) this.log.trace(`<<- [${key[0]}S- ${key.slice(2)}]`);
    this.#interest.remove(key);
  }

  ping(): void {
    this.log.trace('<<- [PING]');
    this.connection.write(pongLine);
  }

  pong(): void {
    this.log.trace('<<- [PONG]');
    this.#heartbeat.answered();
    if (this.#isKept) this.#environment.confirmed(this);
  }

  peerError(text: Buffer): void {
    const line = `Route Error ${text.toString()}`;
    // A nats-server with a pool of routes tries to have one for its system account, finds none here and does without.
    if (text.includes('Not possible to have a dedicated route')) this.log.debug(line);
    else this.log.error(line);
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

  #isIntroduced(): boolean {
    if (this.remote !== undefined) return true;
    this.violation(violations.malformed, 'INFO expected');
    return false;
  }

  #tracePublication(publication: RoutedPublication): void {
    const { account, buffer, subjectStart, payloadStart, headerSize } = publication;
    const line = buffer.toString('latin1', subjectStart, payloadStart - 2);
    this.log.trace(`<<- [${headerSize > 0 ? 'HMSG' : 'RMSG'} ${account} ${line}]`);
  }
}

/** As RS- and LS- name it. */
function keyOf(
  account: Buffer,
  subject: Buffer,
  queue: Buffer | undefined,
  leaf: Buffer | undefined,
): string {
  const sign = leaf === undefined ? 'R' : `L ${leaf.toString('latin1')}`;
  const text = `${sign} ${account.toString('latin1')} ${subject.toString('latin1')}`;
  return queue === undefined ? text : `${text} ${queue.toString('latin1')}`;
}
