// Monitoring over HTTP or HTTPS: the endpoints by path, and limits on connections and requests. It reads the broker and
// changes nothing. The Handshaker performs TLS, and requests no client certificate here.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { quote } from '../../../log.ts';
import { HandshakeError } from '../../../tls/handshake-error.ts';
import { formatHostPort } from '../../options/host-port.ts';
import type { MonitorOptions } from '../../options/monitor-options.ts';
import { mostCrowding } from '../../transport/crowding.ts';
import { stackOf } from '../../transport/defects.ts';
import { Listener } from '../../transport/listener.ts';
import { gatewayz, jsz, leafz } from '../endpoints/absent-features.ts';
import { accountz } from '../endpoints/accountz.ts';
import { accstatz } from '../endpoints/accstatz.ts';
import { connz } from '../endpoints/connz.ts';
import { type Health, healthz } from '../endpoints/healthz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { InvalidQuery, Query } from '../endpoints/query.ts';
import { routez } from '../endpoints/routez.ts';
import { subsz } from '../endpoints/subsz.ts';
import { tlsz } from '../endpoints/tlsz.ts';
import { CpuMeter, type MonitorAddress, varz } from '../endpoints/varz.ts';
import { type Answer, json, rejectMalformed, send, text } from './answer.ts';
import { AnswerQueue } from './answer-queue.ts';
import { foreignHost } from './host-header.ts';
import { fillPage, pageDocument, readAssets, readPageTemplate } from './page.ts';

/** Maximum number of open connections, including those in a handshake. */
const maxConnections = 128;
const maxRequestsPerConnection = 1000;
const maxHeaderBytes = 8192;

/** Milliseconds for a request to arrive, from the connection or from the previous response on. */
const requestMs = 5000;

/** Milliseconds for the client to read a response. */
const answerMs = 30_000;

/** Endpoints without a link on the page: the page itself, and those that report what this broker lacks. */
const unlinkedEndpoints = ['/', '/page.json', '/gatewayz', '/leafz', '/jsz'];

type MetricsClass = typeof import('../endpoints/metrics.ts').Metrics;

/** @param base the relative URL from the requested path to the endpoints */
type Endpoint = (query: Query, base: string) => Answer | Promise<Answer>;

export class Monitor {
  readonly #broker: MonitoredBroker;
  readonly #options: MonitorOptions;
  readonly #server: Server;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #requests = new Map<string, number>();
  /** Every connection with its timeout. */
  readonly #sockets = new Map<Socket, NodeJS.Timeout>();
  readonly #queue = new AnswerQueue();
  readonly #cpu = new CpuMeter();
  readonly #assets = readAssets();
  #listener: Listener | undefined;

