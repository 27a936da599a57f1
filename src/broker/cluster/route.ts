// The session of one route: interprets the operations of another server of the cluster. Its Connection transports the
// bytes; the Cluster decides which servers are members and which routes stay.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LabelledLogger, type Logger, quote, quoteBytes } from '../../log.ts';
import { formatHostPort } from '../../net/host-port.ts';
import { errorLine, interestLine, pingLine, pongLine } from '../../protocol/encoder.ts';
import type { Publication, RoutedPublication, RouteOperationHandler } from '../../protocol/operations.ts';
import { RouteParser } from '../../protocol/route-parser.ts';
import { type CloseReason, type Violation, violations } from '../../protocol/violations.ts';
import { describeAlert } from '../../tls/client-handshake.ts';
import { type PeerCertificate, peerOf } from '../../tls/peer.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import { type DeliveryPolicy, publishRouted } from '../accounts/delivery.ts';
import type { Interest } from '../accounts/local-interest.ts';
import type { TraceParty } from '../accounts/message-trace.ts';
import { RemoteInterest, type RouteTarget } from '../accounts/remote-interest.ts';
import { LastMatch, type Publisher } from '../accounts/subscription.ts';
import { mayAskForTrace, publishTraced, type TraceSender } from '../accounts/trace-start.ts';
import { Connection, type ConnectionOwner } from '../transport/connection.ts';
import { guard } from '../transport/defects.ts';
import { Heartbeat } from '../transport/heartbeat.ts';
import { ConnectionStatistics } from '../transport/statistics.ts';
import { readTlsFacts, type TlsFacts } from '../transport/tls-facts.ts';
import type { RouteRejection } from './cluster-identity.ts';
import type { Destination, Slot } from './destination.ts';
import { parseRouteConnect, parseRouteInfo, type RouteConnect, type RouteInfo } from './route-info.ts';
import { RouteInterest } from './route-interest.ts';
import type { RoutePermissions } from './route-permissions.ts';
import type { RouteSettings } from './route-settings.ts';
import { RouteTraceOrigin } from './route-trace-origin.ts';

const noAccount = Buffer.alloc(0);

/** Maximum payload read from a route in bytes, whatever the peer allows its clients. */
const maxPayload = 64 * 1024 * 1024;

/**
 * When a server dials again although it has a route: milliseconds of silence after which the route may be dead, and
 * milliseconds that it then has to answer a PING.
 */
const silentMs = 2000;
const probeMs = 10_000;

/** The version of the protocol between servers that traces messages (server.go, MsgTraceProto). */
const tracingProtocol = 3;

/** The cluster as one of its routes sees it. */
export interface RouteOwner {
  readonly accounts: Accounts;
  readonly settings: RouteSettings;
  readonly delivery: DeliveryPolicy;
  readonly logger: Logger;
  readonly now: () => Date;
  /** Publishes the events of traced messages. */
  readonly traces: TraceSender;
  /** Undefined if everything may pass over routes. */
  readonly permissions: RoutePermissions | undefined;
  /** Returns why a server that has dialled is rejected; undefined to accept it. */
  checkConnect(
    route: RouteSession,
    connect: RouteConnect,
    peer: () => PeerCertificate | undefined,
  ): RouteRejection | undefined;
  /** A server that has dialled is accepted and waits for INFO. */
  accepted(route: RouteSession): void;
  /** The first INFO has arrived. */
  infoReceived(route: RouteSession, remote: RouteInfo): void;
  /** The peer has answered after our INFO. */
  confirmed(route: RouteSession): void;
  /** A later INFO has arrived. */
  infoChanged(route: RouteSession, remote: RouteInfo, info: RouteInfo): void;
  /** Called once, when the session has ended. */
  routeEnded(route: RouteSession, reason: CloseReason): void;
}

