// EST over HTTPS (RFC 7030): the server around est.ts. A client may present its current certificate; the handshake proves
// that it has the key, and the authority checks everything else, so that an expired certificate may be renewed within the
// grace time, and a server certificate as well.
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { FileWatcher } from '../../files/watcher.ts';
import type { Logger } from '../../log.ts';
import { type Answer, text } from '../../net/answer.ts';
import type { HostPort } from '../../net/host-port.ts';
import { HttpServer } from '../../net/http-server.ts';
import { readBody } from '../../net/request-body.ts';
import type { PairFiles } from '../../pki/store/directory.ts';
import { defaultTlsBlock } from '../../tls/block.ts';
import { CertificateSource } from '../../tls/certificate-source.ts';
import { Handshaker } from '../../tls/handshake.ts';
import { clientChainOf } from '../../tls/peer.ts';
import type { FleetAuthority } from '../authority/authority.ts';
import { Statements } from '../authority/statements.ts';
import { Est } from './est.ts';

/** In bytes; a request with an RSA key of 4096 bits has 2.5 kB. */
const maximumBody = 64 * 1024;
const maximumConnections = 1024;
/** For a handshake, and before for its turn, in milliseconds; members far away may connect all at once. */
const handshakeMs = 10_000;

export interface EstServerOptions {
  readonly authority: FleetAuthority;
  readonly where: HostPort;
  /** What it serves with; a renewed pair is used from then on. */
  readonly pair: PairFiles;
  readonly watcher: FileWatcher;
  readonly logger: Logger;
  readonly now?: () => Date;
}

export class EstServer {
  readonly source: CertificateSource;
  readonly #handshaker: Handshaker;
  readonly #est: Est;
  #server: HttpServer | undefined;

  private constructor({ authority, logger, now }: EstServerOptions, source: CertificateSource) {
    this.source = source;
    this.#handshaker = new Handshaker(source, 'unverified');
    this.#est = new Est(authority, logger, new Statements(authority, now));
  }

  /** Starts listening; throws a NatspkiError for an unusable pair or address. */
  static async open(options: EstServerOptions): Promise<EstServer> {
    const { where, pair, watcher, logger } = options;
    const pairs = [{ certFile: pair.certificateFile, keyFile: pair.keyFile }];
    const block = { ...defaultTlsBlock, pairs, timeoutMs: handshakeMs };
    const source = await CertificateSource.open(block, { where: 'EST', log: logger, watcher });
    const est = new EstServer(options, source);
    const server = {
      answer: (request: IncomingMessage) => est.#answer(request),
      names: () => [],
      where: 'EST',
      logger,
      methods: ['GET', 'HEAD', 'POST'],
      // The authority decides about many requests together.
      isUrgent: () => true,
      handshaker: () => est.#handshaker,
      handshakeMs: 2 * handshakeMs,
      maxConnections: maximumConnections,
    };
    const onError = (error: Error) => logger.error(`EST: ${error.message}`);
    try {
      est.#server = await HttpServer.open(server, where, onError, '--listen');
    } catch (error) {
      source.close();
      throw error;
    }
    return est;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** Stops; requests in progress are answered first, for up to `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await this.#server?.close(graceMs);
    this.#handshaker.close();
    this.source.close();
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '', headers, socket } = request;
    const [path = ''] = url.split('?', 1);
    if (!Est.has(path)) return text(404, 'only EST is here, below /.well-known/est/\n');
    const body = await readBody(request, maximumBody);
    if (body === undefined) return text(413, `a request has at most ${maximumBody} bytes\n`);
    const answer = await this.#est.answer({
      method: method === 'HEAD' ? 'GET' : method,
      path,
      authorization: headers.authorization,
      body,
      chain: clientChainOf(socket as TLSSocket),
      peer: socket.remoteAddress ?? 'unknown',
    });
    const { 'Content-Type': type = 'text/plain; charset=utf-8', ...rest } = answer.headers;
    return { status: answer.status, type, body: answer.body, headers: rest };
  }
}
