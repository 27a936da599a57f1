// Monitoring over HTTP or HTTPS: the endpoints by path. It reads the broker and changes nothing. The Handshaker performs
// TLS, and requests no client certificate here.
import type { IncomingMessage } from 'node:http';
import { type Answer, json, text } from '../../../net/answer.ts';
import { formatHostPort } from '../../../net/host-port.ts';
import { HttpServer, type HttpServerOptions } from '../../../net/http-server.ts';
import { readAssets, readPage } from '../../../net/page.ts';
import type { MonitorOptions } from '../../options/monitor-options.ts';
import { gatewayz, jsz, leafz } from '../endpoints/absent-features.ts';
import { accountz } from '../endpoints/accountz.ts';
import { accstatz } from '../endpoints/accstatz.ts';
import { connz } from '../endpoints/connz.ts';
import { type Health, healthz } from '../endpoints/healthz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { InvalidQuery, Query } from '../endpoints/query.ts';
import { RecentHistory } from '../endpoints/recent.ts';
import { routez } from '../endpoints/routez.ts';
import { subsz } from '../endpoints/subsz.ts';
import { tlsz } from '../endpoints/tlsz.ts';
import { CpuMeter, type MonitorAddress, varz } from '../endpoints/varz.ts';
import { fillPage, pageAssets, pageDocument } from './page.ts';

/** Endpoints without a link on the page: the page itself, and those that report what this broker lacks. */
const unlinkedEndpoints = ['/', '/page.json', '/gatewayz', '/leafz', '/jsz'];

type MetricsClass = typeof import('../endpoints/metrics.ts').Metrics;

/** @param base the relative URL from the requested path to the endpoints */
type Endpoint = (query: Query, base: string) => Answer | Promise<Answer>;

export class Monitor {
  readonly #broker: MonitoredBroker;
  readonly #options: MonitorOptions;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #requests = new Map<string, number>();
  readonly #cpu = new CpuMeter();
  readonly #assets = readAssets(pageAssets);
  readonly #recent: RecentHistory;
  #server: HttpServer | undefined;

  private constructor(options: MonitorOptions, broker: MonitoredBroker, Metrics: MetricsClass) {
    this.#options = options;
    this.#broker = broker;
    this.#recent = new RecentHistory(broker);
    const template = readPage('page');
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
      ['/page.json', (query) => json(pageDocument(query, broker, this.#recent))],
      ['/metrics', async () => ({ status: 200, type: metrics.contentType, body: await metrics.print() })],
    ]);
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
    const { secure } = options;
    const server: HttpServerOptions = {
      answer: (request) => monitor.#answer(request),
      names: () => monitor.#names,
      where: 'monitoring',
      logger: broker.logger,
      // Orchestrators restart the process when /healthz is slow.
      isUrgent: ({ url = '' }) => monitor.#endpointPath(url) === '/healthz',
      // Undefined once a reload has removed the tls block.
      ...(secure && { handshaker: () => broker.tls?.monitoringHandshaker }),
    };
    const flag = secure ? '--https_port' : '--http_port';
    monitor.#server = await HttpServer.open(server, monitor.#where, onError, flag);
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

  /** Closes open connections whose certificate is revoked now. */
  closeRevoked(): void {
    const { tls, logger } = this.#broker;
    const sessions = (this.#server?.secured ?? []).map((socket) => ({
      tls: socket,
      connection: { abort: () => socket.destroy() },
    }));
    tls?.closeRevoked(sessions, 'monitoring connections', logger);
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#recent.close();
    await this.#server?.close();
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
      port: this.#server?.port ?? port,
      secure,
      basePath,
    };
  }

  async #answer({ url = '' }: IncomingMessage): Promise<Answer> {
    const [path = '', ...query] = url.split('?');
    const name = this.#endpointPath(path);
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) return this.#assets.get(name) ?? text(404, '404 page not found\n');
    this.#requests.set(name, (this.#requests.get(name) ?? 0) + 1);
    try {
      return await endpoint(new Query(new URLSearchParams(query.join('?'))), folderOf(path));
    } catch (error) {
      if (error instanceof InvalidQuery) return text(400, error.message);
      throw error;
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
}

/** The relative URL from a path to the endpoints below it: `a/` leads from `/a` to `/a/varz`; empty after a slash. */
function folderOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name === '' ? '' : `${name}/`;
}

function healthAnswer({ code, ...health }: Health): Answer {
  return { status: code, type: 'application/json', body: JSON.stringify(health) };
}
