// /varz: the state of the broker as a whole, in the fields and the order of nats-server's Varz (monitor.go).
import { availableParallelism } from 'node:os';
import { goTime, nanoseconds, uptime } from '../../../protocol/go-format.ts';
import { authTimeoutMs } from '../../options/options.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { endedByKind, totalSubscriptions, totalTraffic } from './totals.ts';

/** Measures the CPU usage of the process since the last measurement. */
export class CpuMeter {
  #usage = process.cpuUsage();
  #at = performance.now();

  /** Returns the percentage of one core, to a tenth. */
  percent(): number {
    const elapsedUs = (performance.now() - this.#at) * 1000;
    const { user, system } = process.cpuUsage(this.#usage);
    this.#usage = process.cpuUsage();
    this.#at = performance.now();
    return elapsedUs > 0 ? Math.round(((user + system) / elapsedUs) * 1000) / 10 : 0;
  }
}

/** The address of monitoring itself. */
export interface MonitorAddress {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly basePath: string;
}

/** Answers a request. @param requests number of requests by path */
export function varz(
  broker: MonitoredBroker,
  monitor: MonitorAddress,
  cpu: CpuMeter,
  requests: ReadonlyMap<string, number>,
): object {
  const { options, facts, sessions, startedAt } = broker;
  const now = broker.now();
  const [slow, stale] = [endedByKind(broker, 'slowConsumers'), endedByKind(broker, 'staleConnections')];
  const notAfter = broker.tls?.material.certificates[0]?.notAfter;
  return {
    server_id: facts.id,
    server_name: facts.name,
    version: facts.version,
    proto: 1,
    go: `node${process.versions.node}`,
    host: facts.host,
    port: facts.port,
    auth_required: facts.authRequired || undefined,
    tls_required: facts.tlsRequired || undefined,
    tls_verify: facts.tlsVerify || undefined,
    tls_ocsp_peer_verify: options.tls?.ocspPeer === undefined ? undefined : true,
    connect_urls: facts.connectUrls.length === 0 ? undefined : facts.connectUrls,
    ws_connect_urls: facts.websocketConnectUrls.length === 0 ? undefined : facts.websocketConnectUrls,
    max_connections: options.maxConnections,
    max_subscriptions: Number.isFinite(options.maxSubscriptions) ? options.maxSubscriptions : undefined,
    ping_interval: nanoseconds(options.pingIntervalMs),
    ping_max: options.pingMax,
    http_host: monitor.host,
    http_port: monitor.secure ? 0 : monitor.port,
    http_base_path: monitor.basePath,
    https_port: monitor.secure ? monitor.port : 0,
    auth_timeout: authTimeoutMs(options) / 1000,
    max_control_line: options.maxControlLine,
    max_payload: options.maxPayload,
    max_pending: options.maxPending,
    cluster: describeCluster(broker),
    gateway: {},
    leaf: {},
    mqtt: {},
    websocket: describeWebsocket(broker),
    jetstream: {},
    tls_timeout: (options.tls?.timeoutMs ?? 2000) / 1000,
    write_deadline: nanoseconds(options.writeDeadlineMs),
    start: goTime(startedAt),
    now: goTime(now),
    uptime: uptime(now.getTime() - startedAt.getTime()),
    mem: process.memoryUsage.rss(),
    cores: availableParallelism(),
    gomaxprocs: 1,
    cpu: cpu.percent(),
    connections: sessions.size,
    total_connections: sessions.total,
    routes: broker.cluster?.routes.length ?? 0,
    remotes: broker.cluster?.peers.length ?? 0,
    leafnodes: 0,
    ...traffic(broker, slow, stale),
    subscriptions: totalSubscriptions(broker),
    http_req_stats: Object.fromEntries(requests),
    config_load_time: goTime(broker.configuredAt),
    // A digest would allow offline guessing of the passwords in the configuration.
    config_digest: '',
    system_account: broker.systemAccount,
    ocsp_peer_cache: describeAnswerCache(broker),
    slow_consumer_stats: slow,
    stale_connection_stats: stale,
    disk_io_wait_stats: { waiters: 0, waits: 0, wait_time: 0, max_wait_time: 0 },
    tls_cert_not_after: notAfter === undefined ? undefined : goTime(notAfter),
  };
}

/** The fields of nats-server's ClusterOptsVarz; none for a standalone server. */
function describeCluster({ cluster }: MonitoredBroker) {
  if (cluster === undefined) return {};
  const { name, options, port, tls } = cluster;
  const notAfter = tls?.material.certificates[0]?.notAfter;
  const urls = options.routes.map((route) => new URL(route).host);
  return {
    name,
    addr: options.host,
    cluster_port: port,
    auth_timeout: cluster.settings.infoTimeoutMs / 1000,
    urls: urls.length === 0 ? undefined : urls,
    tls_timeout: (options.tls?.timeoutMs ?? 2000) / 1000,
    tls_required: tls === undefined ? undefined : true,
    tls_verify: tls === undefined ? undefined : true,
    pool_size: options.pool.size || undefined,
    write_deadline: options.writeDeadlineMs && nanoseconds(options.writeDeadlineMs),
    tls_cert_not_after: notAfter && goTime(notAfter),
  };
}

/** The fields of nats-server's OCSPResponseCacheVarz, which leaves out zeros; undefined while no answers are kept. */
function describeAnswerCache({ revocations: { cache, ocsp } }: MonitoredBroker) {
  if (ocsp === undefined || cache.options.type === 'none') return undefined;
  const { hits, misses } = cache.statistics;
  return {
    cache_type: cache.options.type,
    cache_hits: hits || undefined,
    cache_misses: misses || undefined,
    cached_responses: cache.entries.size || undefined,
    cached_revoked_responses: cache.count('revoked') || undefined,
    cached_good_responses: cache.count('good') || undefined,
    cached_unknown_responses: cache.count('unknown') || undefined,
  };
}

/** The fields of nats-server's WebsocketOptsVarz; none without a websocket block. */
function describeWebsocket({ options, websocket }: MonitoredBroker) {
  const block = options.websocket;
  if (block === undefined) return {};
  const { tls, handshakeTimeoutMs, authTimeoutMs: timeoutMs, allowedOrigins } = block;
  const notAfter = websocket?.tls?.material.certificates[0]?.notAfter;
  return {
    host: websocket && block.host,
    port: websocket?.port,
    advertise: block.advertise || undefined,
    no_auth_user: block.login?.noAuthUser || undefined,
    handshake_timeout: handshakeTimeoutMs && nanoseconds(handshakeTimeoutMs),
    auth_timeout: timeoutMs && timeoutMs / 1000,
    no_tls: block.isPlain || undefined,
    tls_map: tls?.verifyAndMap || undefined,
    tls_pinned_certs: tls?.pinnedCerts && [...tls.pinnedCerts],
    same_origin: block.sameOrigin || undefined,
    allowed_origins: allowedOrigins.length === 0 ? undefined : allowedOrigins,
    compression: block.compression || undefined,
    tls_ocsp_peer_verify: tls?.ocspPeer === undefined ? undefined : true,
    tls_cert_not_after: notAfter && goTime(notAfter),
  };
}

function traffic(broker: MonitoredBroker, slow: Kinds, stale: Kinds) {
  const { clients, inMsgs, inBytes, outMsgs, outBytes } = totalTraffic(broker);
  return {
    in_msgs: inMsgs,
    in_bytes: inBytes,
    in_client_msgs: clients.inMsgs,
    in_client_bytes: clients.inBytes,
    out_msgs: outMsgs,
    out_bytes: outBytes,
    out_client_msgs: clients.outMsgs,
    out_client_bytes: clients.outBytes,
    slow_consumers: slow.clients + slow.routes,
    stale_connections: stale.clients + stale.routes,
    stalled_clients: clients.stalls,
  };
}

type Kinds = ReturnType<typeof endedByKind>;
