// Server-side TLS of one tls block, for clients or for routes: holds the certificate source, which follows changes of
// its files, and the handshakers that use it.
import type { TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../../log.ts';
import type { Revocations } from '../../revocation/revocations.ts';
import { Stapler } from '../../revocation/stapler.ts';
import type { StaplingOptions } from '../../revocation/stapling-options.ts';
import { requestsCertificates, type TlsBlock } from '../../tls/block.ts';
import {
  CertificateSource,
  type TlsSourceOptions,
  type TlsSourceStatus,
} from '../../tls/certificate-source.ts';
import { Handshaker } from '../../tls/handshake.ts';
import type { TlsMaterial } from '../../tls/material.ts';
import { isPinned, peerOf, shorten } from '../../tls/peer.ts';
import { PeerRevocation } from '../../tls/peer-revocation.ts';
import type { Connection } from './connection.ts';

/** The session of a client or a route; `tls` is undefined without TLS and before the handshake. */
export interface TlsSession {
  readonly tls: TLSSocket | undefined;
  readonly connection: Pick<Connection, 'abort'>;
}

export interface ServerTlsOptions extends TlsSourceOptions {
  readonly revocations: Revocations;
  /** Returns the options in force. */
  readonly stapling: () => StaplingOptions;
  /** Called when the server must not run with its certificate any more. */
  readonly onRevoked: () => void;
  /** Whether peers must prove with an OCSP answer that their certificates are good, as routes with `ocsp`. */
  readonly verifiesStaples?: boolean;
}

/** How many of the disconnected peers a log line names. */
const maxNames = 10;

export class ServerTls {
  readonly handshaker: Handshaker;
  readonly source: CertificateSource;
  readonly revocation: PeerRevocation;
  readonly stapler: Stapler;
  readonly #options: ServerTlsOptions;
  readonly #staple = ({ chains }: TlsMaterial) => this.stapler.of(chains[0]?.[0]);
  #monitoring: Handshaker | undefined;

  private constructor(source: CertificateSource, options: ServerTlsOptions) {
    const { revocations, where, log, onRevoked } = options;
    this.source = source;
    this.#options = options;
    const fetch = async () => (await revocations.client()).post;
    this.stapler = new Stapler({ where, log, now: revocations.now, fetch, onRevoked });
    const stapled = options.verifiesStaples ? this.stapler : undefined;
    this.revocation = new PeerRevocation(revocations, source, stapled);
    this.handshaker = new Handshaker(source, 'block', { revocation: this.revocation, staple: this.#staple });
    source.on('swap', () => void this.restaple());
  }

  /** Loads the material, and the OCSP answer to staple; throws a NatspkiError if one of them is unusable. */
  static async open(block: TlsBlock, options: ServerTlsOptions): Promise<ServerTls> {
    const serverTls = new ServerTls(await CertificateSource.open(block, options), options);
    const { chains, roots } = serverTls.material;
    await serverTls.stapler.start(chains, roots(), options.stapling());
    if (options.verifiesStaples && serverTls.stapler.isActive) await options.revocations.useOcsp();
    return serverTls;
  }

  /** Begins anew with the certificate and the options in force, if one of them has changed. */
  async restaple(): Promise<void> {
    const { chains, roots } = this.material;
    const { revocations, verifiesStaples, stapling } = this.#options;
    if (!this.stapler.hasChanged(chains, stapling())) return;
    await this.stapler.change(chains, roots(), stapling());
    if (verifiesStaples && this.stapler.isActive) await revocations.useOcsp();
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

  /** The handshaker of monitoring, which requests client certificates only with ocsp_peer. */
  get monitoringHandshaker(): Handshaker {
    const { revocation } = this;
    this.#monitoring ??= new Handshaker(this.source, 'only-with-ocsp', { revocation, staple: this.#staple });
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

  /** Has the OCSP answers about peers renewed that were connected before a reload turned ocsp_peer on. */
  follow(sessions: readonly TlsSession[]): void {
    for (const { tls } of sessions) if (tls !== undefined) this.revocation.follow(tls, this.material);
  }

  /** Closes the connections over TLS whose certificate is revoked now. @param kind what the log calls them */
  closeRevoked(
    sessions: readonly TlsSession[],
    kind: 'clients' | 'routes' | 'monitoring connections',
    log: Logger,
  ): void {
    if (!requestsCertificates(this.block)) return;
    const revoked = sessions.filter(
      ({ tls }) => tls !== undefined && this.revocation.isRevoked(tls, this.material),
    );
    if (revoked.length === 0) return;
    const names = revoked
      .slice(0, maxNames)
      .map(({ tls }) => shorten(peerOf(tls as TLSSocket)?.subject ?? ''));
    const more = revoked.length > maxNames ? ' and others' : '';
    log.info(`Disconnect ${revoked.length} ${kind} with revoked certificates: ${names.join('; ')}${more}`);
    for (const { connection } of revoked) connection.abort('Credentials Revoked');
  }

  /** Aborts handshakes in progress; established connections stay open. */
  close(): void {
    this.handshaker.close();
    this.#monitoring?.close();
    this.stapler.close();
    this.source.close();
  }
}
