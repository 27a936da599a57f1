// Examines the HTTP request that opens a WebSocket, and builds the answer: order, status and texts are nats-server's
// (websocket.go, wsUpgrade).
import { createHash } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { isIP } from 'node:net';
import type { CookieNames } from '../options/websocket-options.ts';
import { type OriginRules, rejectedOrigin } from './origin.ts';

export interface UpgradeRules extends OriginRules {
  readonly compression: boolean;
  readonly cookies: CookieNames;
  /** Headers of the answer, by name. */
  readonly headers: ReadonlyMap<string, string>;
}

/** A request that is accepted. */
export interface Upgrade {
  /** The answer. */
  readonly answer: string;
  /** What the path asks for: leaf nodes, which this broker does not have, also come in by WebSocket. */
  readonly kind: 'client' | 'leafnode';
  readonly compresses: boolean;
  readonly isMasked: boolean;
  readonly isBrowser: boolean;
  readonly mayFragmentCompressed: boolean;
  /** The address that a proxy reports for the client; undefined for none. It proves nothing. */
  readonly forwardedFor: string | undefined;
  /** From cookies: what stands for members of CONNECT that are empty. */
  readonly credentials: Readonly<Record<keyof CookieNames, string>>;
}

/** A request that is rejected. */
export interface Refusal {
  readonly status: number;
  /** For the log. */
  readonly reason: string;
}

/** RFC 6455 section 1.3. */
const keySuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

type Headers = NodeJS.Dict<string[]>;

export function examineUpgrade(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headersDistinct'>,
  isTls: boolean,
  rules: UpgradeRules,
): Upgrade | Refusal {
  const { method, url = '', headersDistinct: headers } = request;
  const path = url.split('?', 1)[0] as string;
  const key = first(headers, 'sec-websocket-key');
  const refusal = findRefusal(method, path, headers, key, isTls, rules);
  if (refusal !== undefined) return refusal;
  const agent = first(headers, 'user-agent');
  const compresses = rules.compression && offersCompression(headers);
  const isMasked = first(headers, 'nats-no-masking') !== 'true';
  return {
    answer: answerTo(key, compresses, isMasked, rules.headers),
    kind: path.endsWith('/leafnode') ? 'leafnode' : 'client',
    compresses,
    isMasked,
    isBrowser: agent.startsWith('Mozilla/'),
    // Chrome names Safari too, but no version of it.
    mayFragmentCompressed: !(agent.includes('Version/') && agent.includes('Safari/')),
    forwardedFor: forwardedFor(headers),
    credentials: readCredentials(headers, rules.cookies),
  };
}

function findRefusal(
  method: string | undefined,
  path: string,
  headers: Headers,
  key: string,
  isTls: boolean,
  rules: UpgradeRules,
): Refusal | undefined {
  const refuse = (status: number, reason: string): Refusal => ({ status, reason });
  if (path.endsWith('/mqtt')) return refuse(404, 'mqtt websocket endpoint not enabled');
  if (method !== 'GET') return refuse(405, 'request method must be GET');
  const host = first(headers, 'host');
  if (host === '') return refuse(400, "'Host' missing in request");
  if (!contains(headers, 'upgrade', 'websocket')) return refuse(400, "invalid value for header 'Upgrade'");
  if (!contains(headers, 'connection', 'upgrade')) {
    return refuse(400, "invalid value for header 'Connection'");
  }
  if (key === '') return refuse(400, 'key missing');
  // 16 bytes in base64.
  if (!/^[A-Za-z\d+/]{22}==$/.test(key)) return refuse(400, 'invalid websocket key');
  if (!contains(headers, 'sec-websocket-version', '13')) return refuse(400, 'invalid version');
  const origin = first(headers, 'origin') || first(headers, 'sec-websocket-origin');
  const rejected = rejectedOrigin(origin, host, isTls, rules);
  return rejected === undefined ? undefined : refuse(403, `origin not allowed: ${rejected}`);
}

function answerTo(
  key: string,
  compresses: boolean,
  isMasked: boolean,
  headers: UpgradeRules['headers'],
): string {
  const accept = createHash('sha1')
    .update(key + keySuffix)
    .digest('base64');
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...(compresses
      ? [
          'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover',
        ]
      : []),
    ...(isMasked ? [] : ['Nats-No-Masking: true']),
    ...Array.from(headers, ([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Builds the answer to a request that is rejected; the connection ends with it. */
export function refusalAnswer(status: number, date: Date): string {
  const text = STATUS_CODES[status] ?? '';
  const lines = [
    `HTTP/1.1 ${status} ${text}`,
    'Content-Type: text/plain; charset=utf-8',
    'Sec-Websocket-Version: 13',
    'X-Content-Type-Options: nosniff',
    `Date: ${date.toUTCString()}`,
    `Content-Length: ${text.length + 1}`,
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${text}\n`;
}

/** Builds the answer to bytes that are no HTTP request, as Go words it (net/http, server.go). */
export function malformedAnswer(status: number, detail = ''): string {
  const text = `${status} ${STATUS_CODES[status]}${detail}`;
  return `HTTP/1.1 ${text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${text}`;
}

function first(headers: Headers, name: string): string {
  return headers[name]?.[0] ?? '';
}

/** Whether one of the comma-separated values of a header is `value`, in any case. */
function contains(headers: Headers, name: string, value: string): boolean {
  return tokens(headers[name], ',').some((token) => token.toLowerCase() === value);
}

function offersCompression(headers: Headers): boolean {
  return tokens(headers['sec-websocket-extensions'], /[,;]/).some(
    (token) => token.toLowerCase() === 'permessage-deflate',
  );
}

function tokens(lines: readonly string[] = [], separator: string | RegExp): string[] {
  return lines.flatMap((line) => line.split(separator).map((token) => token.trim()));
}

function forwardedFor(headers: Headers): string | undefined {
  const address = first(headers, 'x-forwarded-for');
  return isIP(address) > 0 && !address.includes('%') ? address : undefined;
}

/** Reads cookies as Go does (net/http, readCookies): quotes are removed, invalid cookies ignored, and the last one counts. */
function readCredentials(headers: Headers, names: CookieNames): Upgrade['credentials'] {
  const cookies = new Map<string, string>();
  for (const part of tokens(headers.cookie, ';')) {
    const [, name = '', quoted, plain] = /^([^=\s"]+)\s*=\s*(?:"([^"\\;]*)"|([^"\\;]*))$/.exec(part) ?? [];
    const value = quoted ?? plain;
    if (name !== '' && value !== undefined && /^[\x20-\x7e]*$/.test(value)) cookies.set(name, value);
  }
  const { user, pass, token } = names;
  const cookie = (name: string) => cookies.get(name) ?? '';
  return { user: cookie(user), pass: cookie(pass), token: cookie(token) };
}
