// Reads and validates a websocket block as nats-server does (opts.go, parseWebsocket; websocket.go,
// validateWebsocketOptions). Opens no file.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue } from '../../conf/value.ts';
import { type HostPort, parseAdvertised } from '../../net/host-port.ts';
import { readTlsBlock, type TlsBlock } from '../../tls/block.ts';
import type { AuthOptions } from './auth-options.ts';
import { readDurationOption } from './duration-option.ts';
import { readListen } from './listen-option.ts';
import { reportUnsupported } from './unsupported.ts';

export interface WebsocketOptions {
  readonly host: string;
  /** -1 for any free port; 0 if the server does not listen, and checks only the syntax of the block. */
  readonly port: number;
  /** Advertised to other servers instead of host and port, as written; empty for none. */
  readonly advertise: string;
  /** Undefined for connections without TLS. */
  readonly tls: TlsBlock | undefined;
  /** Whether the block says `no_tls`, which a tls block overrides. */
  readonly isPlain: boolean;
  /** Whether a page may connect only to the host that it came from. */
  readonly sameOrigin: boolean;
  /** The origins of pages that may connect, as http or https URLs; empty for any. */
  readonly allowedOrigins: readonly string[];
  readonly compression: boolean;
  /** Time limit for the TLS handshake, and for the request after it; undefined for the default. */
  readonly handshakeTimeoutMs: number | undefined;
  /** Undefined for the value of the client port. */
  readonly pingIntervalMs: number | undefined;
  readonly cookies: CookieNames;
  /** Headers of the answer to an upgrade, by name. */
  readonly headers: ReadonlyMap<string, string>;
  /** What WebSocket clients log in with instead of the logins of the client port; undefined for the same. */
  readonly login: WebsocketLogin | undefined;
  /** Time limit for CONNECT, in milliseconds; undefined for that of the client port. */
  readonly authTimeoutMs: number | undefined;
}

/** The names of the cookies that stand for members of CONNECT which are empty; an empty name for none. */
export interface CookieNames {
  readonly user: string;
  readonly pass: string;
  readonly token: string;
}

/** A token, a user with its password, or the user of clients that send no credentials; the others are empty. */
export interface WebsocketLogin {
  readonly user: string;
  readonly password: string;
  readonly token: string;
  readonly noAuthUser: string;
}

/** What the rest of the configuration says about logins. */
export interface ConfiguredLogins {
  readonly users: AuthOptions['users'];
  /** Whether operators or trusted keys are configured, which JWTs need. */
  readonly hasTrustedKeys: boolean;
  /** Whether the broker ignores what it does not support. */
  readonly ignoreUnsupported: boolean;
}

const where = 'websocket';
const originNames = [
  'allowed_origins',
  'allowed_origin',
  'allow_origins',
  'allow_origin',
  'origins',
  'origin',
] as const;

/** Headers of the answer to an upgrade that nats-server writes itself. */
const ownHeaders = ['host', 'content-length', 'connection', 'upgrade', 'nats-no-masking'];

/** Reads a websocket block; adds each problem, with its position, to `problems`. */
export function readWebsocketOptions(
  map: MapValue,
  problems: ConfProblem[],
  logins: ConfiguredLogins,
): WebsocketOptions {
  const reader = new MapReader(map, problems, where);
  const { host, port } = readAddress(reader);
  const isServed = port !== 0;
  const tlsMap = reader.map('tls');
  const { authTimeoutMs, ...login } = readLogin(reader, problems);
  const options: WebsocketOptions = {
    host,
    port,
    advertise: readAdvertise(reader, isServed),
    tls: tlsMap && readTlsBlock(tlsMap, problems, 'websocket'),
    isPlain: reader.boolean('no_tls') ?? false,
    sameOrigin: reader.boolean('same_origin') ?? false,
    allowedOrigins: readOrigins(reader, isServed),
    compression: reader.boolean('compress', 'compression') ?? false,
    handshakeTimeoutMs: readHandshakeTimeout(reader),
    pingIntervalMs: readDurationOption(reader, 'ping_interval'),
    cookies: {
      user: reader.string('user_cookie') ?? '',
      pass: reader.string('pass_cookie') ?? '',
      token: reader.string('token_cookie') ?? '',
    },
    headers: readHeaders(reader, isServed),
    login: login.user || login.token || login.noAuthUser ? login : undefined,
    authTimeoutMs,
  };
  const jwtCookie = reader.string('jwt_cookie') ?? '';
  reader.finish();
  if (!isServed) {
    reader.warning(
      reader.position('port', 'listen'),
      'websocket has no port: this server does not listen for WebSocket clients',
      'add port: 8443',
      'websocket-without-port',
    );
    return options;
  }
  if (!reader.has('tls') && !options.isPlain) {
    reader.error(
      reader.position('tls'),
      '"websocket" has a port and no tls block',
      'natspki tls websocket prints a tls block',
    );
  }
  checkLogins(reader, login, logins);
  if (jwtCookie !== '') checkJwtCookie(reader, logins);
  return options;
}

function readAddress(reader: MapReader): HostPort {
  const listen = readListen(reader, 'listen');
  const port = reader.integer('port') ?? listen?.port ?? 0;
  if (port < -1 || port > 65_535) {
    reader.error(reader.position('port', 'listen'), `port ${port} is not between -1 and 65535`);
  }
  const host = reader.string('host', 'net');
  return { host: listen?.host || host || '0.0.0.0', port };
}