export class RouteSession implements RouteOperationHandler, ConnectionOwner, RouteTarget {
  readonly id: number;
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  readonly log: LabelledLogger;
  readonly traceDelivery: RouteTarget['traceDelivery'];
  /** Whether this server dialled, not the peer. */
  readonly isDialled: boolean;
  /** What this server redials when the route ends; empty if the peer redials. */
  destinations: readonly Destination[];
  /** The server id of the peer; empty until the peer has sent it. */
  remoteId = '';
  /** The INFO of the peer; undefined until it has arrived. */
  remote: RouteInfo | undefined;
  readonly #cluster: RouteOwner;
  /** The host and port that this server dialled; undefined if the peer dialled. */
  readonly #dialledHost: string | undefined;
  readonly #parser: RouteParser;
  readonly #heartbeat: Heartbeat;
  readonly #publisher: Publisher;
  readonly #lastMatch = new LastMatch();
  readonly #interest = new RouteInterest();
  /** The account of the last message. */
  #account: Account | undefined;
  #infoTimer: NodeJS.Timeout | undefined;
  #hasSentInfo = false;
  #isKept = false;
  #slot: Slot | undefined;
  #tls: TLSSocket | undefined;
  #tlsFacts: TlsFacts | undefined;

  /** @param destination what this server dialled; undefined if the peer dialled */
  constructor(id: number, socket: Socket, destination: Destination | undefined, cluster: RouteOwner) {
    const { settings } = cluster;
    this.id = id;
    this.destinations = destination === undefined ? [] : [destination];
    this.isDialled = destination !== undefined;
    this.#dialledHost = destination?.url.host;
    this.#cluster = cluster;
    this.statistics = new ConnectionStatistics(cluster.now().getTime());
    this.connection = new Connection(socket, settings.transport, this);
    this.log = new LabelledLogger(cluster.logger, `${this.connection.peer} - rid:${id}`);
    this.#parser = new RouteParser(this, settings.limits, settings.transport.pool, settings.transport.lines);
    this.#parser.connectFirst = !this.isDialled;
    // Consumers stall no route: it carries the messages of many publishers.
    this.#publisher = {
      connection: undefined,
      statistics: this.statistics,
      isRoute: true,
      lastMatch: this.#lastMatch,
    };
    this.#heartbeat = new Heartbeat(
      () => cluster.settings.heartbeat,
      () => this.connection.write(pingLine),
      () => this.violation(violations.staleConnection),
    );
    this.traceDelivery = cluster.logger.tracing
      ? ({ buffer, subjectStart, payloadStart }, account) =>
          this.log.trace(`->> [RMSG ${account} ${buffer.toString('latin1', subjectStart, payloadStart - 2)}]`)
      : undefined;
  }

  /** The destination that determines the type of the route. */
  get destination(): Destination | undefined {
    return this.destinations.find(({ type }) => type === 'explicit') ?? this.destinations[0];
  }

  /** Host and port of the peer, as the log names them; undefined if the peer dialled and has sent no INFO. */
  get #host(): string | undefined {
    return this.#dialledHost ?? (this.remote && formatHostPort(this.remote));
  }

  get party(): TraceParty {
    return { kind: 1, id: this.id, name: this.remote?.server_name ?? '', account: undefined };
  }

  get traces(): boolean {
    return (this.remote?.proto ?? 0) >= tracingProtocol;
  }

  get headers(): boolean {
    return this.#cluster.settings.headers && this.remote?.headers === true;
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

  /** The interest of the peer. */
  interests(): Iterable<RemoteInterest> {
    return this.#interest;
  }

  get interestCount(): number {
    return this.#interest.size;
  }

  /** Continues over TLS. */
  secured(socket: TLSSocket): void {
    this.#tls = socket;
    this.#tlsFacts = readTlsFacts(socket, true, this.log);
    // With TLS 1.3 the peer rejects a certificate after the handshake. Log that before the connection ends.
    socket.once('error', (error) => {
      const reason = describeAlert(error);
      if (reason !== undefined) this.log.error(`TLS route handshake error: ${reason}`);
    });
    this.connection.secure(socket);
  }

  /** Starts reading. @param connect the CONNECT of this server if it dialled */
  start(connect?: Buffer): void {
    this.#infoTimer = setTimeout(
      () => this.violation(violations.authenticationTimeout, 'received no INFO of a server in time'),
      this.#cluster.settings.infoTimeoutMs,
    );
    if (connect !== undefined) this.connection.write(connect);
    this.#heartbeat.start();
    this.connection.open();
    this.log.info(`Route connection created${this.isDialled ? ` (${this.#host})` : ''}`);
  }

  /** Sends the first INFO, at most once. */
  sendFirstInfo(info: Buffer): void {
    if (this.#hasSentInfo) return;
    this.#hasSentInfo = true;
    this.connection.write(info);
  }

  /** Marks the route as kept and sends the PING whose answer confirms it. */
  keep(): void {
    clearTimeout(this.#infoTimer);
    this.#isKept = true;
    this.#heartbeat.connected(this.#cluster.delivery.random);
    this.#heartbeat.ping();
  }

  /** Checks that the peer is alive, unless bytes have arrived recently. */
  probe(): void {
    const silence = this.#cluster.now().getTime() - this.statistics.readAt;
    if (silence >= silentMs) this.#heartbeat.probe(probeMs);
  }

  get isDedicated(): boolean {
    return typeof this.#slot === 'string';
  }

  /** The place among several routes to its server; undefined for the only one. */
  get slot(): Slot | undefined {
    return this.#slot;
  }

  set slot(slot: Slot) {
    this.#slot = slot;
    if (typeof slot === 'string') this.#parser.dedicateTo(slot);
  }

  /** Sends a change in the interest of local clients. */
  sendInterest(account: Account, { subject, queue, weight }: Interest): void {
    if (this.log.tracing) {
      const group = queue === undefined ? '' : ` ${queue}${weight > 0 ? ` ${weight}` : ''}`;
      const line = `RS${weight > 0 ? '+' : '-'} ${account.name} ${subject}${group}`;
      this.log.trace(`->> [${line}]`);
    }
    const name = this.isDedicated ? noAccount : account.nameBytes;
    this.connection.write(interestLine(name, subject, queue, weight));
  }

  /** Applies reloaded limits. */
  applyLimits(): void {
    this.#parser.maxControlLine = this.#cluster.settings.limits.maxControlLine;
  }

  /** Drops the peer's interest that changed permissions deny. */
  dropDeniedInterest(): void {
    const { permissions } = this.#cluster;
    if (permissions === undefined) return;
    this.#interest.removeDenied(({ subjectBytes }) => permissions.mayExport(subjectBytes));
  }

  /** Whether to withhold a message from the peer. */
  withholds(publication: Publication): boolean {
    return this.#cluster.permissions?.withholds(publication) ?? false;
  }

  // Events of the connection.

  receive(chunk: Buffer): void {
    this.statistics.readAt = this.#cluster.settings.transport.clock();
    guard(this, () => this.#parser.parse(chunk));
    this.#lastMatch.forget();
  }

  slowConsumer(text: string): void {
    this.log.info(text);
  }

  closed(reason: CloseReason): void {
    this.#parser.stop();
    clearTimeout(this.#infoTimer);
    this.#heartbeat.stop();
    this.#interest.clear();
    const remote = this.remote && `Remote: ${this.remote.server_name}`;
    const host = this.#host && `Host: ${this.#host}`;
    const tags = [remote, host].filter((tag) => tag !== undefined).join(', ');
    this.log.info(`Router connection closed: ${reason}${tags === '' ? '' : ` - ${tags}`}`);
    this.#cluster.routeEnded(this, reason);
  }

  // Operations of the peer.

  connect(json: Buffer): void {
    this.log.trace('<<- [CONNECT]');
    let connect: RouteConnect;
    try {
      connect = parseRouteConnect(json);
    } catch (error) {
      this.violation(violations.malformed, `CONNECT: ${(error as Error).message}`);
      return;
    }
    const rejection = this.#cluster.checkConnect(this, connect, () => this.#tls && peerOf(this.#tls));
    if (rejection !== undefined) {
      this.violation(rejection.violation, rejection.detail);
    } else if (this.#parser.connectFirst) {
      this.#parser.connectFirst = false;
      this.remoteId = connect.name;
      this.#cluster.accepted(this);
    }
  }

  info(json: Buffer): void {
    let info: RouteInfo;
    try {
      info = parseRouteInfo(json);
    } catch (error) {
      this.violation(violations.malformed, `INFO: ${(error as Error).message}`);
      return;
    }
    this.log.trace(`<<- [INFO ${quote(info.server_name)}]`);
    if (this.remote !== undefined) {
      this.#cluster.infoChanged(this, this.remote, info);
      return;
    }
    if (!this.isDialled && info.server_id !== this.remoteId) {
      this.violation(violations.malformed, 'INFO and CONNECT have different server ids');
      return;
    }
    this.remoteId = info.server_id;
    this.remote = info;
    const { limits } = this.#cluster.settings;
    this.#parser.maxPayload = Math.min(maxPayload, Math.max(limits.maxPayload, info.max_payload));
    this.#cluster.infoReceived(this, info);
  }

  publish(publication: RoutedPublication): void {
    if (!this.#hasInfo()) return;
    if (publication.headerSize === 0 || !mayAskForTrace(publication)) {
      this.#publish(publication);
      return;
    }
    const { traces, accounts } = this.#cluster;
    const origin = new RouteTraceOrigin(this, accounts.find(publication.account), this.#cluster.permissions);
    publishTraced(publication, this.#publisher, origin, traces, (message) => this.#publish(message));
  }

  #publish(publication: RoutedPublication): void {
    this.statistics.inMsgs++;
    this.statistics.inBytes += publication.payloadEnd - publication.payloadStart;
    this.statistics.lastActivity = this.statistics.readAt;
    if (this.log.tracing) this.#tracePublication(publication);
    if (this.#account?.name !== publication.account) {
      this.#account = this.#cluster.accounts.forRoute(publication.account);
    }
    publishRouted(publication, this.#account, this.#publisher, this.#cluster.delivery);
  }

  interest(
    accountBytes: Buffer,
    subject: Buffer,
    queueBytes: Buffer | undefined,
    weight: number,
    leaf: Buffer | undefined,
  ): void {
    if (!this.#hasInfo()) return;
    const key = keyOf(accountBytes, subject, queueBytes, leaf);
    if (this.log.tracing)
      this.log.trace(`<<- [${key[0]}S+ ${key.slice(2)}${queueBytes === undefined ? '' : ` ${weight}`}]`);
    const known = this.#interest.get(key);
    if (known !== undefined) {
      known.weight = weight;
      return;
    }
    if (this.#cluster.permissions?.mayExport(subject) === false) {
      this.log.debug(`Can not export ${quoteBytes(subject)}, ignoring remote subscription request`);
      return;
    }
    const account = this.#cluster.accounts.forRoute(accountBytes.toString());
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
    if (!this.#hasInfo()) return;
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
    this.#heartbeat.pongReceived();
    if (this.#isKept) this.#cluster.confirmed(this);
  }

  peerError(text: Buffer): void {
    this.log.error(`Route Error ${text.toString()}`);
    this.connection.close('Parse Error');
  }

  /** Answers a violation by the peer. @param detail for the log only */
  violation({ text, closes, log }: Violation, detail?: string): void {
    if (!this.connection.isOpen) return;
    const line = [log ?? text, detail].filter((part) => part !== undefined).join(': ');
    this.log.error(line);
    if (text !== undefined) this.connection.write(errorLine(text));
    this.connection.close(closes ?? 'Protocol Violation');
  }

  #hasInfo(): boolean {
    if (this.remote !== undefined) return true;
    this.violation(violations.malformed, 'expected INFO before other operations');
    return false;
  }

  #tracePublication(publication: RoutedPublication): void {
    const { account, buffer, subjectStart, payloadStart, headerSize } = publication;
    const line = buffer.toString('latin1', subjectStart, payloadStart - 2);
    this.log.trace(`<<- [${headerSize > 0 ? 'HMSG' : 'RMSG'} ${account} ${line}]`);
  }
}

/** The key by which RS- and LS- name an interest. */
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
