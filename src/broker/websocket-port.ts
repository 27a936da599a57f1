// The port for WebSocket clients: its listener, its TLS, and the broker as its sessions see it. They differ from the
// sessions of the client port in their options, logins and INFO only.
import type { Socket } from 'node:net';
import { formatHostPort, localHost } from '../net/host-port.ts';
import type { CloseReason } from '../protocol/violations.ts';
import type { TlsBlock } from '../tls/block.ts';
import { Authenticator, type CertificateMapping } from './auth/authenticator.ts';
import { ClientTls } from './client-tls.ts';
import { acceptWebsocket } from './clients/accept.ts';
import { type ClientOwner, ClientSession } from './clients/client.ts';
import type { ServerFacts } from './clients/info.ts';
import type { Sessions } from './clients/sessions.ts';
import type { AuthOptions } from './options/auth-options.ts';
import { authTimeoutMs, type BrokerOptions } from './options/options.ts';
import type { WebsocketOptions } from './options/websocket-options.ts';
import type { BufferPool } from './transport/output.ts';
import type { ServerTls, ServerTlsOptions } from './transport/server-tls.ts';
import type { Upgrade } from './websocket/upgrade.ts';
import type { UpgradeListener } from './websocket/upgrade-listener.ts';
import type { WebsocketFraming } from './websocket/websocket-framing.ts';

/** The broker as the port sees it. */
export interface WebsocketOwner extends ClientOwner {
  readonly sessions: Sessions;
  /** Adds a session; returns whether max_connections was reached before. */
  admit(session: ClientSession): boolean;
  logError(text: string): void;
}

export class WebsocketPort implements ClientOwner {
  options: BrokerOptions;
  authenticator: Authenticator;
  readonly #owner: WebsocketOwner;
  readonly #tls: ClientTls;
  readonly #mapping: CertificateMapping;
  #listener: UpgradeListener | undefined;
  #frame: ((upgrade: Upgrade, pool: BufferPool) => WebsocketFraming) | undefined;

  private constructor(owner: WebsocketOwner, settings: ServerTlsOptions, mapping: CertificateMapping) {
    this.#owner = owner;
    this.#mapping = mapping;
    this.#tls = new ClientTls('websocket', owner.sessions, owner.logger, settings);
    this.options = optionsOf(owner.options);
    this.authenticator = this.#createAuthenticator();
  }

  /** Starts listening; throws a NatspkiError if it cannot, or if its TLS material is unusable. */
  static async open(
    owner: WebsocketOwner,
    settings: ServerTlsOptions,
    mapping: CertificateMapping,
  ): Promise<WebsocketPort> {
    const port = new WebsocketPort(owner, settings, mapping);
    try {
      await port.#open();
    } catch (error) {
      await port.close();
      throw error;
    }
    return port;
  }

