// TLS of the clients of a broker: there or not, as the options say, and something else after a reload.
import type { Logger } from '../log.ts';
import type { TlsBlock } from '../tls/block.ts';
import type { TlsSourceOptions } from '../tls/context-source.ts';
import { isPinned, peerOf } from '../tls/peer.ts';
import type { ClientSession } from './clients/client.ts';
import type { Sessions } from './clients/sessions.ts';
import { TlsEntrance } from './transport/tls-entrance.ts';

export class ClientTls {
  readonly #sessions: Sessions;
  readonly #logger: Logger;
  readonly #settings: TlsSourceOptions;
  #entrance: TlsEntrance | undefined;

  constructor(sessions: Sessions, logger: Logger, settings: TlsSourceOptions) {
    this.#sessions = sessions;
    this.#logger = logger;
    this.#settings = settings;
  }

  /** Undefined without TLS. */
  get entrance(): TlsEntrance | undefined {
    return this.#entrance;
  }

  /** Throws a NatspkiError where the material cannot be used. @param block undefined for no TLS */
  async open(block: TlsBlock | undefined): Promise<void> {
    this.#entrance = block && (await TlsEntrance.open(block, this.#settings));
  }

  /** Goes over to another block; throws, with everything as it was, where its material cannot be used. */
  async reload(block: TlsBlock | undefined): Promise<void> {
    const previous = this.#entrance;
    if (previous !== undefined && block !== undefined) {
      const goOver = await previous.prepare(block);
      await goOver();
    } else {
      await this.open(block);
      previous?.close();
    }
  }

  /** A pin that was taken out of the configuration is revoked, for connections that are open too. */
  closeUnpinned(): void {
    const pins = this.#entrance?.block.pinnedCerts;
    if (pins === undefined) return;
    const unpinned = this.#sessions.list().filter(({ tls }) => tls && !isPinned(peerOf(tls), pins));
    if (unpinned.length > 0) {
      this.#logger.info(`Disconnect ${unpinned.length} clients due to pinned certs reload`);
    }
    for (const session of unpinned) session.connection.abort('TLS Handshake Failure');
  }

  /** Tells one that it is not let in, when it is time for that; without TLS at once. */
  refusing({ tls }: ClientSession, tell: () => void): void {
    if (tls === undefined || this.#entrance === undefined) tell();
    else this.#entrance.handshaker.delayRefusal(tls, tell);
  }

  /** One that was not let in has gone. */
  refused({ tls }: ClientSession): void {
    if (tls !== undefined) this.#entrance?.handshaker.refused(tls);
  }

  /** Ends the handshakes under way; connections that were made stay. */
  close(): void {
    this.#entrance?.close();
  }
}
