// Which root in the trust bundle a leaf leads to, and over what. Life, usage and path length are verification.ts's.
import type { Certificate } from './certificate.ts';

export interface Anchored {
  readonly root: Certificate;
  /** From the one that signed the leaf upwards to, and without, the root. */
  readonly intermediates: readonly Certificate[];
}

/**
 * Follows signatures from a leaf to the first root that is in the bundle, over what stands behind the leaf in any order;
 * undefined when it leads to none.
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
