// Prints a tls block so that a current nats-server accepts it; the other direction of block.ts.

import type { TlsBlock, TlsContext } from './block.ts';

/** The options that somebody asked for; those left out are left out of the text. */
export type TlsBlockOptions = Partial<TlsBlock>;

/** Prints `tls { ... }`, one option a line, without a trailing newline; options that are at their default are left out. */
export function printTlsBlock(_block: TlsBlockOptions, _context: TlsContext): string {
  throw new Error('not yet');
}
