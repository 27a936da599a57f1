// Reads nats-server's configuration and flags into one value with every default filled in. Opens no file.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue } from '../../conf/value.ts';
import { type HostPort, parseAdvertised } from '../../net/host-port.ts';
import { type AnswerCacheOptions, defaultAnswerCache } from '../../revocation/answer-cache.ts';
import { defaultStapling, type StaplingOptions } from '../../revocation/stapling-options.ts';
import { readTlsBlock, type TlsBlock } from '../../tls/block.ts';
import {
  type AuthFlags,
  type AuthOptions,
  allowAnonymousBesideSystemAccount,
  noAuthentication,
  readAuthOptions,
  rejectUnlistedClients,
} from './auth-options.ts';
import { type ClusterFlags, readClusterFlags } from './cluster-flags.ts';
import { type ClusterOptions, pinSystemAccount, readClusterOptions } from './cluster-options.ts';
import { readDurationOption } from './duration-option.ts';
import { readListen } from './listen-option.ts';
import { type MonitorFlags, type MonitorOptions, readMonitorOptions } from './monitor-options.ts';
import { readOcspCache } from './ocsp-cache-options.ts';
import { readStapling } from './stapling-reader.ts';
import { defaultSystemAccount, readSystemAccount } from './system-options.ts';
import { readTlsFlags, type TlsFlags } from './tls-flags.ts';
import { reportUnsupported } from './unsupported.ts';
import { readWebsocketOptions, type WebsocketOptions } from './websocket-options.ts';
import { readIdle, readJetStreamTuning, readWithoutEffect, turnsJetStreamOff } from './without-effect.ts';

export interface BrokerOptions {
  /** Undefined for the server id. */
  readonly serverName: string | undefined;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Advertised to clients instead of host and port; port 0 stands for that of the listener. */
  readonly clientAdvertise: HostPort | undefined;
  readonly maxConnections: number;
  /** For each connection; Infinity for no limit, also in the next options. */
  readonly maxSubscriptions: number;
  readonly maxSubscriptionTokens: number;
  readonly maxControlLine: number;
  readonly maxPayload: number;
  readonly maxPending: number;
  readonly pingIntervalMs: number;
  /** The number of PINGs that may be unanswered. */
  readonly pingMax: number;
  readonly writeDeadlineMs: number;
  readonly lameDuckDurationMs: number;
  readonly lameDuckGraceMs: number;
  readonly headers: boolean;
  readonly noFastProducerStall: boolean;
  readonly tls: TlsBlock | undefined;
  readonly allowNonTls: boolean;
  /** OCSP answers about the broker's own certificates. */
  readonly stapling: StaplingOptions;
  /** How OCSP answers are kept; without effect unless a tls block asks for them. */
  readonly ocspCache: AnswerCacheOptions;
  /** Files with revocation lists, which apply to every certificate of a peer. */
  readonly crl: readonly string[];
  readonly auth: AuthOptions;
  /** Whether verify_and_map also finds a user by a bare common name. */
  readonly mapsCommonNames: boolean;
  /** The account for monitoring requests and events of the server; undefined for none. */
  readonly systemAccount: string | undefined;
  readonly cluster: ClusterOptions | undefined;
  readonly websocket: WebsocketOptions | undefined;
  readonly monitor: MonitorOptions | undefined;
  readonly log: LogOptions;
  readonly pidFile: string | undefined;
  readonly portsFileDir: string | undefined;
}

export interface LogOptions {
  readonly debug: boolean;
  readonly trace: boolean;
  readonly timestamps: boolean;
  readonly utc: boolean;
  /** Undefined for stderr. */
  readonly file: string | undefined;
  /** Payload bytes that a trace line shows; Infinity for all. */
  readonly maxTracedLength: number;
}

/** Flags of `natspki broker` that set options of the broker; each takes precedence over the file. */
export interface BrokerFlags extends AuthFlags, TlsFlags, MonitorFlags, ClusterFlags {
  readonly addr?: string | undefined;
  readonly port?: number | undefined;
  readonly serverName?: string | undefined;
  readonly clientAdvertise?: string | undefined;
  readonly pid?: string | undefined;
  readonly portsFileDir?: string | undefined;
  readonly log?: string | undefined;
  readonly logtime?: boolean | undefined;
  readonly logtimeUtc?: boolean | undefined;
  readonly debug?: boolean | undefined;
  readonly trace?: boolean | undefined;
  readonly maxTracedMsgLen?: number | undefined;
  /** Files with revocation lists; a flag of natspki alone, because nats-server rejects an option that it does not know. */
  readonly crl?: readonly string[] | undefined;
  /** Finds no user by a bare common name; a flag of natspki alone. */
  readonly noCommonName?: boolean | undefined;
}

