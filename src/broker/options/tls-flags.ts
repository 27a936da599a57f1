// Reads the TLS flags of nats-server's command line, which together replace the tls block of the file.
import { UsageError } from '../../errors.ts';
import { defaultTlsBlock, type TlsBlock } from '../../tls/block.ts';

export interface TlsFlags {
  /** False turns TLS off, whatever the file says. */
  readonly tls?: boolean | undefined;
  readonly tlscert?: string | undefined;
  readonly tlskey?: string | undefined;
  readonly tlsverify?: boolean | 'optional' | undefined;
  readonly tlscacert?: string | undefined;
}

/** Returns the block that the flags describe, or `block` without flags; throws a UsageError for an incomplete pair. */
export function readTlsFlags(flags: TlsFlags, block: TlsBlock | undefined): TlsBlock | undefined {
  const { tls, tlscert, tlskey, tlsverify, tlscacert } = flags;
  if (tls === false) return undefined;
  if ((tls ?? tlscert ?? tlskey ?? tlsverify ?? tlscacert) === undefined) return block;
  if (tlscert === undefined || tlskey === undefined) {
    throw new UsageError(
      'TLS flags need a server certificate and its private key',
      '--tls --tlscert certs/server-cert.pem --tlskey certs/server-key.pem',
    );
  }
  return {
    ...defaultTlsBlock,
    pairs: [{ certFile: tlscert, keyFile: tlskey }],
    caFile: tlscacert,
    verify: tlsverify === true,
    verifyOptional: tlsverify === 'optional',
  };
}
