// An answer of monitoring, and how it is sent: never kept, never guessed at, never shown within another page.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** What a browser may load for it (Content-Security-Policy); by default nothing. */
  readonly policy?: string;
}

/** As Go prints it: two spaces, and nothing that a browser could take for HTML. */
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

/** The headers that every answer has. */
const safeguards = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

/** Sends an answer, to HEAD without its body. */
export function send(answer: Answer, { method }: IncomingMessage, response: ServerResponse): void {
  const { status, type, body, policy } = answer;
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...safeguards,
    ...(policy !== undefined && { 'Content-Security-Policy': policy }),
    ...(status === 405 && { Allow: 'GET, HEAD', Connection: 'close' }),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

/** Answers what is not even a request, and ends the connection. @param isAnswering whether an answer is under way on it */
export function refuse(error: NodeJS.ErrnoException, socket: Duplex, isAnswering: boolean): void {
  if (isAnswering || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const headers = Object.entries({ ...safeguards, 'Content-Length': 0, Connection: 'close' });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`);
}