/** nats-server's defaults (const.go). */
export const defaultBrokerOptions: BrokerOptions = {
  serverName: undefined,
  host: '0.0.0.0',
  port: 4222,
  clientAdvertise: undefined,
  maxConnections: 64 * 1024,
  maxSubscriptions: Number.POSITIVE_INFINITY,
  maxSubscriptionTokens: Number.POSITIVE_INFINITY,
  maxControlLine: 4096,
  maxPayload: 1024 * 1024,
  maxPending: 64 * 1024 * 1024,
  pingIntervalMs: 120_000,
  pingMax: 2,
  writeDeadlineMs: 10_000,
  lameDuckDurationMs: 120_000,
  lameDuckGraceMs: 10_000,
  headers: true,
  noFastProducerStall: false,
  tls: undefined,
  allowNonTls: false,
  stapling: defaultStapling,
  ocspCache: defaultAnswerCache,
  crl: [],
  auth: noAuthentication,
  mapsCommonNames: true,
  systemAccount: defaultSystemAccount,
  cluster: undefined,
  websocket: undefined,
  monitor: undefined,
  log: {
    debug: false,
    trace: false,
    timestamps: true,
    utc: false,
    file: undefined,
    maxTracedLength: Number.POSITIVE_INFINITY,
  },
  pidFile: undefined,
  portsFileDir: undefined,
};

/** The maximum of sizes that nats-server stores in 32 bits (opts.go). */
const maxBytes = 2 ** 31 - 1;

/** Login methods. If the operator has the broker ignore them, only clients that the file names may connect. */
const loginFeatures = {
  operator: 'operators and JWTs',
  operators: 'operators and JWTs',
  root: 'operators and JWTs',
  roots: 'operators and JWTs',
  root_operator: 'operators and JWTs',
  root_operators: 'operators and JWTs',
  trusted: 'operators and JWTs',
  trusted_keys: 'operators and JWTs',
  resolver: 'account resolvers',
  account_resolver: 'account resolvers',
  accounts_resolver: 'account resolvers',
  resolver_tls: 'account resolvers',
  resolver_preload: 'account resolvers',
  resolver_pinned_accounts: 'account resolvers',
  default_sentinel: 'operators and JWTs',
};

const otherFeatures = {
  proxies: 'proxies',
  proxy_protocol: 'the PROXY protocol',
  gateway: 'gateways',
  leaf: 'leaf nodes',
  leafnodes: 'leaf nodes',
  mqtt: 'MQTT',
  mappings: 'subject mappings',
  maps: 'subject mappings',
  syslog: 'syslog',
  remote_syslog: 'syslog',
  logfile_size_limit: 'log rotation by size',
  log_size_limit: 'log rotation by size',
  logfile_max_num: 'log rotation by size',
  log_max_num: 'log rotation by size',
  prof_port: 'Go profiles',
  prof_block_rate: 'Go profiles',
};

export interface ReadOptions {
  readonly flags?: BrokerFlags;
  /** Warn of unsupported options instead of rejecting them; options inside authorization and accounts stay errors. */
  readonly ignoreUnsupported?: boolean;
}

