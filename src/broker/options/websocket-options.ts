// Reads and validates a websocket block as nats-server does (opts.go, parseWebsocket; websocket.go,
// validateWebsocketOptions). The bundled broker serves no WebSocket: `check` reads the block for nats-server.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue } from '../../conf/value.ts';
import { parseAdvertised } from '../../net/host-port.ts';
import { readTlsBlock, type TlsBlock } from '../../tls/block.ts';
import type { AuthOptions } from './auth-options.ts';
import { readDurationOption } from './duration-option.ts';
import { readListen } from './listen-option.ts';

export interface WebsocketOptions {
  /** -1 for any free port; 0 if nats-server does not listen, and checks only the syntax of the block. */
  readonly port: number;
  readonly tls: TlsBlock | undefined;
}

/** What the rest of the configuration says about logins. */
export interface ConfiguredLogins {
  readonly users: AuthOptions['users'];
  /** Whether operators or trusted keys are configured, which JWTs need. */
  readonly hasTrustedKeys: boolean;
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
  const port = readPort(reader);
  const isServed = port !== 0;
  reader.string('host', 'net');
  reader.boolean('same_origin');
  reader.boolean('compress', 'compression');
  readHandshakeTimeout(reader);
  readDurationOption(reader, 'ping_interval');
  for (const name of ['user_cookie', 'pass_cookie', 'token_cookie']) reader.string(name);
  readAdvertise(reader, isServed);
  readOrigins(reader, isServed);
  readHeaders(reader, isServed);
  const login = readAuthorization(reader, problems);
  const jwtCookie = reader.string('jwt_cookie') ?? '';
  const noAuthUser = reader.string('no_auth_user') ?? '';
  const tlsMap = reader.map('tls');
  const tls = tlsMap && readTlsBlock(tlsMap, problems, 'websocket');
  const isPlain = reader.boolean('no_tls') ?? false;
  reader.finish();
  if (!isServed) return { port, tls };
  if (!reader.has('tls') && !isPlain) {
    reader.error(
      reader.position('tls'),
      '"websocket" has a port and no tls block',
      'natspki tls websocket prints a tls block',
    );
  }
  checkLogins(reader, login, noAuthUser, logins);
  if (jwtCookie !== '' && !logins.hasTrustedKeys) {
    reader.error(
      reader.position('jwt_cookie'),
      `"jwt_cookie" in ${where} needs operators or trusted keys`,
      'remove it: without an operator, no client logs in by a JWT',
    );
  }
  return { port, tls };
}

function readPort(reader: MapReader): number {
  const listen = readListen(reader, 'listen');
  const port = reader.integer('port') ?? listen?.port ?? 0;
  if (port < -1 || port > 65_535) {
    reader.error(reader.position('port', 'listen'), `port ${port} is not between -1 and 65535`);
  }
  return port;
}

/** nats-server accepts whole seconds and durations, but no fraction. */
function readHandshakeTimeout(reader: MapReader): void {
  const found = reader.value('handshake_timeout');
  if (found?.kind === 'float') {
    reader.error(
      found.position,
      `"handshake_timeout" in ${where} must be whole seconds or a duration`,
      'write a duration such as "1500ms"',
    );
  } else reader.durationMs('handshake_timeout');
}

/** `nats-server -t` accepts any text; with an invalid one nats-server does not start. */
function readAdvertise(reader: MapReader, isServed: boolean): void {
  const text = reader.string('advertise') ?? '';
  if (!isServed || text === '' || parseAdvertised(text) !== undefined) return;
  reader.error(
    reader.position('advertise'),
    `"advertise" in ${where} is neither a host nor a host with a port`,
    'for example "nats-1.example.com:8443"',
  );
}

function readOrigins(reader: MapReader, isServed: boolean): void {
  const origins = reader.strings(...originNames) ?? [];
  const invalid = isServed ? origins.find((origin) => !isOrigin(origin)) : undefined;
  if (invalid === undefined) return;
  reader.error(
    reader.position(...originNames),
    `allowed origin ${JSON.stringify(invalid)} in ${where} is not an http or https URL with a host`,
    'for example "https://app.example.com"',
  );
}

/** Whether Go parses the text as an absolute http or https URL with a host (net/url, ParseRequestURI). */
function isOrigin(text: string): boolean {
  const [, authority, path = ''] = /^https?:\/\/([^/?]*)([^?]*)/i.exec(text) ?? [];
  if (authority === undefined || /\p{Cc}/u.test(text)) return false;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const isHost = /^(?:\[[\da-f:.]+\]|[^\s:"%<>\\^`{|}[\]]*)(?::\d*)?$/i.test(host);
  return host !== '' && isHost && !/%(?![\da-f]{2})/i.test(path);
}

function readHeaders(reader: MapReader, isServed: boolean): void {
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
    }
  }
}

interface Login {
  readonly user: string;
  readonly token: string;
}

function readAuthorization(websocket: MapReader, problems: ConfProblem[]): Login {
  const block = websocket.map('authorization', 'authentication');
  if (block === undefined) return { user: '', token: '' };
  const reader = new MapReader(block, problems, `${where}.authorization`);
  const user = reader.string('user', 'username') ?? '';
  const token = reader.string('token') ?? '';
  reader.string('pass', 'password');
  reader.number('timeout');
  reader.finish();
  return { user, token };
}

/** Reports a login that the rest of the configuration excludes. */
function checkLogins(
  reader: MapReader,
  { user, token }: Login,
  noAuthUser: string,
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
