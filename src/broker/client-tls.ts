// TLS of a listener for clients: present or absent as the options say, and replaced by a reload.
import type { Logger } from '../log.ts';
import type { TlsBlock } from '../tls/block.ts';
import type { ClientType } from './accounts/subscription.ts';
import type { ClientSession } from './clients/client.ts';
import type { Sessions } from './clients/sessions.ts';
import { ServerTls, type ServerTlsOptions } from './transport/server-tls.ts';

export class ClientTls {
  readonly #type: ClientType;
  readonly #sessions: Sessions;
  readonly #logger: Logger;
  readonly #settings: ServerTlsOptions;
  #current: ServerTls | undefined;

  /** @param type of the clients of the listener */
  constructor(type: ClientType, sessions: Sessions, logger: Logger, settings: ServerTlsOptions) {
    this.#type = type;
    this.#sessions = sessions;
    this.#logger = logger;
    this.#settings = settings;
  }

  /** Undefined without TLS. */
  get current(): ServerTls | undefined {
    return this.#current;
  }

  /** Loads the material; throws a NatspkiError if it is unusable. @param block undefined for no TLS */
  async open(block: TlsBlock | undefined): Promise<void> {
    this.#current = block && (await ServerTls.open(block, this.#settings));
  }

  /** Switches to another block; throws if its material is unusable, and keeps the block in force. */
  async apply(block: TlsBlock | undefined): Promise<void> {
    const previous = this.#current;
    if (previous !== undefined && block !== undefined) {
      const adopt = await previous.prepare(block);
      await adopt();
    } else {
      await this.open(block);
      previous?.close();
    }
  }

  /**
   * Applies a reload to open connections: closes those whose pin it has removed, and has the OCSP answers about the
   * others renewed if it has turned ocsp_peer on.
   */
  recheck(): void {
    this.#current?.closeUnpinned(this.#own, 'clients', this.#logger);
    this.#current?.follow(this.#own);
  }

  /** Closes open connections whose certificate is revoked now. */
  closeRevoked(): void {
    this.#current?.closeRevoked(this.#own, 'clients', this.#logger);
  }

  get #own(): ClientSession[] {
    return this.#sessions.list().filter(({ type }) => type === this.#type);
  }

  /** Calls `reject` when the rejection may be sent to the client: after a delay over TLS, immediately without. */
  delayRejection({ tls }: ClientSession, reject: () => void): void {
    if (tls === undefined || this.#current === undefined) reject();
    else this.#current.handshaker.delayRejection(tls, reject);
  }

  /** Aborts handshakes in progress; established connections stay open. */
  close(): void {
    this.#current?.close();
  }
}
