// The session of one client: interprets its operations. Its Connection transports the bytes, the Authenticator decides
// who its user is, and its account routes its messages.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { LabelledLogger, quoteBytes } from '../../log.ts';
import { errorLine, infoLine, okLine, pingLine, pongLine } from '../../protocol/encoder.ts';
import { readMembers } from '../../protocol/json-members.ts';
import type { OperationHandler, Publication } from '../../protocol/operations.ts';
import { Parser } from '../../protocol/parser.ts';
import {
  type CloseReason,
  publishDenied,
  replyDenied,
  type Violation,
  violations,
} from '../../protocol/violations.ts';
import { isLiteral } from '../../subjects/subject.ts';
import { peerOf } from '../../tls/peer.ts';
import type { Account } from '../accounts/account.ts';
import { publish, sendNoResponders } from '../accounts/delivery.ts';
import type { MessageTrace, TraceParty } from '../accounts/message-trace.ts';
import {
  type ClientType,
  LastMatch,
  type Publisher,
  type Receiver,
  type Requester,
  type Subscription,
} from '../accounts/subscription.ts';
import type { AuthenticatedUser, Rejection } from '../auth/authenticator.ts';
import { type AuthenticationContext, ClientAuthentication } from '../auth/client-authentication.ts';
import {
  type ConnectOptions,
  defaultConnectOptions,
  fillEmpty,
  mergeConnect,
  redactSecrets,
} from '../auth/connect-options.ts';
import { isReservedReply } from '../auth/reserved-subjects.ts';
import type { SessionPermissions } from '../auth/session-permissions.ts';
import { Connection, type ConnectionOwner } from '../transport/connection.ts';
import { guard } from '../transport/defects.ts';
import { Heartbeat } from '../transport/heartbeat.ts';
import type { LogRateLimit } from '../transport/log-rate-limit.ts';
import { ConnectionStatistics } from '../transport/statistics.ts';
import { readTlsFacts, type TlsFacts } from '../transport/tls-facts.ts';
import type { BrokerContext } from './broker-context.ts';
import { ClientSubscriptions } from './client-subscriptions.ts';
import { ClientTracing } from './client-tracing.ts';
import { requesterOf, type SessionProfile } from './connection-record.ts';
import { type ClientFacts, infoJson } from './info.ts';
import { SessionIdentity } from './session-identity.ts';
import { sessionLabel } from './session-label.ts';
import { traceMessage, tracePublication } from './trace.ts';
import { connectionLabel, type WebsocketClient } from './websocket-client.ts';

/** Maximum size in bytes of a compressed message before the client is accepted. */
const maxUnprovedMessage = 65_536;

/** The broker as a session sees it. */
export interface ClientOwner extends BrokerContext, AuthenticationContext {
  readonly logLimit: LogRateLimit;
  /** Called each time the client is accepted. */
  clientAccepted(session: ClientSession): void;
  /** Calls `reject` once the session may send the rejection to its client. */
  delayRejection(session: ClientSession, reject: () => void): void;
  /** Called once, when the session has ended and its subscriptions still exist. */
  clientEnded(session: ClientSession, reason: CloseReason): void;
}

export class ClientSession implements OperationHandler, ConnectionOwner, Receiver, Publisher {
  readonly id: number;
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  readonly lastMatch = new LastMatch();
  readonly log: LabelledLogger;
  readonly traceDelivery: Receiver['traceDelivery'];
  trace: MessageTrace | undefined;
  readonly #broker: ClientOwner;
  readonly #websocket: WebsocketClient | undefined;
  readonly #parser: Parser;
  readonly #heartbeat: Heartbeat;
  readonly #authentication: ClientAuthentication;
  readonly #subscriptions: ClientSubscriptions;
  readonly #identity: SessionIdentity;
  readonly #tracing: ClientTracing;
  #connect: Readonly<ConnectOptions> = defaultConnectOptions;
  /** Whether the session reads its socket. */
  #isReading = false;
  #hasConnected = false;
  #pongSent = false;
  #tls: TLSSocket | undefined;
  #tlsFacts: TlsFacts | undefined;

