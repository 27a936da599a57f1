// What the option `ocsp` asks for: OCSP answers about this server's own certificates (nats-server, server/ocsp.go).

/**
 * `auto` staples for a certificate that demands it. `must` also ends the server when such a certificate is revoked.
 * `always` does so for every certificate. `never` staples nothing.
 */
export type StaplingMode = 'auto' | 'always' | 'must' | 'never';

export interface StaplingOptions {
  /** Without the option, `auto`. */
  readonly mode: StaplingMode;
  /** Asked instead of the responders that a certificate names; empty for those. */
  readonly urls: readonly string[];
  /** The folder (`store_dir`) below which answers are saved; undefined for none. */
  readonly folder: string | undefined;
}

export const defaultStapling: StaplingOptions = { mode: 'auto', urls: [], folder: undefined };
