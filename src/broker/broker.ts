// The broker put together: what listens, who is connected, what a reload changes, and how it ends.
import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../log.ts';
import { MessageWriter } from '../protocol/message-writer.ts';
import type { CloseReason } from '../protocol/violations.ts';
import { isPinned, peerOf } from '../tls/peer.ts';
import { FileWatcher } from '../tls/watcher.ts';
import { Accounts } from './accounts/account.ts';
import { AccountImports } from './accounts/account-imports.ts';
import type { DeliveryPolicy } from './accounts/delivery.ts';
import { Authenticator } from './auth/auth.ts';
import { PasswordHashes } from './auth/password-hashes.ts';
import { type ClientEnvironment, ClientSession } from './clients/client.ts';
import { newServerId, type ServerFacts } from './clients/info.ts';
import { takeLeave } from './clients/lame-duck.ts';
import { Sessions } from './clients/sessions.ts';
import { welcome } from './clients/welcome.ts';
import { clientUrlsOf } from './cluster/client-urls.ts';
import { Cluster, type ClusterEnvironment } from './cluster/cluster.ts';
import { Advisories } from './monitoring/advisories.ts';
import { Monitor } from './monitoring/monitor.ts';
import type { Monitored } from './monitoring/monitored.ts';
import { System } from './monitoring/system.ts';
import { serveSystemRequests } from './monitoring/system-requests.ts';
import { unlimited } from './options/account-limits.ts';
import { formatHostPort } from './options/host-port.ts';
import type { BrokerOptions } from './options/options.ts';
import { planReload } from './options/reload.ts';
import { sayHello, sayHowClientsCome } from './start-log.ts';
import { Flusher, type Transport } from './transport/connection.ts';
import { Listener } from './transport/listener.ts';
import { LogLimit } from './transport/log-limit.ts';
import { BufferPool } from './transport/output.ts';
import { ReadBuffer } from './transport/read-buffer.ts';
import { TlsEntrance } from './transport/tls-entrance.ts';

export interface BrokerDependencies {
  readonly logger: Logger;
  /** A number in [0, 1). */
  readonly random?: () => number;
  readonly now?: () => Date;
  /** What the log and monitoring say; by default that of a development version. */
  readonly version?: string;
  /** Reads the configuration again, for `reload`; throws where it cannot be used. */
  readonly reread?: () => BrokerOptions;
  /** Told of the options that a reload put in force. */
  readonly onReload?: (options: BrokerOptions) => void;
}

/** A running broker. */
export interface Broker {
  /** The host as configured. */
  readonly address: string;
  /** The port that clients connect to, the real one where any free one was asked for. */
  readonly port: number;
  /** What a client on this machine connects to. */
  readonly clientUrl: string;
  /** Where monitoring is; undefined without. */
  readonly monitorUrl: string | undefined;
  /** Where other servers of the cluster connect to; undefined without. */
  readonly routeUrl: string | undefined;
  /** How many clients are connected. */
  readonly clients: number;
  /** Resolves when the broker has ended, however that came. */
  readonly ended: Promise<void>;
  /** Reads the configuration again and applies what can be applied; a configuration that is wrong changes nothing. */
  reload(): Promise<void>;
  /** Lets the clients go one by one and ends; resolves when it has. */
  lameDuck(): Promise<void>;
  /** Ends all connections after what is pending for them is written. */
  close(): Promise<void>;
}

/** Bytes read from a socket at once. */
const readSize = 128 * 1024;

/** Starts a broker; throws a NatspkiError where it cannot listen or its TLS material cannot be used. */
export async function startBroker(options: BrokerOptions, deps: BrokerDependencies): Promise<Broker> {
  const broker = new RunningBroker(options, deps);
  try {
    await broker.start();
  } catch (error) {
    await broker.abandon();
    throw error;
  }
  return broker;
}

