// Decides whether the certificate of a TLS peer is revoked: in its handshake, and again for open connections when the
// revocation lists or an OCSP answer change.
import type { TLSSocket } from 'node:tls';
import { ChainReader, type Link, type PeerChains } from '../revocation/links.ts';
import type { OcspChecker, OcspVerdict } from '../revocation/ocsp-checker.ts';
import { defaultOcspPolicy, isCurrent, type OcspPolicy } from '../revocation/ocsp-policy.ts';
import type { Revocations } from '../revocation/revocations.ts';
import type { Stapler } from '../revocation/stapler.ts';
import { Certificate } from '../x509/certificate.ts';
import { DerError } from '../x509/der.ts';
import { OcspError, readOcspAnswer } from '../x509/ocsp-answer.ts';
import type { CertificateSource } from './certificate-source.ts';
import { explainRevocation, explainStatus, HandshakeError, type PeerRole } from './handshake-error.ts';
import type { TlsMaterial } from './material.ts';
import { isServerSide } from './node-internals.ts';
import { rawChainOf } from './peer.ts';

/** Undefined for a peer that passes. */
export type RevocationResult = HandshakeError | undefined;

/** The revocation checks of one tls block. */
export class PeerRevocation {
  readonly #sources: Revocations;
  readonly #source: CertificateSource;
  readonly #stapler: Stapler | undefined;
  readonly #reader = new ChainReader();
  readonly #chains = new WeakMap<TLSSocket, PeerChains>();
  /** Connections whose answers are renewed. */
  readonly #followed = new WeakSet<TLSSocket>();

  /** @param stapler that of a listener whose peers must be known to be good while it is active: routes with `ocsp` */
  constructor(sources: Revocations, source: CertificateSource, stapler?: Stapler) {
    this.#sources = sources;
    this.#source = source;
    this.#stapler = stapler;
  }

  /** Whether a server that this one dials must staple an answer. */
  get requiresStaple(): boolean {
    return this.#stapler?.isActive ?? false;
  }

  /** Checks the answer that a server has stapled (nats-server, ocsp.go, VerifyConnection of routes). */
  checkStaple(socket: TLSSocket, material: TlsMaterial, staple: Buffer | undefined): RevocationResult {
    if (!this.requiresStaple) return undefined;
    const found = this.#readable(socket, material);
    if (!('chains' in found)) return found.error;
    const [leaf] = found.chains[0] ?? [];
    if (leaf === undefined) return undefined;
    const fail = (reason: string, isRevoked = false) =>
      explainStatus(socket, reason, isRevoked, roleOf(socket));
    if (staple === undefined) return fail('it has stapled no OCSP answer, which "ocsp" requires');
    const now = this.#sources.now();
    try {
      const answer = readOcspAnswer(staple, leaf, now);
      if (!isCurrent(answer, defaultOcspPolicy, now))
        return fail('the stapled OCSP answer is not valid at this time');
      const { status } = answer;
      return status === 'good'
        ? undefined
        : fail(`the stapled OCSP answer is ${status}`, status === 'revoked');
    } catch (error) {
      if (error instanceof DerError || error instanceof OcspError) return fail(error.message);
      throw error;
    }
  }

  /**
   * Checks a peer whose certificate is verified; a peer without one passes. As in nats-server, one chain without a
   * revoked certificate is enough (server/ocsp_peer.go, peerOCSPValid). Returns a promise while a responder is asked.
   */
  check(socket: TLSSocket, material: TlsMaterial): RevocationResult | Promise<RevocationResult> {
    const { ocsp } = this.#sources;
    const policy = this.#policy;
    if (policy === undefined || ocsp === undefined) return this.checkLists(socket, material);
    const found = this.#readable(socket, material);
    if (!('chains' in found)) return found.error;
    const rejection = this.#onLists(socket, found.chains);
    if (rejection !== undefined) return rejection;
    // A peer that dials would staple too, but OpenSSL does not pass its answer on: ask the responder instead.
    if (this.requiresStaple && found.chains.some(([leaf]) => leaf?.ocspUrls.length === 0)) {
      return explainStatus(
        socket,
        'it names no OCSP responder, which "ocsp" requires',
        false,
        roleOf(socket),
      );
    }
    return this.#ask(socket, found.chains, ocsp, policy);
  }

