// The session of one client: interprets its operations. Its Connection transports the bytes, the Authenticator decides
// on its identity, and its account routes its messages.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LabelledLogger, type Logger, quoteBytes } from '../../log.ts';
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
import { describeConnection } from '../../tls/ciphers.ts';
import { peerOf } from '../../tls/peer.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import { type DeliveryPolicy, publish, sayNobodyListens } from '../accounts/delivery.ts';
import {
  LastMatch,
  type Publisher,
  type Receiver,
  type Requester,
  type Subscription,
} from '../accounts/subscription.ts';
import type { Identity, Refused } from '../auth/authenticator.ts';
import { Admission, type Judges } from '../auth/client-authentication.ts';
import {
  type ConnectOptions,
  defaultConnectOptions,
  mergeConnect,
  withoutSecrets,
} from '../auth/connect-options.ts';
import { isReservedReply } from '../auth/reserved-subjects.ts';
import type { Permit } from '../auth/session-permissions.ts';
import type { BrokerOptions } from '../options/options.ts';
import { Connection, type ConnectionOwner, type Transport } from '../transport/connection.ts';
import { Heartbeat } from '../transport/heartbeat.ts';
import type { LogRateLimit } from '../transport/log-rate-limit.ts';
import { ConnectionStatistics } from '../transport/statistics.ts';
import { ClientSubscriptions } from './client-subscriptions.ts';
import { requesterOf, type SessionProfile, type TlsFacts } from './connection-record.ts';
import { type ClientFacts, infoJson, type ServerFacts } from './info.ts';
import { Standing } from './session-identity.ts';
import { sessionLabel } from './session-label.ts';
import { traceMessage, tracePublication } from './trace.ts';

/** The broker as a session sees it. Read each property on use: a reload may change it. */
export interface ClientEnvironment extends Judges {
  readonly options: BrokerOptions;
  readonly facts: ServerFacts;
  readonly accounts: Accounts;
  readonly transport: Transport;
  readonly delivery: DeliveryPolicy;
  readonly logger: Logger;
  readonly logLimit: LogRateLimit;
  readonly now: () => Date;
  /** Called each time the client is accepted. */
  admitted(session: ClientSession): void;
  /** Calls `tell` once the session may send the rejection to its client. */
  refusing(session: ClientSession, tell: () => void): void;
  /** Called once, when the session has ended and its subscriptions still exist. */
  forget(session: ClientSession, reason: CloseReason): void;
}

export class ClientSession implements OperationHandler, ConnectionOwner, Receiver, Publisher {
  readonly id: number;
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  readonly lastMatch = new LastMatch();
  readonly log: LabelledLogger;
  readonly traceDelivery: Receiver['traceDelivery'];
  readonly #environment: ClientEnvironment;
  readonly #parser: Parser;
  readonly #heartbeat: Heartbeat;
  readonly #admission: Admission;
  readonly #subscriptions: ClientSubscriptions;
  readonly #standing: Standing;
  #connect: Readonly<ConnectOptions> = defaultConnectOptions;
  /** Whether the session reads its socket. */
  #started = false;
  #connected = false;
  #pongSent = false;
  #tls: TLSSocket | undefined;
  #tlsFacts: TlsFacts | undefined;

