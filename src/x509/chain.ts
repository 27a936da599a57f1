// Verifies a chain as strictly as Go does (crypto/x509, verify.go), for `verify` and for the peers of the broker. It
// checks all that Go checks, except that it maps no certificate policies, and returns the first reason of the best attempt.
import type { Certificate } from './certificate.ts';
import { type GoVerdict, judgeAsGo } from './go-rules.ts';
import { describeConstraints, faultOfNames } from './name-constraints.ts';

/** What a leaf must be for. */
export type ChainPurpose = 'serverAuth' | 'clientAuth';

/** Why a chain is rejected. */
export interface ChainFault {
  readonly code:
    | 'unusable-certificate'
    | 'unknown-extension'
    | 'expired'
    | 'not-yet-valid'
    | 'untrusted'
    | 'not-an-authority'
    | 'path-too-long'
    | 'wrong-usage'
    | 'no-valid-policy'
    | 'name-not-permitted';
  /** The certificate at fault. */
  readonly certificate: Certificate;
  /** Without a subject: `is not permitted ...`. */
  readonly reason: string;
}

export type VerifiedChain =
  /** From the leaf to the root; just the leaf when it is trusted itself. */
  { readonly chain: readonly Certificate[] } | { readonly chain: undefined; readonly fault: ChainFault };

export interface ChainOptions {
  readonly roots: readonly Certificate[];
  readonly now: Date;
  /** Undefined accepts every usage. */
  readonly purpose?: ChainPurpose | undefined;
}

/** As many signatures as Go checks for one chain (maxChainSignatureChecks). */
const maximumChecks = 100;
/** In bits; Go's crypto/tls takes no larger RSA key from a peer, and crypto/rsa verifies with no smaller one. */
const largestRsa = 8192;
const smallestRsa = 1024;

/**
 * Finds all chains from the leaf to a root, as Go's Verify returns them: the shortest way over trusted certificates first.
 * Empty when `verifyChain` finds none.
 * @param sent what the peer sent, its own certificate first
 */
export function verifiedChains(
  sent: readonly [Certificate, ...Certificate[]],
  options: ChainOptions,
): readonly (readonly Certificate[])[] {
  return verify(sent, options, true).chains;
}

/**
 * Finds a chain from the leaf to a root, over any of the certificates that were sent with it, in any order; Go builds
 * all of them and accepts the leaf if one is valid.
 * @param sent what the peer sent, its own certificate first
 */
export function verifyChain(
  sent: readonly [Certificate, ...Certificate[]],
  options: ChainOptions,
): VerifiedChain {
  const { chains, fault } = verify(sent, options, false);
  return chains[0] === undefined ? { chain: undefined, fault: fault as ChainFault } : { chain: chains[0] };
}

interface SearchResult {
  readonly chains: readonly (readonly Certificate[])[];
  /** Undefined only when there are chains. */
  readonly fault?: ChainFault;
}

function verify(
  sent: readonly [Certificate, ...Certificate[]],
  options: ChainOptions,
  findsAll: boolean,
): SearchResult {
  for (const certificate of sent) {
    const reason = judgementOf(certificate).rejected ?? faultOfSize(certificate);
    if (reason !== undefined) return failed('unusable-certificate', certificate, reason);
  }
  const [leaf, ...others] = sent;
  // The key of a TLS peer signs (crypto/tls, processCertsFromClient).
  const unusable = judgementOf(leaf).unusable ?? (isTooSmall(leaf) ? 'its RSA key is too small' : undefined);
  if (unusable !== undefined) return failed('unusable-certificate', leaf, `cannot be used: ${unusable}`);
  const fault = faultOfCertificate(leaf, options.now);
  if (fault !== undefined) return { chains: [], fault };
  const search = new Search(others, options, findsAll);
  if (options.roots.some(({ der }) => der.equals(leaf.der))) search.finish([leaf]);
  else search.extend([leaf]);
  return search.result(leaf);
}

/** A search over all chains above a leaf. */
class Search {
  readonly #others: readonly Certificate[];
  readonly #options: ChainOptions;
  readonly #findsAll: boolean;
  readonly #found: (readonly Certificate[])[] = [];
  /** The fault of the attempt that came furthest: one with a complete chain before one without an issuer. */
  #complete: ChainFault | undefined;
  #partial: ChainFault | undefined;
  #checks = 0;

  constructor(others: readonly Certificate[], options: ChainOptions, findsAll: boolean) {
    this.#others = others;
    this.#options = options;
    this.#findsAll = findsAll;
  }