  /** Checks a peer by revocation lists alone, as between routes. */
  checkLists(socket: TLSSocket, material: TlsMaterial): RevocationResult {
    if (this.#sources.lists === undefined) return undefined;
    const found = this.#readable(socket, material);
    return 'chains' in found ? this.#onLists(socket, found.chains) : found.error;
  }

  /** Returns whether the peer of an open connection is revoked by the lists in use, or by a renewed answer. */
  isRevoked(socket: TLSSocket, material: TlsMaterial): boolean {
    const { lists, ocsp } = this.#sources;
    if (lists === undefined && ocsp === undefined) return false;
    const found = this.#readable(socket, material);
    const isBad = (link: Link) => this.#isListed(link) || ocsp?.isRevoked(link);
    return 'chains' in found && found.chains.every((chain) => chain.some(isBad));
  }

  /** Has the answers about the peer of a connection renewed that was open before ocsp_peer was turned on. */
  follow(socket: TLSSocket, material: TlsMaterial): void {
    const { ocsp } = this.#sources;
    if (ocsp === undefined || this.#policy === undefined || this.#followed.has(socket)) return;
    const found = this.#readable(socket, material);
    if ('chains' in found) this.#hold(socket, found.chains[0] ?? [], ocsp, new Map());
  }

  get #policy(): OcspPolicy | undefined {
    return this.#source.block.ocspPeer ?? (this.requiresStaple ? defaultOcspPolicy : undefined);
  }

  /** Returns the chains, or why they cannot be read; without an error for a peer that needs no certificate. */
  #readable(
    socket: TLSSocket,
    material: TlsMaterial,
  ): { readonly chains: PeerChains } | { readonly error: HandshakeError | undefined } {
    const role = roleOf(socket);
    try {
      const chains = this.#chainsOf(socket, material);
      if (chains === undefined) return { error: undefined };
      if (chains.length > 0) return { chains };
      return { error: unreadable(role, 'no chain to a trusted authority can be verified') };
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      return { error: unreadable(role, error.message) };
    }
  }

  #onLists(socket: TLSSocket, chains: PeerChains): HandshakeError | undefined {
    const listed = this.#listed(chains);
    return listed && explainRevocation(socket, describe(listed), roleOf(socket));
  }

  #isListed({ issuer, serial }: Link): boolean {
    return this.#sources.lists?.revokes(issuer, serial) ?? false;
  }

  /** Returns a certificate on a list when each chain has one. */
  #listed(chains: PeerChains): Link | undefined {
    const listed = chains.map((chain) => chain.find((link) => this.#isListed(link)));
    return listed.includes(undefined) ? undefined : listed[0];
  }

  async #ask(
    socket: TLSSocket,
    chains: PeerChains,
    ocsp: OcspChecker,
    policy: OcspPolicy,
  ): Promise<RevocationResult> {
    let rejection: HandshakeError | undefined;
    for (const chain of chains) {
      if (chain.some((link) => this.#isListed(link))) continue;
      const verdicts = new Map<Link, OcspVerdict & { isGood: true }>();
      let bad: HandshakeError | undefined;
      for (const link of chain) {
        if (link.ocspUrls.length === 0) continue;
        const verdict = await ocsp.check(link, policy);
        if (verdict.isGood) verdicts.set(link, verdict);
        else
          bad = explainStatus(
            socket,
            `${verdict.reason} (${link.subject})`,
            verdict.isRevoked,
            roleOf(socket),
          );
        if (bad !== undefined) break;
      }
      if (bad === undefined) {
        this.#hold(socket, chain, ocsp, verdicts);
        return undefined;
      }
      rejection ??= bad;
    }
    return rejection;
  }

  #hold(
    socket: TLSSocket,
    chain: readonly Link[],
    ocsp: OcspChecker,
    verdicts: ReadonlyMap<Link, OcspVerdict & { isGood: true }>,
  ): void {
    if (socket.destroyed) return;
    this.#followed.add(socket);
    for (const link of chain) {
      if (link.ocspUrls.length === 0) continue;
      // Nothing is known yet: ask as soon as possible.
      const verdict = verdicts.get(link) ?? { isGood: true, answer: undefined, maxAgeMs: 0 };
      socket.once(
        'close',
        ocsp.hold(link, verdict, () => this.#policy),
      );
    }
  }

  /** Reads the chains once for each connection; undefined for a peer without a certificate. Throws DerError. */
  #chainsOf(socket: TLSSocket, material: TlsMaterial): PeerChains | undefined {
    const known = this.#chains.get(socket);
    if (known !== undefined) return known;
    const [own, ...others] = rawChainOf(socket).map((der) => new Certificate(der));
    if (own === undefined) return undefined;
    const purpose = roleOf(socket) === 'client' ? 'clientAuth' : 'serverAuth';
    const chains = this.#reader.read([own, ...others], material.roots(), this.#sources.now(), purpose);
    this.#chains.set(socket, chains);
    return chains;
  }
}

function describe({ subject, serial, issuer }: Link): string {
  return `serial ${serial} (${subject}) is on the list of ${issuer.commonName}`;
}

function roleOf(socket: TLSSocket): PeerRole {
  return isServerSide(socket) ? 'client' : 'server';
}

function unreadable(role: PeerRole, reason: string): HandshakeError {
  const text = `cannot tell whether the ${role} certificate is revoked: ${reason}`;
  return new HandshakeError(`${role}-certificate-invalid`, text);
}