/** Reads a whole configuration; adds each problem, with its position, to `problems`. */
export function readBrokerOptions(
  root: MapValue,
  problems: ConfProblem[],
  { flags = {}, ignoreUnsupported = false }: ReadOptions = {},
): BrokerOptions {
  const reader = new MapReader(root, problems, '');
  const idle = readIdle(reader, Object.keys({ ...loginFeatures, ...otherFeatures }));
  const hasOtherLogins = reportUnsupported(reader, without(loginFeatures, idle), ignoreUnsupported);
  reportUnsupported(reader, without(otherFeatures, idle), ignoreUnsupported);
  if (!turnsJetStreamOff(reader.value('jetstream'))) {
    reportUnsupported(reader, { jetstream: 'JetStream' }, ignoreUnsupported);
  }
  readJetStreamTuning(reader);
  readWithoutEffect(reader);
  checkWriteTimeout(reader);
  const tlsMap = reader.map('tls');
  const clusterMap = reader.map('cluster');
  const websocketMap = reader.map('websocket', 'ws');
  const configured = readAuthOptions(reader, problems, flags);
  const systemAccount = readSystemAccount(reader, configured.accounts);
  const auth = hasOtherLogins
    ? rejectUnlistedClients(configured)
    : allowAnonymousBesideSystemAccount(configured, systemAccount, reader);
  const file: BrokerOptions = {
    serverName: readServerName(reader),
    ...readAddress(reader),
    clientAdvertise: readAdvertise(reader, flags),
    ...readLimits(reader),
    ...readTimes(reader),
    headers: !(reader.boolean('no_header_support') ?? false),
    noFastProducerStall: reader.boolean('no_fast_producer_stall') ?? false,
    tls: tlsMap === undefined ? undefined : readTlsBlock(tlsMap, problems, 'client'),
    allowNonTls: reader.boolean('allow_non_tls') ?? false,
    stapling: readStapling(reader, problems),
    ocspCache: readOcspCache(reader, problems),
    crl: flags.crl ?? [],
    auth,
    mapsCommonNames: !(flags.noCommonName ?? false),
    systemAccount,
    cluster: clusterMap === undefined ? undefined : readClusterOptions(clusterMap, problems),
    websocket:
      websocketMap &&
      readWebsocketOptions(websocketMap, problems, {
        users: auth.users,
        hasTrustedKeys: hasOtherLogins,
        ignoreUnsupported,
      }),
    monitor: readMonitorOptions(reader, flags),
    log: readLogOptions(reader),
    pidFile: reader.string('pid_file', 'pidfile'),
    portsFileDir: reader.string('ports_file_dir'),
  };
  const options = withFlags(file, flags);
  checkOptions(options, reader);
  reader.finish();
  return options;
}

function without(features: Readonly<Record<string, string>>, names: ReadonlySet<string>) {
  return Object.fromEntries(Object.entries(features).filter(([name]) => !names.has(name)));
}

/** Applies the flags, except those for authorization, monitoring and `client_advertise`: `file` has those already. */
function withFlags(file: BrokerOptions, flags: BrokerFlags): BrokerOptions {
  return {
    ...file,
    serverName: flags.serverName ?? file.serverName,
    host: flags.addr ?? file.host,
    port: flags.port === undefined ? file.port : portOf(flags.port),
    tls: readTlsFlags(flags, file.tls),
    cluster: pinSystemAccount(readClusterFlags(flags, file.cluster), file.systemAccount),
    log: {
      debug: flags.debug ?? file.log.debug,
      trace: flags.trace ?? file.log.trace,
      timestamps: flags.logtime ?? file.log.timestamps,
      utc: flags.logtimeUtc ?? file.log.utc,
      file: flags.log ?? file.log.file,
      maxTracedLength: unlimited(flags.maxTracedMsgLen ?? file.log.maxTracedLength),
    },
    pidFile: flags.pid ?? file.pidFile,
    portsFileDir: flags.portsFileDir ?? file.portsFileDir,
  };
}

function readAddress(reader: MapReader): { host: string; port: number } {
  const listen = readListen(reader, 'listen');
  const host = reader.string('host', 'net') ?? defaultBrokerOptions.host;
  const port = reader.integer('port') ?? 0;
  // A `listen` without a host, such as `:4222`, leaves `host` in effect.
  return { host: listen?.host || host, port: portOf(listen?.port ?? port) };
}

/** In nats-server -1 stands for any free port, and 0 for the default port. */
function portOf(port: number): number {
  return port === -1 ? 0 : port || defaultBrokerOptions.port;
}

function readServerName(reader: MapReader): string | undefined {
  const name = reader.string('server_name');
  if (name?.includes(' ')) reader.error(reader.position('server_name'), 'server name cannot contain spaces');
  return name;
}

function readAdvertise(reader: MapReader, flags: BrokerFlags): HostPort | undefined {
  const configured = reader.string('client_advertise');
  const text = flags.clientAdvertise ?? configured;
  if (text === undefined || text === '') return undefined;
  const parsed = parseAdvertised(text);
  if (parsed === undefined) {
    reader.error(
      reader.position('client_advertise'),
      '"client_advertise" is neither a host nor a host with a port',
    );
  }
  return parsed;
}

