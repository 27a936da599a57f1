// Assembles a running broker from its parts: listeners, sessions, accounts, TLS, cluster and monitoring. Orders its
// start, its reloads and its shutdown.
import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { stackOf } from '../errors.ts';
import { FileWatcher } from '../files/watcher.ts';
import type { Logger } from '../log.ts';
import { formatHostPort, localHost, natsUrl } from '../net/host-port.ts';
import { Listener } from '../net/listener.ts';
import type { CloseReason } from '../protocol/violations.ts';
import { Revocations } from '../revocation/revocations.ts';
import { Accounts } from './accounts/account.ts';
import { AccountImports } from './accounts/account-imports.ts';
import type { DeliveryPolicy } from './accounts/delivery.ts';
import type { TraceSender } from './accounts/trace-start.ts';
import { Authenticator } from './auth/authenticator.ts';
import { PasswordHashes } from './auth/password-hashes.ts';
import { ClientTls } from './client-tls.ts';
import { acceptClient } from './clients/accept.ts';
import { ClientSession } from './clients/client.ts';
import { type ConnectedClient, connectedClient } from './clients/connected-client.ts';
import { newServerId, type ServerFacts } from './clients/info.ts';
import { disconnectGradually } from './clients/lame-duck.ts';
import { Sessions } from './clients/sessions.ts';
import { Cluster, type ClusterOwner } from './cluster/cluster.ts';
import type { BrokerDependencies } from './dependencies.ts';
import type { MonitoredBroker } from './monitoring/endpoints/monitored-broker.ts';
import { Monitor } from './monitoring/http/monitor.ts';
import { SystemAccount } from './monitoring/system/system-account.ts';
import { unlimited } from './options/account-limits.ts';
import { planConfigurationChange } from './options/configuration-change.ts';
import type { BrokerOptions } from './options/options.ts';
import type { Broker } from './running.ts';
import { describeServer } from './server-facts.ts';
import { commonNameWarning, logClientTls, logServer } from './startup-log.ts';
import { createTransport, type MutableTransport } from './transport/create-transport.ts';
import { LogRateLimit } from './transport/log-rate-limit.ts';
import { ServerTls, type ServerTlsOptions } from './transport/server-tls.ts';
import { type WebsocketOwner, WebsocketPort } from './websocket-port.ts';

/** Starts a broker; throws a NatspkiError if it cannot listen or its TLS material is unusable. */
export async function startBroker(options: BrokerOptions, deps: BrokerDependencies): Promise<Broker> {
  const broker = new RunningBroker(options, deps);
  try {
    await broker.start();
  } catch (error) {
    await broker.abandonStart();
    throw error;
  }
  return broker;
}

class RunningBroker implements Broker, WebsocketOwner, ClusterOwner, MonitoredBroker {
  options: BrokerOptions;
  facts: ServerFacts;
  authenticator: Authenticator;
  readonly accounts: Accounts;
  readonly traces: TraceSender;
  readonly sessions = new Sessions();
  readonly passwordHashes = new PasswordHashes((error) =>
    this.logError(`cannot check passwords against their hashes: ${error.message}`),
  );
  readonly now: () => Date;
  readonly startedAt: Date;
  configuredAt: Date;
  readonly transport: MutableTransport;
  readonly delivery: { -readonly [K in keyof DeliveryPolicy]: DeliveryPolicy[K] };
  readonly logger: Logger;
  readonly logLimit = new LogRateLimit();
  readonly ended: Promise<void>;
  readonly #deps: BrokerDependencies;
  readonly #id = newServerId();
  readonly #warnOfCommonName: (user: string) => void;
  readonly #watcher: FileWatcher;
  readonly revocations: Revocations;
  readonly #tls: ClientTls;
  readonly #imports: AccountImports;
  readonly #shutdown = new AbortController();
  #listener: Listener | undefined;
  #monitor: Monitor | undefined;
  #cluster: Cluster | undefined;
  #websocket: WebsocketPort | undefined;
  #system: SystemAccount | undefined;
  #port = 0;
  #closing: Promise<void> | undefined;
  #isLameDuck = false;
  /** Serializes reloads. */
  #reloading: Promise<void> = Promise.resolve();
  #markEnded: () => void = () => {};