  result(leaf: Certificate): SearchResult {
    if (this.#found.length > 0) return { chains: this.#found };
    const fault = this.#complete ?? this.#partial;
    const reason = `is signed by ${JSON.stringify(leaf.issuerCommonName)}, which is not trusted`;
    return fault === undefined ? failed('untrusted', leaf, reason) : { chains: [], fault };
  }

  extend(chain: readonly [Certificate, ...Certificate[]]): void {
    const child = chain[chain.length - 1] as Certificate;
    for (const [candidates, isRoot] of [
      [this.#options.roots, true],
      [this.#others, false],
    ] as const) {
      for (const candidate of candidates) {
        if (this.#found.length > 0 && !this.#findsAll) return;
        if (!child.issuerDer.equals(candidate.subjectDer) || isInChain(candidate, chain)) continue;
        if (++this.#checks > maximumChecks) return;
        const fault = this.#faultOfIssuer(candidate, child, chain, isRoot);
        if (fault !== undefined) this.#partial ??= fault;
        else if (isRoot) this.finish([...chain, candidate]);
        else this.extend([...chain, candidate]);
      }
    }
  }

  /** Checks what depends on the whole chain, from leaf to root. */
  finish(chain: readonly [Certificate, ...Certificate[]]): void {
    const fault =
      faultOfUsage(chain, this.#options.purpose) ?? faultOfConstraints(chain) ?? faultOfPolicies(chain);
    if (fault === undefined) this.#found.push(chain);
    else this.#complete ??= fault;
  }

  #faultOfIssuer(
    issuer: Certificate,
    child: Certificate,
    chain: readonly Certificate[],
    isRoot: boolean,
  ): ChainFault | undefined {
    const fault = (code: ChainFault['code'], reason: string) => ({ code, certificate: issuer, reason });
    if (!mayIssue(issuer)) return fault('not-an-authority', 'may not sign certificates');
    const { rejected, unusable } = judgementOf(issuer);
    // Go verifies signatures on P-224, although TLS cannot use such a key.
    const unfit =
      rejected ??
      (issuer.keyType === 'secp224r1' ? undefined : unusable) ??
      (isTooSmall(issuer) ? 'its RSA key is too small' : undefined);
    if (unfit !== undefined) return fault('unusable-certificate', `cannot be used: ${unfit}`);
    if (!child.hasSignatureOf(issuer)) {
      const reason = child.brokenSignatureAlgorithm
        ? `is signed with ${child.signatureAlgorithm}`
        : `is not signed with the key of ${JSON.stringify(issuer.commonName)} that is trusted`;
      return { code: 'untrusted', certificate: child, reason };
    }
    const own = faultOfCertificate(issuer, this.#options.now);
    if (own !== undefined) return own;
    if (!isRoot && !issuer.authority) return fault('not-an-authority', 'is not an authority');
    const between = chain.length - 1;
    return issuer.hasBasicConstraints && (issuer.pathLength ?? between) < between
      ? fault('path-too-long', 'allows fewer authorities below it than there are')
      : undefined;
  }
}

function failed(code: ChainFault['code'], certificate: Certificate, reason: string): SearchResult {
  return { chains: [], fault: { code, certificate, reason } };
}

/** Judgements of certificates that are looked at again and again: those of a ca_file. */
const judgements = new WeakMap<Certificate, GoVerdict>();

function judgementOf(certificate: Certificate): GoVerdict {
  const known = judgements.get(certificate) ?? judgeAsGo(certificate);
  judgements.set(certificate, known);
  return known;
}

function rsaBits({ keyType }: Certificate): number | undefined {
  const bits = /^rsa(\d+)$/.exec(keyType)?.[1];
  return bits === undefined ? undefined : Number(bits);
}

function faultOfSize(certificate: Certificate): string | undefined {
  const bits = rsaBits(certificate) ?? 0;
  return bits > largestRsa ? `its RSA key has ${bits} bits, expected ${largestRsa} or fewer` : undefined;
}

function isTooSmall(certificate: Certificate): boolean {
  return (rsaBits(certificate) ?? smallestRsa) < smallestRsa;
}

/** Returns whether Go accepts signatures of a certificate (CheckSignatureFrom). Version 1 cannot say. */
export function mayIssue({ authority, hasBasicConstraints, keyUsage, version }: Certificate): boolean {
  if (hasBasicConstraints ? !authority : version === 3) return false;
  return keyUsage === undefined || keyUsage.length === 0 || keyUsage.includes('keyCertSign');
}

/** Checks what depends on the certificate alone (isValid). */
function faultOfCertificate(certificate: Certificate, now: Date): ChainFault | undefined {
  const { unknownCritical, notBefore, notAfter } = certificate;
  if (unknownCritical.length > 0) {
    const reason = `has a critical extension that peers do not know: ${unknownCritical.join(', ')}`;
    return { code: 'unknown-extension', certificate, reason };
  }
  if (now < notBefore) {
    return { code: 'not-yet-valid', certificate, reason: `is not valid before ${notBefore.toISOString()}` };
  }
  return now > notAfter
    ? { code: 'expired', certificate, reason: `expired at ${notAfter.toISOString()}` }
    : undefined;
}

/** Tells an authority that is there already, under another signature, from a new one (alreadyInChain). */
function isInChain(candidate: Certificate, chain: readonly Certificate[]): boolean {
  return chain.some(
    ({ subjectDer, spki, sanDer }) =>
      subjectDer.equals(candidate.subjectDer) &&
      spki.equals(candidate.spki) &&
      (sanDer === undefined ? candidate.sanDer === undefined : candidate.sanDer?.equals(sanDer) === true),
  );
}

/** Each certificate of the chain must be for the purpose, or for no purpose in particular (checkChainForKeyUsage). */
function faultOfUsage(
  chain: readonly Certificate[],
  purpose: ChainPurpose | undefined,
): ChainFault | undefined {
  if (purpose === undefined) return undefined;
  const certificate = chain.find(
    ({ extendedKeyUsage: usages = [] }) =>
      usages.length > 0 && !usages.includes('anyExtendedKeyUsage') && !usages.includes(purpose),
  );
  const usages = certificate?.extendedKeyUsage?.join(', ');
  return certificate && { code: 'wrong-usage', certificate, reason: `is only for ${usages}` };
}

/** Every certificate must fit the constraints of all authorities above it (checkChainConstraints). */
function faultOfConstraints(chain: readonly Certificate[]): ChainFault | undefined {
  for (const [index, certificate] of chain.entries()) {
    if (certificate.sanDer === undefined) continue;
    for (const authority of chain.slice(index + 1)) {
      const { nameConstraints } = authority;
      const fault = nameConstraints && faultOfNames(nameConstraints, certificate);
      if (fault === undefined) continue;
      const reason = `has names outside the name constraints of ${JSON.stringify(authority.commonName)}: ${fault}`;
      return { code: 'name-not-permitted', certificate, reason };
    }
  }
  return undefined;
}

const anyPolicy = '2.5.29.32.0';

/**
 * Where an authority requires a valid policy, all certificates below it must have one in common (policiesValid). The root
 * counts as having them all.
 */
function faultOfPolicies(chain: readonly Certificate[]): ChainFault | undefined {
  let allowed = Number.POSITIVE_INFINITY;
  let common: readonly string[] = [anyPolicy];
  for (const [index, certificate] of [...chain.slice(0, -1).entries()].reverse()) {
    const { policies, requireExplicitPolicy = Number.POSITIVE_INFINITY } = certificate;
    common = inCommon(common, policies);
    if (common.length === 0 && allowed === 0) return withoutPolicy(certificate);
    const isSelfIssued = certificate.issuerDer.equals(certificate.subjectDer);
    if (index > 0 && !isSelfIssued) allowed = Math.max(0, allowed - 1);
    allowed = Math.min(allowed, requireExplicitPolicy);
  }
  // RFC 5280 section 6.1.5 (a) and (b).
  const leaf = chain[0] as Certificate;
  const isRequired = allowed <= 1 || leaf.requireExplicitPolicy === 0;
  return isRequired && chain.length > 1 && common.length === 0 ? withoutPolicy(leaf) : undefined;
}

function inCommon(some: readonly string[], others: readonly string[]): readonly string[] {
  if (some.includes(anyPolicy)) return others;
  return others.includes(anyPolicy) ? some : some.filter((policy) => others.includes(policy));
}

function withoutPolicy(certificate: Certificate): ChainFault {
  const reason = 'has no certificate policy that the authorities above it require';
  return { code: 'no-valid-policy', certificate, reason };
}

/** Lists what the authorities above a leaf permit and exclude. */
export function constraintsOf(authorities: readonly Certificate[]): string[] {
  return [...new Set(authorities.flatMap(({ nameConstraints }) => describeConstraints(nameConstraints)))];
}