  constructor(id: number, socket: Socket, environment: ClientEnvironment) {
    this.id = id;
    this.#environment = environment;
    this.statistics = new ConnectionStatistics(environment.now().getTime());
    this.connection = new Connection(socket, environment.transport, this);
    this.log = new LabelledLogger(environment.logger, this.#name);
    this.#parser = new Parser(
      this,
      environment.options,
      environment.transport.pool,
      environment.transport.lines,
    );
    this.#standing = new Standing(environment.accounts);
    this.#subscriptions = new ClientSubscriptions(this, this.#standing, () => environment.options);
    this.#admission = new Admission(environment, {
      connection: this.connection,
      parser: this.#parser,
      peer: () => (this.#tls === undefined ? undefined : peerOf(this.#tls)),
      onLate: () => this.violation(violations.authenticationTimeout),
      read: (task) => this.#guard(task),
    });
    this.#heartbeat = new Heartbeat(
      () => environment.options,
      () => this.connection.write(pingLine),
      () => this.violation(violations.staleConnection),
    );
    this.traceDelivery = environment.logger.tracing
      ? (publication, { sid }) => this.log.trace(traceMessage(publication, sid, this.headers))
      : undefined;
    this.log.debug('Client connection created');
  }

  get #account(): Account {
    return this.#standing.account;
  }

  get permit(): Permit | undefined {
    return this.#standing.permit;
  }

  /** Label of its log lines before it is identified. */
  get #name(): string {
    return `${this.connection.peer} - cid:${this.id}`;
  }

  /** Maximum size of a message in bytes: the lower limit of server and account. */
  get #maxPayload(): number {
    return Math.min(this.#environment.options.maxPayload, this.#account.limits.maxPayload);
  }

  get echo(): boolean {
    return this.#connect.echo;
  }

  get headers(): boolean {
    return this.#connect.headers && this.#environment.options.headers;
  }

  /** Undefined before the handshake and without TLS. */
  get tls(): TLSSocket | undefined {
    return this.#tls;
  }

  /** What a service of another account may learn about the client. */
  get requester(): Requester {
    return requesterOf(this);
  }

  /** What monitoring shows of the session. */
  get profile(): SessionProfile {
    return {
      connect: this.#connect,
      identity: this.#standing.identity,
      account: this.#account.name,
      tls: this.#tlsFacts,
      rttMs: this.#heartbeat.rttMs,
      subscriptions: this.#subscriptions,
    };
  }

  /** Whether the client accepts an INFO after CONNECT. */
  get takesInfo(): boolean {
    return this.#connected && this.#connect.protocol >= 1;
  }

  /** Sends the first INFO immediately: a TLS handshake may follow it. */
  greet(): void {
    this.connection.writeNow(this.#infoLine({ nonce: this.#admission.challenge() }));
  }

  /** Continues over TLS. @param isFirst whether the handshake preceded INFO */
  secured(socket: TLSSocket, isFirst: boolean): void {
    this.#tls = socket;
    const { tls_version, tls_cipher_suite } = describeConnection(socket);
    this.#tlsFacts = { tls_version, tls_cipher_suite, isFirst };
    this.log.debug('TLS handshake complete');
    this.log.debug(`TLS version ${tls_version}, cipher suite ${tls_cipher_suite}`);
    this.connection.secure(socket);
  }

  /** Starts reading operations. */
  start(): void {
    this.#started = true;
    if (this.#environment.authenticator.isRequired) {
      this.#parser.connectFirst = true;
      this.#admission.limitTime();
    }
    this.#heartbeat.start();
    this.connection.open();
  }

  /** Tells the client what has changed. */
  sendInfo(news: Partial<ClientFacts>): void {
    this.connection.write(this.#infoLine(news));
  }

  /** Applies reloaded options; disconnects a client that they reject. */
  applyOptions(): void {
    const { options, authenticator } = this.#environment;
    this.#parser.maxControlLine = options.maxControlLine;
    this.#parser.maxPayload = this.#maxPayload;
    this.#parser.headers = this.headers;
    // A client that has yet to send CONNECT is judged by the new rules anyway.
    if (!this.#started || this.#parser.connectFirst) return;
    if (!authenticator.isRequired && this.#standing.identity === undefined) return;
    this.#admission.judge(this.#connect, (result) => this.#renew(result));
  }

  // Events of the connection.

  receive(chunk: Buffer): void {
    this.statistics.readAt = this.#environment.transport.clock();
    this.#guard(() => this.#parser.parse(chunk));
    this.lastMatch.forget();
  }

  /** Runs a task that processes input: a defect that one client triggers must not end the broker. */
  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.log.error(`Internal error: ${error instanceof Error ? error.stack : error}`);
      this.connection.abort('Parse Error');
    }
  }

  slowConsumer(text: string): void {
    this.log.info(text);
  }

  closed(reason: CloseReason): void {
    this.#parser.stop();
    this.#admission.close();
    this.#heartbeat.stop();
    this.#standing.leave();
    this.#environment.forget(this, reason);
    this.#subscriptions.clear();
    this.log.debug(`Client connection closed: ${reason}`);
  }

  // Operations of the client.

  connect(json: Buffer): void {
    if (this.log.tracing) this.log.trace(`<<- [CONNECT ${withoutSecrets(json)}]`);
    this.#heartbeat.connected(this.#environment.delivery.random);
    this.statistics.lastActivity = this.statistics.readAt;
    try {
      this.#connect = mergeConnect(this.#connect, json);
    } catch (error) {
      this.violation(violations.malformed, (error as Error).message);
      return;
    }
    // A second CONNECT may change the user and the account (client.go, processConnect).
    if (this.#connected) this.#subscriptions.clear();
    this.#admission.judge(this.#connect, (result) => this.#introduced(result));
  }

  beforeConnect(): boolean {
    if (!this.#environment.authenticator.hasSilentUser) return false;
    if (!this.#enter(this.#admission.judgeSilent(this.#connect))) return false;
    this.#admission.close();
    this.#connected = true;
    return true;
  }

  publish(publication: Publication): void {
    this.#active();
    this.statistics.inMsgs++;
    this.statistics.inBytes += publication.payloadEnd - publication.payloadStart;
    const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
    if (this.log.tracing) this.#tracePublication(publication);
    if (this.#connect.pedantic && !isLiteral(buffer, subjectStart, subjectEnd)) {
      this.violation(violations.invalidPublishSubject);
    }
    if (!this.#standing.mayPublish(publication)) {
      this.violation(publishDenied(quoteBytes(buffer.subarray(subjectStart, subjectEnd))));
      return;
    }
    if (isReservedReply(buffer, replyStart, replyEnd)) {
      this.violation(replyDenied(quoteBytes(buffer.subarray(replyStart, replyEnd))));
      return;
    }
    this.#acknowledge();
    const delivered = publish(publication, this.#account, this, this.#environment.delivery);
    if (!delivered && replyEnd > replyStart && this.#connect.no_responders) {
      sayNobodyListens(publication, this.#account, this);
    }
  }

  subscribe(subject: Buffer, queue: Buffer | undefined, sidBytes: Buffer): void {
    this.#active();
    const sid = sidBytes.toString('latin1');
    if (this.log.tracing) {
      const parts = [subject, queue, sidBytes].map((bytes) => bytes?.toString('latin1'));
      this.log.trace(`<<- [SUB ${parts.filter(Boolean).join(' ')}]`);
    }
    const violation = this.#subscriptions.begin(subject, queue, sid);
    if (violation === undefined) this.#acknowledge();
    else this.violation(violation);
  }

  unsubscribe(sidBytes: Buffer, max: number | undefined): void {
    this.#active();
    const sid = sidBytes.toString('latin1');
    if (this.log.tracing) this.log.trace(`<<- [UNSUB ${sid}${max === undefined ? '' : ` ${max}`}]`);
    this.#subscriptions.end(sid, max);
    this.#acknowledge();
  }

  ping(): void {
    this.#heartbeat.active();
    this.log.trace('<<- [PING]');
    this.connection.write(pongLine);
    if (!this.#connected || this.#pongSent) return;
    this.#pongSent = true;
    const { name } = this.#account;
    const isSystem = name === this.#environment.options.systemAccount;
    if (this.takesInfo) this.sendInfo({ account: name, isSystem });
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
      const { logLimit } = this.#environment;
      if (closes !== undefined || logLimit.allows(line, performance.now())) this.log.error(line);
    }
    if (text !== undefined) {
      this.log.trace(`->> [-ERR ${text}]`);
      this.connection.write(errorLine(text));
    }
    if (closes !== undefined) this.connection.close(closes);
  }

  // Called by accounts.

  drop(subscription: Subscription): void {
    this.#subscriptions.drop(subscription);
  }

  #introduced(result: Identity | Refused): void {
    this.#connected = true;
    this.#parser.connectFirst = false;
    this.#parser.headers = this.headers;
    if (!this.#enter(result)) return;
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

  #renew(result: Identity | Refused): void {
    const { authenticator } = this.#environment;
    const before = this.#standing.identity;
    const identity = before && authenticator.renew(before, result);
    if (identity !== undefined) {
      if (identity !== before) this.#replaceIdentity(identity);
      this.#keepToLimits();
    } else if (before !== undefined && authenticator.hasMoved(before, this.#connect)) {
      this.log.info('Disconnecting: a reload has moved the user to another account');
      this.connection.close('Client Closed');
    } else {
      this.violation(violations.authorization, 'the reloaded configuration rejects the client');
    }
  }

  #replaceIdentity(identity: Identity): void {
    this.#standing.become(identity);
    this.log.label = sessionLabel(this.#name, this.#connect, identity);
    for (const removed of this.#subscriptions.review()) {
      this.violation(removed);
      this.log.info(`Reload removed a subscription: ${removed.text}`);
    }
  }

  /** Disconnects the client if the account's limits are now lower. */
  #keepToLimits(): void {
    const { clients, limits } = this.#account;
    if (clients > limits.maxConnections) this.violation(violations.maxAccountConnections);
    else if (this.#subscriptions.size > limits.maxSubscriptions) {
      this.violation(violations.maxAccountSubscriptions);
    }
  }

  /** Accepts the client and returns true, or rejects it. */
  #enter(result: Identity | Refused): boolean {
    if ('refused' in result) {
      this.#parser.stop();
      this.connection.pauseReading();
      const { refused } = result;
      this.#environment.refusing(this, () => this.violation(violations.authorization, refused));
      return false;
    }
    this.#standing.become(result);
    this.log.label = sessionLabel(this.#name, this.#connect, result);
    if (!this.#standing.enter(result.account)) {
      this.violation(violations.maxAccountConnections);
      return false;
    }
    this.#parser.maxPayload = this.#maxPayload;
    this.#environment.admitted(this);
    return true;
  }

  #active(): void {
    this.#heartbeat.active();
    this.statistics.lastActivity = this.statistics.readAt;
  }

  #acknowledge(): void {
    if (this.#connect.verbose) this.connection.write(okLine);
  }

  #infoLine(news: Partial<ClientFacts> = {}): Buffer {
    const facts = { id: this.id, ip: this.connection.remoteAddress, maxPayload: this.#maxPayload, ...news };
    return infoLine(infoJson(this.#environment.facts, facts));
  }

  #tracePublication(publication: Publication): void {
    const { maxTracedLength } = this.#environment.options.log;
    for (const line of tracePublication(publication, maxTracedLength)) this.log.trace(line);
  }
}