  constructor(options: BrokerOptions, deps: BrokerDependencies) {
    this.options = options;
    this.#deps = deps;
    const { now } = deps;
    this.now = now ?? (() => new Date());
    this.startedAt = this.now();
    this.configuredAt = this.startedAt;
    this.logger = deps.logger;
    this.#warnOfCommonName = commonNameWarning(this.logger);
    this.ended = new Promise((resolve) => {
      this.#markEnded = resolve;
    });
    this.transport = createTransport(options, now === undefined ? Date.now : () => now().getTime());
    this.delivery = { random: deps.random ?? Math.random, noFastProducerStall: options.noFastProducerStall };
    this.accounts = new Accounts(
      options.cluster && ((account, interest) => this.#cluster?.announce(account, interest)),
    );
    this.traces = {
      now: this.now,
      random: this.delivery.random,
      send: (...event) => this.#system?.sendTrace(...event),
    };
    this.authenticator = this.#authenticatorFor(options);
    this.#imports = new AccountImports(this);
    this.#applyAccounts();
    this.facts = this.#describe();
    this.#watcher = new FileWatcher({
      onError: (error) =>
        this.logger.warn(`Error watching files: ${error instanceof Error ? error.message : error}`),
    });
    const onChange = () => {
      this.#tls.closeRevoked();
      this.#websocket?.closeRevoked();
      this.#cluster?.closeRevoked();
      this.#monitor?.closeRevoked();
    };
    const { logger: log, now: clock } = this;
    this.revocations = new Revocations({ log, watcher: this.#watcher, now: clock, onChange });
    this.#tls = new ClientTls('nats', this.sessions, this.logger, this.#tlsSettings('tls'));
  }

  get address(): string {
    return this.options.host;
  }

  get port(): number {
    return this.#port;
  }

  get clientUrl(): string {
    return natsUrl({ host: localHost(this.options.host), port: this.#port }, this.tls !== undefined);
  }

  get monitorUrl(): string | undefined {
    return this.#monitor?.url;
  }

  get websocketUrl(): string | undefined {
    return this.#websocket?.clientUrl;
  }

  get routeUrl(): string | undefined {
    const { cluster } = this.options;
    if (cluster === undefined || this.#cluster === undefined) return undefined;
    return natsUrl({ host: cluster.host, port: this.#cluster.port }, cluster.tls !== undefined);
  }

  get clients(): number {
    return this.sessions.size;
  }

  get routes(): number {
    return this.#cluster?.routes.length ?? 0;
  }

  get tls(): ServerTls | undefined {
    return this.#tls.current;
  }

  get websocket(): WebsocketPort | undefined {
    return this.#websocket;
  }

  get cluster(): Cluster | undefined {
    return this.#cluster;
  }

  get isReady(): boolean {
    return this.#listener !== undefined && !this.#isLameDuck;
  }

  async start(): Promise<void> {
    const { options, logger } = this;
    logServer(options, this.facts, logger);
    await this.revocations.open(options.crl);
    await this.#configureRevocation(options);
    await this.#tls.open(options.tls);
    // Before a client can send a request.
    this.#imports.subscribeToMeasurements();
    this.#system = new SystemAccount(this);
    await this.#openMonitor();
    await this.#openWebsocket();
    this.#listener = await Listener.open(
      options,
      (socket) => this.#accept(socket),
      (error) => this.logError(`Temporary Client Accept Error (${error.message})`),
    );
    this.#port = this.#listener.port;
    this.facts = this.#describe();
    const where = formatHostPort({ host: options.host, port: this.#port });
    logger.info(`Listening for client connections on ${where}`);
    logClientTls(options, logger);
    await this.#openCluster();
    logger.info('Server is ready');
  }

  /** Closes what a failed start has opened. */
  async abandonStart(): Promise<void> {
    await this.#release('abort');
    this.#markEnded();
  }

  reload(): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload());
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  async lameDuck(): Promise<void> {
    if (this.#isLameDuck || this.#closing !== undefined) return this.ended;
    this.#isLameDuck = true;
    this.logger.info('Entering lame duck mode, stop accepting new clients');
    void this.#listener?.close();
    void this.#websocket?.stopListening();
    this.#system?.lameDuck();
    this.#cluster?.lameDuck();
    this.facts = this.#describe();
    const clients = this.sessions.list();
    if (clients.length > 0) {
      const announce = () => this.logger.info('Closing existing clients');
      await disconnectGradually(clients, this.options, this.delivery.random, announce, this.#shutdown.signal);
    }
    return this.close();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close('close');
    return this.#closing;
  }

  kill(): Promise<void> {
    this.#closing ??= this.#close('abort');
    return this.#closing;
  }

  disconnect(isSelected: (client: ConnectedClient) => boolean): number {
    const selected = this.sessions.list().filter((session) => isSelected(connectedClient(session)));
    for (const { connection } of selected) connection.close('Kicked');
    return selected.length;
  }

  nextId(): number {
    return this.sessions.nextId();
  }

  clusterChanged(): void {
    this.#system?.clusterChanged();
    const before = this.facts;
    this.facts = this.#describe();
    if (!isDeepStrictEqual(this.facts, before)) this.sessions.sendInfo();
  }

  get systemAccount(): string | undefined {
    return this.options.systemAccount;
  }

  clientAccepted(session: ClientSession): void {
    this.#system?.connected(session);
  }

  clientEnded(session: ClientSession, reason: CloseReason): void {
    this.sessions.end(session, reason, this.now().getTime());
    this.#system?.ended(session, reason);
  }

  delayRejection(session: ClientSession, reject: () => void): void {
    this.#tls.delayRejection(session, reject);
  }

  async #reload(): Promise<void> {
    if (this.#deps.reread === undefined || this.#isLameDuck || this.#closing !== undefined) return;
    const { options, changed, kept } = planConfigurationChange(this.options, this.#deps.reread());
    const applyRouteTls = options.cluster?.tls && (await this.#cluster?.tls?.prepare(options.cluster.tls));
    const applyWebsocketTls = await this.#websocket?.prepare(options);
    await this.#configureRevocation(options);
    await this.#tls.apply(options.tls);
    await applyRouteTls?.();
    await applyWebsocketTls?.();
    await this.revocations.reload();
    this.#tls.recheck();
    const { cluster: clusterBefore } = this.options;
    this.options = options;
    for (const each of [this.tls, this.#websocket?.tls, this.#cluster?.tls]) void each?.restaple();
    this.configuredAt = this.now();
    this.transport.maxPending = options.maxPending;
    this.transport.writeDeadlineMs = options.writeDeadlineMs;
    this.delivery.noFastProducerStall = options.noFastProducerStall;
    this.authenticator = this.#authenticatorFor(options);
    this.#websocket?.applyOptions();
    this.#applyAccounts();
    const before = this.facts;
    this.facts = this.#describe();
    this.#deps.onReload?.(options);
    this.sessions.applyOptions(options.maxConnections);
    if (clusterBefore !== undefined) this.#cluster?.applyOptions(clusterBefore);
    if (!isDeepStrictEqual(this.facts, before)) this.sessions.sendInfo();
    for (const name of changed) this.logger.info(`Reloaded: ${name}`);
    if (kept.length > 0) this.logger.warn(`Only a restart changes these options: ${kept.join(', ')}`);
    this.logger.info('Reloaded server configuration');
  }

  #authenticatorFor({ auth, tls, mapsCommonNames: byCommonName }: BrokerOptions): Authenticator {
    const mapping = { byCommonName, onCommonName: this.#warnOfCommonName };
    return new Authenticator(auth, tls?.verifyAndMap ? mapping : undefined);
  }

  /** Applies the accounts of the configuration. */
  #applyAccounts(): void {
    const { limits, accounts } = this.options.auth;
    for (const { name } of accounts) this.accounts.get(name);
    const tracing = new Map(accounts.map((account) => [account.name, account.tracing]));
    for (const account of this.accounts) {
      account.limits = limits[account.name] ?? unlimited;
      account.tracing = tracing.get(account.name);
    }
    this.#imports.apply(this.options.auth);
  }

  async #close(how: 'close' | 'abort'): Promise<void> {
    this.#shutdown.abort();
    // First the clients: other servers forget this one as soon as it reports its shutdown (server.go, Shutdown).
    for (const { connection } of this.sessions.list()) connection[how]('Server Shutdown');
    this.#system?.close();
    this.logger.info('Initiating Shutdown...');
    await this.#release(how);
    this.logger.info('Server Exiting..');
    this.#markEnded();
  }

  /** Closes the listeners, the file watcher and the workers. */
  async #release(how: 'close' | 'abort'): Promise<void> {
    this.#tls.close();
    this.#imports.close();
    await Promise.all([
      this.#listener?.close(),
      this.#websocket?.close(),
      this.#cluster?.close(how),
      this.#monitor?.close(),
      this.#watcher.close(),
      this.revocations.close(),
      this.passwordHashes.close(),
    ]);
  }

  #accept(socket: Socket): void {
    const session = new ClientSession(this.nextId(), socket, this);
    const { allowNonTls } = this.options;
    const isFull = this.admit(session);
    acceptClient(session, socket, { tls: this.tls, allowNonTls, isFull }).catch((error: unknown) => {
      session.log.error(`cannot accept the connection: ${stackOf(error)}`);
      session.connection.abort('Client Closed');
    });
  }

  /** @param where the path of the block in the configuration */
  #tlsSettings(where: string): ServerTlsOptions {
    const { logger: log, now, revocations } = this;
    const source = { where, log, watcher: this.#watcher, now, cache: this.#deps.materials };
    const stapling = () => this.options.stapling;
    const onRevoked = () => void this.close();
    return { ...source, revocations, stapling, onRevoked, verifiesStaples: where === 'cluster.tls' };
  }

  /** Before a block that asks OCSP responders is in force. */
  #configureRevocation({ tls, websocket, ocspCache }: BrokerOptions): Promise<void> {
    return this.revocations.configure(tls?.ocspPeer ?? websocket?.tls?.ocspPeer, ocspCache);
  }

  /** Adds a session; returns whether max_connections was reached before. */
  admit(session: ClientSession): boolean {
    const { maxConnections } = this.options;
    const isFull = this.sessions.size >= maxConnections;
    if (isFull) this.logError(`maximum connections exceeded: ${maxConnections}`);
    this.sessions.add(session);
    return isFull;
  }

  /** Logs an error at a limited rate. */
  logError(text: string): void {
    if (this.logLimit.allows(text, performance.now())) this.logger.error(text);
  }

  async #openWebsocket(): Promise<void> {
    if ((this.options.websocket?.port ?? 0) === 0) return;
    const mapping = { byCommonName: true, onCommonName: this.#warnOfCommonName };
    this.#websocket = await WebsocketPort.open(this, this.#tlsSettings('websocket.tls'), mapping);
    this.facts = this.#describe();
  }

  async #openCluster(): Promise<void> {
    const { cluster } = this.options;
    if (cluster === undefined || cluster.port === 0) return;
    const tls = cluster.tls && (await ServerTls.open(cluster.tls, this.#tlsSettings('cluster.tls')));
    const onError = (error: Error) => this.logError(`Temporary Route Accept Error (${error.message})`);
    this.#cluster = await Cluster.open(this, tls, onError);
    this.facts = this.#describe();
    this.#cluster.start();
  }

  async #openMonitor(): Promise<void> {
    const { monitor } = this.options;
    if (monitor === undefined) return;
    const onError = (error: Error) => this.logError(`Temporary Monitor Accept Error (${error.message})`);
    this.#monitor = await Monitor.open(monitor, this, onError);
    this.logger.info(`Starting ${monitor.secure ? 'https' : 'http'} monitor on ${this.#monitor.address}`);
  }

  #describe(): ServerFacts {
    return describeServer(this.options, {
      id: this.#id,
      version: this.#deps.version ?? '0.0.0',
      port: this.#port,
      websocketPort: this.#websocket?.port ?? 0,
      authenticator: this.authenticator,
      cluster: this.#cluster,
    });
  }
}
