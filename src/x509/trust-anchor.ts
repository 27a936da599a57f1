// Finds the root in the trust bundle that a leaf chains to. verification.ts checks expiry, usage and path length.
import type { Certificate } from './certificate.ts';

export interface Anchored {
  readonly root: Certificate;
  /** From the issuer of the leaf up to, but without, the root. */
  readonly intermediates: readonly Certificate[];
}

/**
 * Follows signatures from a leaf to the first root in the bundle; undefined when there is no such chain.
 * @param behind candidate intermediates, in any order
 */
export function anchorOf(
  leaf: Certificate,
  behind: readonly Certificate[],
  roots: readonly Certificate[],
): Anchored | undefined {
  const intermediates: Certificate[] = [];
  for (let at = leaf; ; ) {
    const root = roots.find((each) => at.isSignedBy(each));
    if (root !== undefined) return { root, intermediates };
    const next = behind.find((each) => !intermediates.includes(each) && at.isSignedBy(each));
    if (next === undefined) return undefined;
    intermediates.push(next);
    at = next;
  }
}
