// Plain HTTP for what anyone may read: a map of handlers by path. It reads the authority and changes nothing.
import type { IncomingMessage } from 'node:http';
import type { Logger } from '../../log.ts';
import { type Answer, text } from '../../net/answer.ts';
import type { HostPort } from '../../net/host-port.ts';
import { HttpServer } from '../../net/http-server.ts';
import { readBody } from '../../net/request-body.ts';

export interface PublicRequest {
  readonly method: string;
  /** What follows the path of the handler, without its slash and still percent-encoded; empty for the path itself. */
  readonly below: string;
  readonly query: URLSearchParams;
  /** The Content-Type header. */
  readonly type: string | undefined;
  /** The If-None-Match header. */
  readonly ifNoneMatch: string | undefined;
  /** Empty unless the method is POST. */
  readonly body: Buffer;
}

export interface PublicHandler {
  readonly answer: (request: PublicRequest) => Promise<Answer> | Answer;
  /**
   * Bytes that the body of a POST may have; without it, only GET and HEAD are allowed. Answers to POST do not wait for those to
   * other connections.
   */
  readonly maximumBody?: number;
  /** Whether it also answers for the paths below its own, as OCSP does for GET (RFC 6960 appendix A.1). */
  readonly answersBelow?: boolean;
  /** Whether answers take no time, and need not wait for those to other connections. */
  readonly isUrgent?: boolean;
}

/** Handlers by path, such as `/ca.pem`. */
export type PublicHandlers = ReadonlyMap<string, PublicHandler>;

export interface PublicServerOptions {
  readonly handlers: PublicHandlers;
  readonly where: HostPort;
  /** The names of this host besides localhost, which requests over the loopback interface may be for. */
  readonly names: () => readonly string[];
  readonly logger: Pick<Logger, 'error'>;
}

export class PublicServer {
  readonly #handlers: PublicHandlers;
  #server: HttpServer | undefined;

  private constructor(handlers: PublicHandlers) {
    this.#handlers = handlers;
  }

  /** Starts listening; throws a NatspkiError that names the address if that fails. */
  static async open({ handlers, where, names, logger }: PublicServerOptions): Promise<PublicServer> {
    const opened = new PublicServer(handlers);
    const options = {
      answer: (request: IncomingMessage) => opened.#answer(request),
      // A body that arrives slowly must not hold up other clients.
      isUrgent: ({ method, url = '' }: IncomingMessage) =>
        method === 'POST' || find(handlers, pathOf(url))?.handler.isUrgent === true,
      names: () => [where.host, ...names()],
      where: 'HTTP',
      methods: ['GET', 'HEAD', 'POST'],
      logger,
    };
    const onError = (error: Error) => logger.error(`HTTP: ${error.message}`);
    opened.#server = await HttpServer.open(options, where, onError, '--http');
    return opened;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** Stops; requests in progress are answered first, for up to `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await this.#server?.close(graceMs);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '', headers } = request;
    const found = find(this.#handlers, pathOf(url));
    if (found === undefined) return text(404, '404 page not found\n');
    const { handler, below } = found;
    const { maximumBody } = handler;
    const isPost = method === 'POST';
    if (isPost && maximumBody === undefined) return onlyReading;
    const body = isPost ? await readBody(request, maximumBody ?? 0) : Buffer.alloc(0);
    if (body === undefined) return text(413, `a request has at most ${maximumBody} bytes\n`);
    const query = new URLSearchParams(url.slice(pathOf(url).length));
    return handler.answer({
      method,
      below,
      query,
      type: headers['content-type'],
      ifNoneMatch: headers['if-none-match'],
      body,
    });
  }
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? '';
}

function find(handlers: PublicHandlers, path: string): { handler: PublicHandler; below: string } | undefined {
  const exact = handlers.get(path);
  if (exact !== undefined) return { handler: exact, below: '' };
  const slash = path.indexOf('/', 1);
  const above = slash === -1 ? undefined : handlers.get(path.slice(0, slash));
  return above?.answersBelow ? { handler: above, below: path.slice(slash + 1) } : undefined;
}

const onlyReading: Answer = {
  ...text(405, 'only GET and HEAD are allowed\n'),
  headers: { Allow: 'GET, HEAD', Connection: 'close' },
};