class RunningBroker implements Broker, ClientEnvironment, ClusterEnvironment, Monitored {
  options: BrokerOptions;
  facts: ServerFacts;
  authenticator: Authenticator;
  readonly accounts: Accounts;
  readonly sessions = new Sessions();
  readonly passwordHashes = new PasswordHashes((error) =>
    this.#complain(`cannot check passwords against their hashes: ${error.message}`),
  );
  readonly now: () => Date;
  readonly startedAt: Date;
  configuredAt: Date;
  readonly transport: { -readonly [K in keyof Transport]: Transport[K] };
  readonly delivery: { -readonly [K in keyof DeliveryPolicy]: DeliveryPolicy[K] };
  readonly logger: Logger;
  readonly logLimit = new LogLimit();
  readonly ended: Promise<void>;
  readonly #deps: BrokerDependencies;
  readonly #id = newServerId();
  readonly #watcher: FileWatcher;
  readonly #imports: AccountImports;
  readonly #leaving = new AbortController();
  #listener: Listener | undefined;
  #monitor: Monitor | undefined;
  #cluster: Cluster | undefined;
  #advisories: Advisories | undefined;
  #port = 0;
  #tls: TlsEntrance | undefined;
  #closing: Promise<void> | undefined;
  #isLeaving = false;
  /** Reloads take turns. */
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
    this.ended = new Promise((resolve) => {
      this.#markEnded = resolve;
    });
    this.transport = {
      pool: new BufferPool(),
      flusher: new Flusher(),
      writer: new MessageWriter(),
      readBuffer: new ReadBuffer(readSize),
      clock: now === undefined ? Date.now : () => now().getTime(),
      maxPending: options.maxPending,
      writeDeadlineMs: options.writeDeadlineMs,
    };
    this.delivery = { random: deps.random ?? Math.random, dropForFarBehind: options.dropForFarBehind };
    this.accounts = new Accounts(
      options.cluster && ((account, interest) => this.#cluster?.announce(account, interest)),
    );
    this.authenticator = authenticatorFor(options);
    this.#imports = new AccountImports(this.accounts, this.delivery, () => this.facts);
    this.#applyAccounts();
    this.facts = this.#describe();
    this.#watcher = new FileWatcher({
      onError: (error) =>
        this.logger.warn(`Watching files: ${error instanceof Error ? error.message : error}`),
    });
  }

  get address(): string {
    return this.options.host;
  }

  get port(): number {
    return this.#port;
  }

  get clientUrl(): string {
    const host = ['0.0.0.0', '::'].includes(this.options.host) ? '127.0.0.1' : this.options.host;
    return `${this.#tls === undefined ? 'nats' : 'tls'}://${formatHostPort({ host, port: this.#port })}`;
  }

  get monitorUrl(): string | undefined {
    return this.#monitor?.url;
  }

  get routeUrl(): string | undefined {
    const { cluster } = this.options;
    if (cluster === undefined || this.#cluster === undefined) return undefined;
    const where = formatHostPort({ host: cluster.host, port: this.#cluster.port });
    return `${cluster.tls === undefined ? 'nats' : 'tls'}://${where}`;
  }

  get clients(): number {
    return this.sessions.size;
  }

  get tls(): TlsEntrance | undefined {
    return this.#tls;
  }

  get cluster(): Cluster | undefined {
    return this.#cluster;
  }

  get isReady(): boolean {
    return this.#listener !== undefined && !this.#isLeaving;
  }

  async start(): Promise<void> {
    const { options, logger } = this;
    sayHello(options, this.facts, logger);
    this.#tls = await this.#openTls(options);
    this.#openSystem();
    await this.#openMonitor();
    this.#listener = await Listener.open(
      options,
      (socket) => this.#accept(socket),
      (error) => this.#complain(`Temporary Client Accept Error (${error.message})`),
    );
    this.#port = this.#listener.port;
    this.facts = this.#describe();
    const where = formatHostPort({ host: options.host, port: this.#port });
    logger.info(`Listening for client connections on ${where}`);
    sayHowClientsCome(options, logger);
    await this.#openCluster();
    logger.info('Server is ready');
  }

  /** Takes back what a failed start has opened. */
  async abandon(): Promise<void> {
    this.#tls?.close();
    await Promise.all([
      this.#cluster?.close(),
      this.#monitor?.close(),
      this.#listener?.close(),
      this.#watcher.close(),
      this.passwordHashes.close(),
    ]);
    this.#markEnded();
  }

  reload(): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload());
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  async lameDuck(): Promise<void> {
    if (this.#isLeaving || this.#closing !== undefined) return this.ended;
    this.#isLeaving = true;
    this.logger.info('Entering lame duck mode, stop accepting new clients');
    void this.#listener?.close();
    this.#advisories?.lameDuck();
    this.#cluster?.leave();
    this.facts = this.#describe();
    const clients = this.sessions.list();
    if (clients.length > 0) {
      const announce = () => this.logger.info('Closing existing clients');
      await takeLeave(clients, this.options, this.delivery.random, announce, this.#leaving.signal);
    }
    return this.close();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  nextId(): number {
    return this.sessions.nextId();
  }

  clusterChanged(): void {
    const before = this.facts;
    this.facts = this.#describe();
    if (!isDeepStrictEqual(this.facts, before)) this.#sendInfo();
  }

  get systemAccount(): string | undefined {
    return this.options.systemAccount;
  }

  admitted(session: ClientSession): void {
    this.#advisories?.connected(session);
  }

  forget(session: ClientSession, reason: CloseReason): void {
    this.sessions.end(session, reason, this.now().getTime());
    if (session.profile.identity !== undefined) this.#advisories?.disconnected(session, reason);
    if (reason !== 'Authentication Failure') return;
    if (session.tls !== undefined) this.#tls?.handshaker.refused(session.tls);
    this.#advisories?.refused(session, reason);
  }

  async #reload(): Promise<void> {
    if (this.#deps.reread === undefined || this.#isLeaving || this.#closing !== undefined) return;
    const { options, changed, kept } = planReload(this.options, this.#deps.reread());
    await this.#reloadTls(options);
    const { cluster: clusterBefore } = this.options;
    this.options = options;
    this.configuredAt = this.now();
    this.transport.maxPending = options.maxPending;
    this.transport.writeDeadlineMs = options.writeDeadlineMs;
    this.delivery.dropForFarBehind = options.dropForFarBehind;
    this.authenticator = authenticatorFor(options);
    this.#applyAccounts();
    const before = this.facts;
    this.facts = this.#describe();
    this.#deps.onReload?.(options);
    for (const session of this.sessions.list()) session.applyOptions();
    if (clusterBefore !== undefined) this.#cluster?.reload(clusterBefore);
    if (!isDeepStrictEqual(this.facts, before)) this.#sendInfo();
    for (const name of changed) this.logger.info(`Reloaded: ${name}`);
    if (kept.length > 0) this.logger.warn(`Only a restart changes these options: ${kept.join(', ')}`);
    this.logger.info('Reloaded server configuration');
  }

  /** Puts what the configuration says of accounts into force. */
  #applyAccounts(): void {
    const { links, limits } = this.options.auth;
    for (const name of Object.keys(limits)) this.accounts.get(name);
    for (const account of this.accounts) account.limits = limits[account.name] ?? unlimited;
    this.#imports.apply(links);
  }

  async #close(): Promise<void> {
    this.logger.info('Initiating Shutdown...');
    this.#leaving.abort();
    this.#advisories?.close();
    const gone = this.#listener?.close();
    for (const session of this.sessions.list()) session.connection.close('Server Shutdown');
    this.#tls?.close();
    this.#imports.close();
    await Promise.all([
      gone,
      this.#cluster?.close(),
      this.#monitor?.close(),
      this.#watcher.close(),
      this.passwordHashes.close(),
    ]);
    this.logger.info('Server Exiting..');
    this.#markEnded();
  }

  #accept(socket: Socket): void {
    const session = new ClientSession(this.nextId(), socket, this);
    const { maxConnections, allowNonTls } = this.options;
    const isFull = this.sessions.size >= maxConnections;
    if (isFull) this.#complain(`maximum connections exceeded: ${maxConnections}`);
    this.sessions.add(session);
    welcome(session, socket, { tls: this.#tls, allowNonTls, isFull }).catch((error: unknown) => {
      session.log.error(`cannot take the connection: ${error instanceof Error ? error.stack : error}`);
      session.connection.abort('Client Closed');
    });
  }

  /** Logs what may happen very often. */
  #complain(text: string): void {
    if (this.logLimit.allows(text, performance.now())) this.logger.error(text);
  }

  async #openTls({ tls }: BrokerOptions): Promise<TlsEntrance | undefined> {
    if (tls === undefined) return undefined;
    const settings = { where: 'tls', log: this.logger, watcher: this.#watcher, now: this.now };
    return TlsEntrance.open(tls, settings);
  }

  /** Has the server speak of itself in the system account, before anybody can ask. */
  #openSystem(): void {
    const { systemAccount, auth } = this.options;
    for (const { name } of auth.accounts) this.accounts.get(name);
    if (systemAccount === undefined) return;
    const system = new System(systemAccount, this);
    serveSystemRequests(system, this);
    this.#advisories = new Advisories(system, this);
  }

  async #openCluster(): Promise<void> {
    const { cluster } = this.options;
    if (cluster === undefined || cluster.port === 0) return;
    const settings = { where: 'cluster.tls', log: this.logger, watcher: this.#watcher, now: this.now };
    const tls = cluster.tls && (await TlsEntrance.open(cluster.tls, settings));
    const complain = (error: Error) => this.#complain(`Temporary Route Accept Error (${error.message})`);
    this.#cluster = await Cluster.open(this, tls, complain);
    this.facts = this.#describe();
    this.#cluster.start();
  }

  async #openMonitor(): Promise<void> {
    const { monitor } = this.options;
    if (monitor === undefined) return;
    const complain = (error: Error) => this.#complain(`Temporary Monitor Accept Error (${error.message})`);
    this.#monitor = await Monitor.open(monitor, this, complain);
    this.logger.info(`Starting ${monitor.secure ? 'https' : 'http'} monitor on ${this.#monitor.address}`);
  }

  /** Throws, with everything as it was, where the material of a new block cannot be used. */
  async #reloadTls(options: BrokerOptions): Promise<void> {
    const forRoutes = options.cluster?.tls && (await this.#cluster?.tls?.prepare(options.cluster.tls));
    if (this.#tls !== undefined && options.tls !== undefined) {
      const forClients = await this.#tls.prepare(options.tls);
      await forClients();
    } else {
      const previous = this.#tls;
      this.#tls = await this.#openTls(options);
      previous?.close();
    }
    await forRoutes?.();
    this.#closeUnpinned();
  }

  /** A pin that was taken out of the configuration is revoked, for connections that are open too. */
  #closeUnpinned(): void {
    const pins = this.#tls?.block.pinnedCerts;
    if (pins === undefined) return;
    const unpinned = this.sessions.list().filter(({ tls }) => tls && !isPinned(peerOf(tls), pins));
    if (unpinned.length > 0) {
      this.logger.info(`Disconnect ${unpinned.length} clients due to pinned certs reload`);
    }
    for (const session of unpinned) session.connection.abort('TLS Handshake Failure');
  }

  #sendInfo(): void {
    for (const session of this.sessions.list()) {
      if (session.takesInfo) session.sendInfo({});
    }
  }

  #describe(): ServerFacts {
    const { options, authenticator } = this;
    const { tls, allowNonTls } = options;
    const port = this.#port === 0 ? options.port : this.#port;
    const advertised = options.clientAdvertise;
    const clientUrls = clientUrlsOf({
      host: advertised?.host ?? options.host,
      port: advertised?.port || port,
    });
    return {
      id: this.#id,
      name: options.serverName ?? this.#id,
      version: this.#deps.version ?? '0.0.0',
      host: advertised?.host ?? options.host,
      port: advertised?.port || port,
      headers: options.headers,
      authRequired: authenticator.isRequired && !authenticator.hasDefaultUser,
      tlsRequired: tls !== undefined && !allowNonTls,
      tlsVerify: tls?.verify ?? false,
      tlsAvailable: tls !== undefined && allowNonTls,
      maxPayload: options.maxPayload,
      cluster: this.#cluster?.name ?? options.cluster?.name,
      clientUrls,
      connectUrls: this.#cluster?.connectUrls(clientUrls) ?? [],
    };
  }
}

function authenticatorFor({ auth, tls }: BrokerOptions): Authenticator {
  return new Authenticator(auth, tls?.verifyAndMap ?? false);
}
