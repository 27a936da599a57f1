// TLS as the broker has it for its clients: the material of one block, watched and swapped, and the handshakes made
// with it.
import { isDeepStrictEqual } from 'node:util';
import type { TlsBlock } from '../../tls/block.ts';
import { TlsContextSource, type TlsSourceOptions, type TlsSourceStatus } from '../../tls/context-source.ts';
import { Handshaker } from '../../tls/handshake.ts';
import type { TlsMaterial } from '../../tls/material.ts';

export class TlsEntrance {
  readonly handshaker: Handshaker;
  readonly source: TlsContextSource;
  #monitoring: Handshaker | undefined;

  private constructor(source: TlsContextSource) {
    this.source = source;
    this.handshaker = new Handshaker(source);
  }

  /** Loads the material; throws a NatspkiError where it cannot be used. */
  static async open(block: TlsBlock, options: TlsSourceOptions): Promise<TlsEntrance> {
    return new TlsEntrance(await TlsContextSource.open(block, options));
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

  /** Makes handshakes for monitoring, where nobody is asked for a certificate. */
  get monitoring(): Handshaker {
    this.#monitoring ??= new Handshaker(this.source, { requestCertificate: false });
    return this.#monitoring;
  }

  /** What became of handshakes, by who listened: `listener` or monitoring. */
  outcomes(listener: string): [listener: string, Handshaker['outcomes']][] {
    const own: [string, Handshaker['outcomes']] = [listener, this.handshaker.outcomes];
    return this.#monitoring === undefined ? [own] : [own, ['monitoring', this.#monitoring.outcomes]];
  }

  /**
   * Loads what another block names, and returns what goes over to it; for the same block that looks at its files. Throws,
   * with everything as it was, as open does.
   */
  async prepare(block: TlsBlock): Promise<() => Promise<unknown>> {
    if (isDeepStrictEqual(this.block, block)) return () => this.source.reload();
    const material = await this.source.prepare(block);
    return () => this.source.adopt(material);
  }

  /** Ends the handshakes under way; connections that were made stay. */
  close(): void {
    this.handshaker.close();
    this.#monitoring?.close();
    this.source.close();
  }
}
