// The files of a tls block as verified material: read once, key and certificate belong together, chain in order.

import type { SecureContext } from 'node:tls';
import type { Pin } from '../x509/pin.ts';
import type { TlsBlock } from './block.ts';

/** The facts of one certificate in use. */
export interface CertificateFacts {
  readonly certFile: string;
  /** Subject, one line, as RFC 4514 writes it. */
  readonly subject: string;
  /** Upper-case hex. */
  readonly serial: string;
  readonly notAfter: Date;
  readonly pin: Pin;
}

/** Material that was checked and made into OpenSSL contexts. */
export interface TlsMaterial {
  readonly block: TlsBlock;
  readonly certificates: readonly CertificateFacts[];
  /** The earliest end of a certificate in use; undefined without certificates. */
  readonly notAfter: Date | undefined;
  /** Things that work and that somebody should know, such as an expired certificate. */
  readonly warnings: readonly string[];
  /** The context for a host that a client asks for; without one, or without a match, the default context. */
  contextFor(serverName: string | undefined): SecureContext;
}

/** Reads and verifies all files of a block; throws a NatspkiError that names the file and what is wrong with it. */
export async function loadMaterial(_block: TlsBlock, _now: Date): Promise<TlsMaterial> {
  throw new Error('not yet');
}
