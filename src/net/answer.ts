// A response over HTTP and the headers that it is sent with: no caching, no content sniffing, no embedding in
// another page.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { given } from '../given.ts';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  /** The Content-Security-Policy; by default a browser may load nothing. */
  readonly policy?: string;
  /** Headers besides those that every response has. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Formats JSON as Go does: indented by two spaces, with the characters that HTML could interpret escaped. */
export function json(value: object): Answer {
  const body = JSON.stringify(value, null, 2).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return { status: 200, type: 'application/json', body };
}

export function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body };
}

/** The headers of every response. */
const securityHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

/** Sends a response; for HEAD without its body. */
export function send(answer: Answer, { method }: IncomingMessage, response: ServerResponse): void {
  const { status, type, body, policy, headers } = answer;
  response.writeHead(status, {
    // RFC 9110 section 8.6 forbids a length in 204.
    ...(status !== 204 && { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }),
    ...securityHeaders,
    ...given({ 'Content-Security-Policy': policy }),
    ...headers,
  });
  response.end(method === 'HEAD' ? undefined : body);
}

/**
 * Rejects bytes that are no HTTP request and closes the connection.
 * @param isAnswering whether a response is in progress on it
 */
export function rejectMalformed(error: NodeJS.ErrnoException, socket: Duplex, isAnswering: boolean): void {
  if (isAnswering || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const headers = Object.entries({ ...securityHeaders, 'Content-Length': 0, Connection: 'close' });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`);
}