  /** Opens the listener, whose modules are loaded only now: most brokers serve no WebSocket. */
  async #open(): Promise<void> {
    const { UpgradeListener } = await import('./websocket/upgrade-listener.ts');
    const { framings } = await import('./websocket/websocket-framing.ts');
    const { logger, now } = this.#owner;
    const websocket = this.#block;
    await this.#tls.open(tlsOf(websocket));
    this.#frame = framings();
    this.#listener = await UpgradeListener.open({
      where: { host: websocket.host, port: Math.max(0, websocket.port) },
      rules: websocket,
      requestMs: websocket.handshakeTimeoutMs,
      tls: () => this.tls,
      log: logger,
      now,
      onClient: (socket, upgrade) => this.#accept(socket, upgrade),
      onError: (error) => this.#owner.logError(`websocket: Accept error: ${error.message}`),
    });
    logger.info(`Listening for websocket clients on ${this.#url(websocket.host)}`);
    if (websocket.tls === undefined) {
      logger.warn('Websocket not configured with TLS. DO NOT USE IN PRODUCTION!');
    }
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** The URL for a client on this machine. */
  get clientUrl(): string {
    return this.#url(localHost(this.#block.host));
  }

  /** Undefined without TLS. */
  get tls(): ServerTls | undefined {
    return this.#tls.current;
  }

  /** Loads the TLS material of reloaded options and returns the function that puts it in force; throws if it is unusable. */
  async prepare({ websocket }: BrokerOptions): Promise<() => Promise<void>> {
    const block = websocket && tlsOf(websocket);
    const adopt = block && (await this.tls?.prepare(block));
    return async () => {
      await adopt?.();
      this.#tls.recheck();
    };
  }

  /** Closes open connections whose certificate is revoked now. */
  closeRevoked(): void {
    this.#tls.closeRevoked();
  }

  /** Applies the reloaded options of the broker. */
  applyOptions(): void {
    this.options = optionsOf(this.#owner.options);
    this.authenticator = this.#createAuthenticator();
  }

  /** Stops accepting clients; open connections stay open. Resolves once every connection has ended. */
  async stopListening(): Promise<void> {
    await this.#listener?.close();
  }

  /** Stops accepting clients and aborts handshakes. Resolves once every connection has ended. */
  async close(): Promise<void> {
    this.#tls.close();
    await this.stopListening();
  }

  // The broker as the sessions see it.

  get facts(): ServerFacts {
    const { facts } = this.#owner;
    const isTls = this.tls !== undefined;
    return {
      ...facts,
      host: this.#block.host,
      port: this.port,
      authRequired: this.authenticator.isRequired,
      tlsRequired: isTls,
      tlsAvailable: isTls,
      connectUrls: facts.websocketConnectUrls,
    };
  }

  get accounts() {
    return this.#owner.accounts;
  }

  get transport() {
    return this.#owner.transport;
  }

  get delivery() {
    return this.#owner.delivery;
  }

  get traces() {
    return this.#owner.traces;
  }

  get logger() {
    return this.#owner.logger;
  }

  get logLimit() {
    return this.#owner.logLimit;
  }

  get passwordHashes() {
    return this.#owner.passwordHashes;
  }

  get now() {
    return this.#owner.now;
  }

  clientAccepted(session: ClientSession): void {
    this.#owner.clientAccepted(session);
  }

  clientEnded(session: ClientSession, reason: CloseReason): void {
    this.#owner.clientEnded(session, reason);
  }

  delayRejection(session: ClientSession, reject: () => void): void {
    this.#tls.delayRejection(session, reject);
  }

  get #block(): WebsocketOptions {
    return this.options.websocket as WebsocketOptions;
  }

  #url(host: string): string {
    const scheme = this.#block.tls === undefined ? 'ws' : 'wss';
    return `${scheme}://${formatHostPort({ host, port: this.port })}`;
  }

  #accept(socket: Socket, upgrade: Upgrade): void {
    const { forwardedFor, credentials } = upgrade;
    const { user, pass, token } = credentials;
    const framing = this.#frame?.(upgrade, this.transport.pool);
    if (framing === undefined) return;
    const session = new ClientSession(this.#owner.sessions.nextId(), socket, this, {
      framing,
      forwardedFor,
      credentials: { user, pass, auth_token: token },
    });
    acceptWebsocket(session, this.#owner.admit(session));
  }

  #createAuthenticator(): Authenticator {
    const mapping = this.#block.tls?.verifyAndMap
      ? { ...this.#mapping, byCommonName: this.options.mapsCommonNames }
      : undefined;
    return new Authenticator(this.options.auth, mapping, 'WEBSOCKET');
  }
}

/** The options of the broker as they apply to WebSocket clients. */
function optionsOf(options: BrokerOptions): BrokerOptions {
  const websocket = options.websocket as WebsocketOptions;
  return {
    ...options,
    pingIntervalMs: websocket.pingIntervalMs ?? options.pingIntervalMs,
    auth: {
      ...authOf(options.auth, websocket),
      timeoutMs: websocket.authTimeoutMs ?? authTimeoutMs(options),
    },
  };
}

/** A login in the block replaces those of the client port, except its list of users (auth.go). */
function authOf(auth: AuthOptions, { login }: WebsocketOptions): AuthOptions {
  if (login === undefined) return auth;
  const { user, password, token, noAuthUser } = login;
  return {
    ...auth,
    // With both, the token decides.
    single: user === '' || token !== '' ? undefined : { user, password },
    token: token || undefined,
    noAuthUser: noAuthUser || undefined,
    allowsAnonymous: false,
  };
}

/** The tls block; a handshake_timeout takes precedence over its timeout. */
function tlsOf({ tls, handshakeTimeoutMs }: WebsocketOptions): TlsBlock | undefined {
  return tls && { ...tls, timeoutMs: handshakeTimeoutMs ?? tls.timeoutMs };
}