  /** @param websocket undefined if the socket carries the protocol as it is */
  constructor(id: number, socket: Socket, broker: ClientOwner, websocket?: WebsocketClient) {
    this.id = id;
    this.#broker = broker;
    this.#websocket = websocket;
    this.statistics = new ConnectionStatistics(broker.now().getTime());
    this.connection = new Connection(socket, broker.transport, this, websocket?.framing);
    this.log = new LabelledLogger(broker.logger, this.#connectionLabel);
    this.#parser = new Parser(this, broker.options, broker.transport.pool, broker.transport.lines);
    this.#identity = new SessionIdentity(broker.accounts);
    this.#tracing = new ClientTracing(this, this.#identity, broker.traces);
    this.#subscriptions = new ClientSubscriptions(this, this.#identity, () => broker.options);
    this.#authentication = new ClientAuthentication(broker, {
      connection: this.connection,
      parser: this.#parser,
      peer: () => (this.#tls === undefined ? undefined : peerOf(this.#tls)),
      onTimeout: () => this.violation(violations.authenticationTimeout),
      guard: (task) => guard(this, task),
    });
    this.#heartbeat = new Heartbeat(
      () => broker.options,
      () => this.connection.write(pingLine),
      () => this.violation(violations.staleConnection),
    );
    this.traceDelivery = broker.logger.tracing
      ? (publication, { sid }) => this.log.trace(traceMessage(publication, sid, this.headers))
      : undefined;
    if (socket instanceof TLSSocket) {
      this.#tls = socket;
      this.#tlsFacts = readTlsFacts(socket, false);
    }
    this.log.debug('Client connection created');
  }

  get #account(): Account {
    return this.#identity.account;
  }

  get permissions(): SessionPermissions | undefined {
    return this.#identity.permissions;
  }

  get isResponding(): boolean {
    return this.#identity.isResponding;
  }

  /** Label of its log lines before it is authenticated. */
  get #connectionLabel(): string {
    return connectionLabel(this.connection.peer, this.id, this.#websocket);
  }

  /** Maximum size of a message in bytes: the lower limit of server and account. */
  get #maxPayload(): number {
    return Math.min(this.#broker.options.maxPayload, this.#account.limits.maxPayload);
  }

  get party(): TraceParty {
    return { kind: 0, id: this.id, name: this.#connect.name, account: this.#account.name };
  }

  get echo(): boolean {
    return this.#connect.echo;
  }

  get headers(): boolean {
    return this.#connect.headers && this.#broker.options.headers;
  }

  /** Undefined before the handshake and without TLS. */
  get tls(): TLSSocket | undefined {
    return this.#tls;
  }

  /** What a service of another account may learn about the client. */
  get requester(): Requester {
    return requesterOf(this);
  }

  get type(): ClientType {
    return this.#websocket === undefined ? 'nats' : 'websocket';
  }

  /** What monitoring shows of the session. */
  get profile(): SessionProfile {
    return {
      type: this.type,
      connect: this.#connect,
      user: this.#identity.user,
      account: this.#account.name,
      tls: this.#tlsFacts,
      rttMs: this.#heartbeat.rttMs,
      subscriptions: this.#subscriptions,
    };
  }

  /** Whether the client accepts an INFO after CONNECT. */
  get acceptsInfo(): boolean {
    return this.#hasConnected && this.#connect.protocol >= 1;
  }

  /** Sends the first INFO immediately: a TLS handshake may follow it. */
  sendFirstInfo(): void {
    this.connection.writeNow(this.#infoLine({ nonce: this.#authentication.createNonce() }));
  }

  /** Continues over TLS. @param isFirst whether the handshake preceded INFO */
  secured(socket: TLSSocket, isFirst: boolean): void {
    this.#tls = socket;
    this.#tlsFacts = readTlsFacts(socket, isFirst, this.log);
    this.connection.secure(socket);
  }

  /** Starts reading operations. */
  start(): void {
    this.#isReading = true;
    if (this.#broker.authenticator.isRequired) {
      this.#parser.connectFirst = true;
      this.#authentication.startTimeout();
    }
    this.#limitMessages();
    this.#heartbeat.start();
    this.connection.open();
  }

  /** Tells the client what has changed. */
  sendInfo(fields: Partial<ClientFacts>): void {
    this.connection.write(this.#infoLine(fields));
  }

  /** Applies reloaded options; disconnects a client that they reject. */
  applyOptions(): void {
    const { options, authenticator } = this.#broker;
    this.#parser.maxControlLine = options.maxControlLine;
    this.#parser.maxPayload = this.#maxPayload;
    this.#limitMessages();
    this.#parser.headers = this.headers;
    // The new rules apply anyway to a client that has yet to send CONNECT.
    if (!this.#isReading || this.#parser.connectFirst) return;
    if (!authenticator.isRequired && this.#identity.user === undefined) return;
    this.#authentication.authenticate(this.#connect, (result) => this.#finishReauthentication(result));
  }

  // Events of the connection.

  receive(chunk: Buffer): void {
    this.statistics.readAt = this.#broker.transport.clock();
    guard(this, () => this.#parser.parse(chunk));
    this.lastMatch.forget();
  }

  slowConsumer(text: string): void {
    this.log.info(text);
  }

  invalidFrame(problem: string): void {
    this.log.error(`read error: ${problem}`);
  }

  closed(reason: CloseReason): void {
    this.#parser.stop();
    this.#authentication.close();
    this.#heartbeat.stop();
    this.#identity.leaveAccount();
    this.#broker.clientEnded(this, reason);
    this.#subscriptions.clear();
    this.log.debug(`Client connection closed: ${reason}`);
  }

  // Operations of the client.

  connect(json: Buffer): void {
    if (this.log.tracing) this.log.trace(`<<- [CONNECT ${redactSecrets(json)}]`);
    this.#heartbeat.connected(this.#broker.delivery.random);
    this.statistics.lastActivity = this.statistics.readAt;
    try {
      this.#connect = fillEmpty(mergeConnect(this.#connect, json), this.#websocket?.credentials);
    } catch (error) {
      this.violation(violations.malformed, (error as Error).message);
      return;
    }
    // A second CONNECT may change the user and the account (client.go, processConnect).
    if (this.#hasConnected) this.#subscriptions.clear();
    this.#authentication.authenticate(this.#connect, (result) => this.#finishConnect(result));
  }

  beforeConnect(): boolean {
    if (!this.#broker.authenticator.acceptsWithoutConnect) return false;
    if (!this.#acceptOrReject(this.#authentication.authenticateWithoutConnect(this.#connect))) return false;
    this.#authentication.close();
    this.#hasConnected = true;
    return true;
  }

  publish(publication: Publication): void {
    if (publication.headerSize === 0) this.#publish(publication);
    else this.#tracing.publish(publication, (message) => this.#publish(message));
  }

  tooLarge(subject: Buffer, size: number, headers: Buffer): void {
    this.#tracing.tooLarge(subject, size, headers);
  }

  #publish(publication: Publication): void {
    this.#recordActivity();
    this.statistics.inMsgs++;
    this.statistics.inBytes += publication.payloadEnd - publication.payloadStart;
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
    if (this.log.tracing) this.#tracePublication(publication);
    if (this.#connect.pedantic && !isLiteral(buffer, subjectStart, subjectEnd)) {
      this.violation(violations.invalidPublishSubject);
    }
    if (!this.#identity.mayPublish(publication)) {
      this.#deny(publishDenied(quoteBytes(buffer.subarray(subjectStart, subjectEnd))));
      return;
    }
    if (isReservedReply(buffer, replyStart, replyEnd)) {
      this.#deny(replyDenied(quoteBytes(buffer.subarray(replyStart, replyEnd))));
      return;
    }
    this.#acknowledge();
    const delivered = publish(publication, this.#account, this, this.#broker.delivery);
    if (!delivered && replyEnd > replyStart && this.#connect.no_responders) {
      sendNoResponders(publication, this.#account, this);
    }
  }

  subscribe(subject: Buffer, queue: Buffer | undefined, sidBytes: Buffer): void {
    this.#recordActivity();
    const sid = sidBytes.toString('latin1');
    if (this.log.tracing) {
      const parts = [subject, queue, sidBytes].map((bytes) => bytes?.toString('latin1'));
      this.log.trace(`<<- [SUB ${parts.filter(Boolean).join(' ')}]`);
    }
    const violation = this.#subscriptions.add(subject, queue, sid);
    if (violation === undefined) this.#acknowledge();
    else this.violation(violation);
  }

  unsubscribe(sidBytes: Buffer, max: number | undefined): void {
    this.#recordActivity();
    const sid = sidBytes.toString('latin1');
    if (this.log.tracing) this.log.trace(`<<- [UNSUB ${sid}${max === undefined ? '' : ` ${max}`}]`);
    this.#subscriptions.unsubscribe(sid, max);
    this.#acknowledge();
  }

  ping(): void {
    this.#heartbeat.active();
    this.log.trace('<<- [PING]');
    this.connection.write(pongLine);
    if (!this.#hasConnected || this.#pongSent) return;
    this.#pongSent = true;
    const { name } = this.#account;
    const isSystem = name === this.#broker.options.systemAccount;
    if (this.acceptsInfo) this.sendInfo({ account: name, isSystem });
  }

  pong(): void {
    this.log.trace('<<- [PONG]');
    this.#heartbeat.pongReceived();
  }

  info(json: Buffer): void {
    try {
      readMembers(json);
    } catch {
      this.violation(violations.malformed, 'INFO without a valid JSON object');
    }
  }

  peerError(text: Buffer): void {
    this.violation(violations.peerError, quoteBytes(text));
  }

  /** Answers a violation by the client. @param detail for the log only */
  violation(violation: Violation, detail?: string): void {
    if (!this.connection.isOpen) return;
    const { text, closes, log } = violation;
    if (log !== undefined) {
      const line = detail === undefined ? log : `${log}: ${detail}`;
      const { logLimit } = this.#broker;
      if (closes !== undefined || logLimit.allows(line, performance.now())) this.log.error(line);
    }
    if (text !== undefined) {
      this.log.trace(`->> [-ERR ${text}]`);
      this.connection.write(errorLine(text));
    }
    if (closes !== undefined) this.connection.close(closes);
  }

  // Called by accounts.

  removeSubscription(subscription: Subscription): void {
    this.#subscriptions.remove(subscription);
  }

  /** Rejects the current message. */
  #deny(violation: Violation): void {
    if (violation.text !== undefined) this.trace?.rejected(violation.text);
    this.violation(violation);
  }

  #finishConnect(result: AuthenticatedUser | Rejection): void {
    this.#hasConnected = true;
    this.#parser.connectFirst = false;
    this.#parser.headers = this.headers;
    if (!this.#acceptOrReject(result)) return;
    const { account, new_account: newAccount, protocol, no_responders: noResponders } = this.#connect;
    if (account !== '' || newAccount) {
      this.violation(violations.authorization, 'CONNECT names an account');
    } else if (protocol < 0 || protocol > 1) {
      this.violation(violations.badProtocolVersion);
    } else if (noResponders && !this.headers) {
      this.violation(violations.noRespondersNeedsHeaders);
    } else {
      this.#acknowledge();
    }
  }

  #finishReauthentication(result: AuthenticatedUser | Rejection): void {
    const { authenticator } = this.#broker;
    const before = this.#identity.user;
    const user = before && authenticator.reauthenticate(before, result);
    if (user !== undefined) {
      if (user !== before) this.#replaceUser(user);
      this.#enforceAccountLimits();
    } else if (before !== undefined && authenticator.hasMoved(before, this.#connect)) {
      this.log.info('Disconnecting: a reload has moved the user to another account');
      this.connection.close('Client Closed');
    } else {
      this.violation(violations.authorization, 'the reloaded configuration rejects the client');
    }
  }

  #replaceUser(user: AuthenticatedUser): void {
    this.#identity.setUser(user);
    this.log.label = sessionLabel(this.#connectionLabel, this.#connect, user);
    for (const removed of this.#subscriptions.removeDenied()) {
      this.violation(removed);
      this.log.info(`Reload removed a subscription: ${removed.text}`);
    }
  }

  /** Disconnects the client if the account's limits are now lower. */
  #enforceAccountLimits(): void {
    const { clients, limits } = this.#account;
    if (clients > limits.maxConnections) this.violation(violations.maxAccountConnections);
    else if (this.#subscriptions.size > limits.maxSubscriptions) {
      this.violation(violations.maxAccountSubscriptions);
    }
  }

  /** Accepts the client and returns true, or rejects it. */
  #acceptOrReject(result: AuthenticatedUser | Rejection): boolean {
    if ('reason' in result) {
      this.#parser.stop();
      this.connection.pauseReading();
      const { reason } = result;
      this.#broker.delayRejection(this, () => this.violation(violations.authorization, reason));
      return false;
    }
    this.#identity.setUser(result);
    this.log.label = sessionLabel(this.#connectionLabel, this.#connect, result);
    if (!this.#identity.joinAccount(result.account)) {
      this.violation(violations.maxAccountConnections);
      return false;
    }
    this.#parser.maxPayload = this.#maxPayload;
    this.connection.limitMessages(this.#maxPayload);
    this.#broker.clientAccepted(this);
    return true;
  }

  #limitMessages(): void {
    const { connectFirst, maxPayload } = this.#parser;
    this.connection.limitMessages(connectFirst ? Math.min(maxUnprovedMessage, maxPayload) : maxPayload);
  }

  #recordActivity(): void {
    this.#heartbeat.active();
    this.statistics.lastActivity = this.statistics.readAt;
  }

  #acknowledge(): void {
    if (this.#connect.verbose) this.connection.write(okLine);
  }

  #infoLine(fields: Partial<ClientFacts> = {}): Buffer {
    const facts = { id: this.id, ip: this.connection.remoteAddress, maxPayload: this.#maxPayload, ...fields };
    return infoLine(infoJson(this.#broker.facts, facts));
  }

  #tracePublication(publication: Publication): void {
    const { maxTracedLength } = this.#broker.options.log;
    for (const line of tracePublication(publication, maxTracedLength)) this.log.trace(line);
  }
}