  private constructor(options: MonitorOptions, broker: MonitoredBroker, Metrics: MetricsClass) {
    this.#options = options;
    this.#broker = broker;
    const template = readPageTemplate();
    const metrics = new Metrics(broker, this.#requests);
    this.#endpoints = new Map<string, Endpoint>([
      ['/', (_query, base) => fillPage(template, broker, base, this.#listed)],
      ['/varz', () => json(varz(broker, this.#where, this.#cpu, this.#requests))],
      // Only requests over NATS may filter by subject.
      ['/connz', (query) => json(connz(query.with('filter_subject', ''), broker))],
      ['/routez', (query) => json(routez(query, broker))],
      ['/subsz', (query) => json(subsz(query, broker))],
      ['/gatewayz', (query) => json(gatewayz(query, broker))],
      ['/leafz', (query) => json(leafz(query, broker))],
      ['/jsz', (query) => json(jsz(query, broker))],
      ['/accountz', (query) => json(accountz(query, broker))],
      ['/accstatz', (query) => json(accstatz(query, broker))],
      ['/healthz', (query) => healthAnswer(healthz(query, broker))],
      ['/tlsz', () => json(tlsz(broker))],
      ['/page.json', (query) => json(pageDocument(query, broker))],
      ['/metrics', async () => ({ status: 200, type: metrics.contentType, body: await metrics.print() })],
    ]);
    this.#server = createServer(
      { maxHeaderSize: maxHeaderBytes, insecureHTTPParser: false, requireHostHeader: false },
      (request, response) => void this.#answer(request, response),
    );
    // Answer a request with Expect like any other.
    this.#server.on('checkExpectation', (request, response) => void this.#answer(request, response));
    this.#server.on('clientError', (error, socket) =>
      rejectMalformed(error, socket, this.#queue.isBusy(socket)),
    );
    this.#server.maxRequestsPerSocket = maxRequestsPerConnection;
  }

  /**
   * Starts listening; throws a NatspkiError that names the address if that fails.
   * @param onError called with later errors of the listening socket
   */
  static async open(
    options: MonitorOptions,
    broker: MonitoredBroker,
    onError: (error: Error) => void,
  ): Promise<Monitor> {
    // Loaded here, so that a broker without monitoring does not load prom-client.
    const { Metrics } = await import('../endpoints/metrics.ts');
    const monitor = new Monitor(options, broker, Metrics);
    const { host, port } = monitor.#where;
    const flag = options.secure ? '--https_port' : '--http_port';
    monitor.#listener = await Listener.open(
      { host, port },
      (socket) => void monitor.#accept(socket),
      onError,
      flag,
    );
    return monitor;
  }

  get url(): string {
    const { secure, basePath } = this.#options;
    return `${secure ? 'https' : 'http'}://${this.address}${basePath}`;
  }

  /** Host and port. */
  get address(): string {
    return formatHostPort(this.#where);
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    for (const socket of this.#sockets.keys()) socket.destroy();
    this.#server.close();
    await this.#listener?.close();
  }

  /** The endpoints with a link on the page. */
  get #listed(): string[] {
    return [...this.#endpoints.keys()].filter((path) => !unlinkedEndpoints.includes(path));
  }

  /** The names of this machine in the configuration. */
  get #names(): string[] {
    const { options } = this.#broker;
    return [options.host, this.#options.host ?? '', options.clientAdvertise?.host ?? ''];
  }

  get #where(): MonitorAddress {
    const { host, port, secure, basePath } = this.#options;
    return {
      host: host ?? this.#broker.options.host,
      port: this.#listener?.port ?? port,
      secure,
      basePath,
    };
  }

  async #accept(socket: Socket): Promise<void> {
    this.#restartTimeout(socket, requestMs);
    socket.once('close', () => this.#forget(socket));
    this.#makeRoom();
    if (socket.destroyed) return;
    if (!this.#options.secure) {
      this.#server.emit('connection', socket);
      return;
    }
    const handshaker = this.#broker.tls?.monitoringHandshaker;
    // A reload has removed the tls block.
    if (handshaker === undefined) {
      socket.destroy();
      return;
    }
    try {
      const secure = await handshaker.accept(socket);
      secure.once('close', () => this.#forget(secure));
      this.#forget(socket);
      this.#restartTimeout(secure, requestMs);
      this.#server.emit('connection', secure);
    } catch (error) {
      // Do not log failed handshakes: port scans would fill the log.
      if (!(error instanceof HandshakeError)) this.#logDefect(error);
      socket.destroy();
    }
  }

  /** Closes a connection when there are too many: of the most crowded address one without a request in progress. */
  #makeRoom(): void {
    if (this.#sockets.size <= maxConnections) return;
    const connections = [...this.#sockets.keys()].map((socket) => ({
      connection: socket,
      address: socket.remoteAddress ?? '',
      isUnproved: !this.#queue.isBusy(socket),
    }));
    const worst = mostCrowding(connections);
    if (worst === undefined) return;
    this.#forget(worst);
    worst.destroy();
  }

  /**
   * Restarts the timeout of a connection. Only a complete step restarts it, so slow single bytes do not keep it open.
   */
  #restartTimeout(socket: Socket, milliseconds: number): void {
    clearTimeout(this.#sockets.get(socket));
    if (socket.destroyed) return;
    this.#sockets.set(
      socket,
      setTimeout(() => socket.destroy(), milliseconds),
    );
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#sockets.get(socket));
    this.#sockets.delete(socket);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#restartTimeout(socket, answerMs);
    response.once('finish', () => {
      this.#restartTimeout(socket, this.#queue.isBusy(socket) ? answerMs : requestMs);
    });
    const work = () => {
      this.#restartTimeout(socket, answerMs);
      return this.#respond(request);
    };
    // Orchestrators restart the process when /healthz is slow.
    const isUrgent = this.#endpointPath(request.url ?? '') === '/healthz';
    const answer = await this.#queue.answer(socket, response, work, isUrgent);
    if (answer !== undefined) send(answer, request, response);
  }

  async #respond(request: IncomingMessage): Promise<Answer> {
    const { method, url = '', headers, headersDistinct, httpVersion, socket } = request;
    // Node would use the first one, and a proxy in front of this port perhaps the last one.
    if ((headersDistinct.host?.length ?? 0) > 1) return text(400, '400 Bad Request: too many Host headers');
    if (headers.host === undefined && httpVersion !== '1.0') {
      return text(400, '400 Bad Request: missing required Host header');
    }
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD are allowed\n');
    const { secure } = this.#options;
    // Over TLS the certificate already distinguishes this broker from a web site.
    const foreign = secure ? undefined : foreignHost(socket.localAddress, headers.host, this.#names);
    if (foreign !== undefined) {
      return text(421, `${quote(foreign)} is not a name of this server: use localhost or an IP address\n`);
    }
    const [path = '', ...query] = url.split('?');
    const name = this.#endpointPath(path);
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) return this.#assets.get(name) ?? text(404, '404 page not found\n');
    this.#requests.set(name, (this.#requests.get(name) ?? 0) + 1);
    try {
      return await endpoint(new Query(new URLSearchParams(query.join('?'))), folderOf(path));
    } catch (error) {
      if (error instanceof InvalidQuery) return text(400, error.message);
      // A defect in monitoring must not end the broker.
      this.#logDefect(error);
      return text(500, 'internal error\n');
    }
  }

  /** The path of a URL without http_base_path; empty for a path outside it. */
  #endpointPath(url: string): string {
    const [path = ''] = url.split('?', 1);
    const { basePath } = this.#options;
    const below = path === basePath ? '/' : path.startsWith(basePath) ? path.slice(basePath.length) : '';
    // The old name of /subsz, as in nats-server.
    return below === '/subscriptionsz' ? '/subsz' : below;
  }

  #logDefect(error: unknown): void {
    this.#broker.logger.error(`monitoring: ${stackOf(error)}`);
  }
}

/** The relative URL from a path to the endpoints below it: `a/` leads from `/a` to `/a/varz`; empty after a slash. */
function folderOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name === '' ? '' : `${name}/`;
}

function healthAnswer({ code, ...health }: Health): Answer {
  return { status: code, type: 'application/json', body: JSON.stringify(health) };
}
