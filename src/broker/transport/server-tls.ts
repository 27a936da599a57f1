// Server-side TLS of one tls block, for clients or for routes: holds the certificate source, which follows changes of
// its files, and the handshakers that use it.
import type { TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../../log.ts';
import type { TlsBlock } from '../../tls/block.ts';
import {
  CertificateSource,
  type TlsSourceOptions,
  type TlsSourceStatus,
} from '../../tls/certificate-source.ts';
import { Handshaker } from '../../tls/handshake.ts';
import type { TlsMaterial } from '../../tls/material.ts';
import { isPinned, peerOf } from '../../tls/peer.ts';
import type { Connection } from './connection.ts';

/** The session of a client or a route; `tls` is undefined without TLS and before the handshake. */
export interface TlsSession {
  readonly tls: TLSSocket | undefined;
  readonly connection: Connection;
}

export class ServerTls {
  readonly handshaker: Handshaker;
  readonly source: CertificateSource;
  #monitoring: Handshaker | undefined;

  private constructor(source: CertificateSource) {
    this.source = source;
    this.handshaker = new Handshaker(source);
  }

  /** Loads the material; throws a NatspkiError if it is unusable. */
  static async open(block: TlsBlock, options: TlsSourceOptions): Promise<ServerTls> {
    return new ServerTls(await CertificateSource.open(block, options));
  }

  get block(): TlsBlock {
    return this.source.block;
  }

  get material(): TlsMaterial {
    return this.source.material;
  }

  get status(): TlsSourceStatus {
    return this.source.status;
  }

  /** The handshaker of monitoring, which requests no client certificate. */
  get monitoringHandshaker(): Handshaker {
    this.#monitoring ??= new Handshaker(this.source, 'never');
    return this.#monitoring;
  }

  /** Handshake outcomes by listener: `listener`, and monitoring if it has made any. */
  outcomes(listener: string): [listener: string, Handshaker['outcomes']][] {
    const own: [string, Handshaker['outcomes']] = [listener, this.handshaker.outcomes];
    return this.#monitoring === undefined ? [own] : [own, ['monitoring', this.#monitoring.outcomes]];
  }

  /**
   * Loads the material of another block and returns the function that puts it in force. For an unchanged block that
   * function reloads the files. Throws as `open` does, and keeps the material in force.
   */
  async prepare(block: TlsBlock): Promise<() => Promise<unknown>> {
    if (isDeepStrictEqual(this.block, block)) return () => this.source.reload();
    const material = await this.source.prepare(block);
    return () => this.source.adopt(material);
  }

  /** Closes the connections over TLS whose pin a reload has removed. @param kind what the log calls them */
  closeUnpinned(sessions: readonly TlsSession[], kind: 'clients' | 'routes', log: Logger): void {
    const pins = this.block.pinnedCerts;
    if (pins === undefined) return;
    const unpinned = sessions.filter(({ tls }) => tls !== undefined && !isPinned(peerOf(tls), pins));
    if (unpinned.length > 0) log.info(`Disconnect ${unpinned.length} ${kind} due to pinned certs reload`);
    for (const { connection } of unpinned) connection.abort('TLS Handshake Failure');
  }

  /** Aborts handshakes in progress; established connections stay open. */
  close(): void {
    this.handshaker.close();
    this.#monitoring?.close();
    this.source.close();
  }
}