function readLimits(reader: MapReader) {
  const base = defaultBrokerOptions;
  const limit = (fallback: number, name: string, max = Number.POSITIVE_INFINITY): number => {
    const value = reader.integer(name) ?? 0;
    if (value < 0) reader.error(reader.position(name), `"${name}" cannot be negative`);
    if (value > max) reader.error(reader.position(name), `"${name}" cannot be higher than ${max}`);
    return value > 0 ? value : fallback;
  };
  // A max_connections of 0 accepts no client (opts.go).
  const connections = reader.integer('max_connections', 'max_conn');
  return {
    maxConnections: connections === undefined ? base.maxConnections : Math.max(0, connections),
    maxSubscriptions: unlimited(reader.integer('max_subscriptions', 'max_subs')),
    maxSubscriptionTokens: readSubscriptionTokens(reader),
    maxControlLine: limit(base.maxControlLine, 'max_control_line', maxBytes),
    maxPayload: limit(base.maxPayload, 'max_payload', maxBytes),
    maxPending: limit(base.maxPending, 'max_pending'),
    pingMax: limit(base.pingMax, 'ping_max'),
  };
}

function readSubscriptionTokens(reader: MapReader): number {
  const names = ['max_subscription_tokens', 'max_sub_tokens'] as const;
  const tokens = reader.integer(...names);
  if (tokens !== undefined && (tokens < 1 || tokens > 255)) {
    reader.error(reader.position(...names), `"${names[0]}" must be from 1 to 255`);
  }
  return unlimited(tokens);
}

function readTimes(reader: MapReader) {
  const base = defaultBrokerOptions;
  const positive = (name: string, fallback: number) => readDurationOption(reader, name) ?? fallback;
  const lameDuckDurationMs = positive('lame_duck_duration', base.lameDuckDurationMs);
  if (lameDuckDurationMs < 30_000) {
    reader.error(reader.position('lame_duck_duration'), '"lame_duck_duration" cannot be less than 30s');
  }
  return {
    pingIntervalMs: positive('ping_interval', base.pingIntervalMs),
    writeDeadlineMs: positive('write_deadline', base.writeDeadlineMs),
    lameDuckDurationMs,
    lameDuckGraceMs: positive('lame_duck_grace_period', base.lameDuckGraceMs),
  };
}

function readLogOptions(reader: MapReader): LogOptions {
  // Each of the three options turns tracing on (opts.go).
  const traces = ['trace', 'trace_verbose', 'trace_headers'].map((name) => reader.boolean(name));
  return {
    debug: reader.boolean('debug') ?? false,
    trace: traces.includes(true),
    timestamps: reader.boolean('logtime') ?? true,
    utc: reader.boolean('logtime_utc') ?? false,
    file: reader.string('log_file', 'logfile'),
    maxTracedLength: unlimited(reader.integer('max_traced_msg_len')),
  };
}

function checkOptions(options: BrokerOptions, reader: MapReader): void {
  if (options.monitor?.secure && options.tls === undefined) {
    reader.error(
      reader.position('https_port', 'https'),
      'HTTPS for monitoring needs a tls block',
      'add tls { cert_file, key_file }, or use http_port',
    );
  }
  if (options.maxPayload > options.maxPending) {
    reader.error(
      reader.position('max_payload'),
      `"max_payload" (${options.maxPayload}) cannot be higher than "max_pending" (${options.maxPending})`,
    );
  }
  if (options.lameDuckGraceMs >= options.lameDuckDurationMs) {
    reader.error(
      reader.position('lame_duck_grace_period'),
      '"lame_duck_grace_period" must be shorter than "lame_duck_duration"',
    );
  }
  if (options.port < 0 || options.port > 65_535) {
    reader.error(reader.position('port', 'listen'), `port ${options.port} is not between 0 and 65535`);
  }
}

/**
 * Returns the time limit for CONNECT, in milliseconds: by default one second more than the TLS handshake timeout
 * (opts.go, getDefaultAuthTimeout).
 */
export function authTimeoutMs({ auth, tls }: BrokerOptions): number {
  return auth.timeoutMs ?? (tls === undefined ? 2000 : tls.timeoutMs + 1000);
}

/** This broker disconnects slow clients; keeping them connected (`retry`) is supported for routes only. */
function checkWriteTimeout(reader: MapReader): void {
  const policy = reader.string('write_timeout');
  if (policy === undefined || policy === 'default' || policy === 'close') return;
  reader.error(reader.position('write_timeout'), '"write_timeout" must be "default" or "close" for clients');
}

function unlimited(value: number | undefined): number {
  return value === undefined || value <= 0 ? Number.POSITIVE_INFINITY : value;
}