function checkJwtCookie(reader: MapReader, { hasTrustedKeys, ignoreUnsupported }: ConfiguredLogins): void {
  if (hasTrustedKeys) {
    reportUnsupported(reader, { jwt_cookie: 'operators and JWTs' }, ignoreUnsupported);
    return;
  }
  reader.error(
    reader.position('jwt_cookie'),
    `"jwt_cookie" in ${where} needs operators or trusted keys`,
    'remove it: without an operator, no client logs in by a JWT',
  );
}

/** nats-server accepts whole seconds and durations, but no fraction. */
function readHandshakeTimeout(reader: MapReader): number | undefined {
  const found = reader.value('handshake_timeout');
  if (found?.kind === 'float') {
    reader.error(
      found.position,
      `"handshake_timeout" in ${where} must be whole seconds or a duration`,
      'write a duration such as "1500ms"',
    );
    return undefined;
  }
  const milliseconds = reader.durationMs('handshake_timeout') ?? 0;
  return milliseconds > 0 ? milliseconds : undefined;
}

/** `nats-server -t` accepts any text; with an invalid one nats-server does not start. */
function readAdvertise(reader: MapReader, isServed: boolean): string {
  const text = reader.string('advertise') ?? '';
  if (!isServed || text === '' || parseAdvertised(text) !== undefined) return text;
  reader.error(
    reader.position('advertise'),
    `"advertise" in ${where} is neither a host nor a host with a port`,
    'for example "nats-1.example.com:8443"',
  );
  return text;
}

function readOrigins(reader: MapReader, isServed: boolean): string[] {
  const origins = reader.strings(...originNames) ?? [];
  const invalid = isServed ? origins.find((origin) => !isOrigin(origin)) : undefined;
  if (invalid === undefined) return origins;
  reader.error(
    reader.position(...originNames),
    `allowed origin ${JSON.stringify(invalid)} in ${where} is not an http or https URL with a host`,
    'for example "https://app.example.com"',
  );
  return origins;
}

/** Whether Go parses the text as an absolute http or https URL with a host (net/url, ParseRequestURI). */
function isOrigin(text: string): boolean {
  const [, authority, path = ''] = /^https?:\/\/([^/?]*)([^?]*)/i.exec(text) ?? [];
  if (authority === undefined || /\p{Cc}/u.test(text)) return false;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const isHost = /^(?:\[[\da-f:.]+\]|[^\s:"%<>\\^`{|}[\]]*)(?::\d*)?$/i.test(host);
  return host !== '' && isHost && !/%(?![\da-f]{2})/i.test(path);
}

function readHeaders(reader: MapReader, isServed: boolean): Map<string, string> {
  const headers = new Map<string, string>();
  for (const { key, keyPosition, value } of reader.map('headers')?.entries.values() ?? []) {
    const name = key.toLowerCase();
    const shown = JSON.stringify(key);
    if (value.kind !== 'string') {
      reader.error(value.position, `header ${shown} in ${where} must be a string`);
    } else if (!isServed) {
      // nats-server does not look at the names.
    } else if (ownHeaders.includes(name) || name.startsWith('sec-websocket-')) {
      reader.error(keyPosition, `header ${shown} in ${where} is not allowed: the server sets it itself`);
    } else if (!/^[\w!#$%&'*+.^`|~-]+$/.test(key) || /[\r\n\0]/.test(value.value)) {
      // nats-server copies both into the answer: a line break would start another header.
      reader.error(keyPosition, `header ${shown} in ${where} has characters that no HTTP header may have`);
    } else headers.set(key, value.value);
  }
  return headers;
}

function readLogin(
  websocket: MapReader,
  problems: ConfProblem[],
): WebsocketLogin & Pick<WebsocketOptions, 'authTimeoutMs'> {
  const block = websocket.map('authorization', 'authentication');
  const noAuthUser = websocket.string('no_auth_user') ?? '';
  if (block === undefined) return { user: '', password: '', token: '', noAuthUser, authTimeoutMs: undefined };
  const reader = new MapReader(block, problems, `${where}.authorization`);
  const user = reader.string('user', 'username') ?? '';
  const password = reader.string('pass', 'password') ?? '';
  const token = reader.string('token') ?? '';
  if (user === '' && password !== '') {
    reader.error(reader.position('pass', 'password'), `"password" in ${where}.authorization needs "user"`);
  }
  const seconds = reader.number('timeout') ?? 0;
  if (seconds < 0) {
    reader.error(reader.position('timeout'), `"timeout" in ${where}.authorization cannot be negative`);
  }
  reader.finish();
  return { user, password, token, noAuthUser, authTimeoutMs: seconds > 0 ? seconds * 1000 : undefined };
}

/** Reports a login that the rest of the configuration excludes. */
function checkLogins(
  reader: MapReader,
  { user, token, noAuthUser }: WebsocketLogin,
  { users = [] }: ConfiguredLogins,
): void {
  if (noAuthUser !== '' && !users.some(({ name }) => name === noAuthUser)) {
    reader.error(
      reader.position('no_auth_user'),
      `no_auth_user "${noAuthUser}" in ${where} is not among the users`,
    );
  }
  if (users.length === 0 || (user === '' && token === '')) return;
  reader.error(
    reader.position('authorization', 'authentication'),
    `${user === '' ? 'a token' : 'a single user'} in ${where}.authorization cannot be combined with a list of users`,
    'remove it: WebSocket clients log in as the users of the list',
  );
}
