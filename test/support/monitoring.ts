// Queries a server's monitoring port over HTTP or HTTPS.
import { once } from 'node:events';
import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps, type RequestOptions } from 'node:https';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Extracts the URL of the monitoring port from a log of nats-server or the broker. */
export function monitorUrlOf(log: string): string {
  const [, scheme, address] = /Starting (https?) monitor on (\S+)/.exec(log) ?? [];
  if (address === undefined) throw new Error(`no monitoring in this log:\n${log}`);
  return `${scheme}://${address}`;
}

/** Sends one GET request on a connection of its own. */
export async function ask(url: string, options: RequestOptions = {}): Promise<Reply> {
  const get = url.startsWith('https') ? getHttps : getHttp;
  const request = get(url, { agent: false, ...options });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  response.setEncoding('utf8');
  for await (const text of response) body += text;
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

// biome-ignore lint/suspicious/noExplicitAny: what JSON.parse gives
export async function askJson(url: string, options: RequestOptions = {}): Promise<any> {
  const { status, body } = await ask(url, options);
  if (status !== 200) throw new Error(`${url} answered ${status}: ${body}`);
  return JSON.parse(body);
}

/** Maps each path of a JSON document to its type; all elements of an array share one path. */
export function typesOf(document: unknown, path = ''): Map<string, string> {
  const type = document === null ? 'null' : Array.isArray(document) ? 'array' : typeof document;
  const types = new Map([[path, type]]);
  if (type === 'array' || type === 'object') {
    for (const [key, value] of Object.entries(document as object)) {
      const step = type === 'array' ? '[]' : `${path === '' ? '' : '.'}${key}`;
      for (const [at, found] of typesOf(value, `${path}${step}`)) types.set(at, found);
    }
  }
  return types;
}
