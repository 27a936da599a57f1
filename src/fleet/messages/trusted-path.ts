// Decides whether a chain of certificates ends in a root of a trust bundle, through certificates that may issue others.
import type { Certificate } from '../../x509/certificate.ts';
import { anchorOf } from '../../x509/trust-anchor.ts';

/** Returns whether a leaf chains to one of the roots; its own life and purpose are up to the caller. */
export function isTrustedLeaf(
  leaf: Certificate,
  behind: readonly Certificate[],
  roots: readonly Certificate[],
): boolean {
  return hasPath(leaf, behind, roots, 0);
}

/**
 * Returns whether the signer of a trust statement is an issuer of an authority that the roots stand for: it is one of them, or
 * chains to one. A new root is given with its cross-signed certificate, which has the same key (RFC 4210 section 4.4).
 */
export function isTrustedIssuer(
  signer: Certificate,
  behind: readonly Certificate[],
  roots: readonly Certificate[],
): boolean {
  const sameKey = [signer, ...behind].filter(({ spki }) => spki.equals(signer.spki));
  return sameKey.some(
    (each) => mayIssue(each, 0) && (isAmong(each, roots) || hasPath(each, behind, roots, 1)),
  );
}

/** @param below the number of authorities at the end of the chain that are not counted in it */
function hasPath(
  end: Certificate,
  behind: readonly Certificate[],
  roots: readonly Certificate[],
  below: number,
): boolean {
  const found = anchorOf(end, behind, roots);
  if (found === undefined) return false;
  return [...found.intermediates, found.root].every((issuer, index) => mayIssue(issuer, index + below));
}

/** Returns whether a certificate may issue others above a number of authorities (RFC 5280 section 4.2.1.9). */
function mayIssue(issuer: Certificate, below: number): boolean {
  const { signsCertificates, pathLength = Number.POSITIVE_INFINITY, unknownCritical } = issuer;
  return signsCertificates && pathLength >= below && unknownCritical.length === 0;
}

function isAmong(certificate: Certificate, some: readonly Certificate[]): boolean {
  return some.some(({ der }) => der.equals(certificate.der));
}
