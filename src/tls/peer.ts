// Who the other side of a TLS connection is: its certificate, its pin, and the user it maps to.

import type { TLSSocket } from 'node:tls';
import type { Pin } from '../x509/pin.ts';

/** The names in a certificate that a user can be mapped from, and its pin. */
export interface PeerCertificate {
  readonly emails: readonly string[];
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** The subject as Go prints it (RFC 2253 order). */
  readonly subject: string;
  /** The first common name; undefined without one. */
  readonly commonName: string | undefined;
  readonly pin: Pin;
  /** SHA-256 of the whole certificate, 64 lower-case hex digits. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly notAfter: Date;
}

/** Reads the certificate that the peer proved to hold; undefined when it sent none. Costs 0.1 ms: ask when needed. */
export function peerOf(_socket: TLSSocket): PeerCertificate | undefined {
  throw new Error('not yet');
}

/** Whether a peer may stay under a set of pins; without a certificate it may not (nats-server, matchesPinnedCert). */
export function isPinned(_peer: PeerCertificate | undefined, _pins: ReadonlySet<Pin> | undefined): boolean {
  throw new Error('not yet');
}

/** The user that a certificate is, and which of its names said so. */
export interface MappedUser {
  readonly user: string;
  readonly by: 'email' | 'dns' | 'uri' | 'distinguished-name' | 'common-name';
}

/** Why a certificate maps to nobody: one line for the log. */
export interface Unmapped {
  readonly user: undefined;
  readonly reason: string;
}

/**
 * Maps a certificate to one of the configured users: e-mail, DNS and URI names first, then the subject in any order of
 * its parts, then with domain components, then as Go prints it (nats-server, checkClientTLSCertSubject), and last
 * the bare common name, which nats-server does not do.
 * @param users the user names as the configuration spells them
 */
export function mapPeer(
  _peer: PeerCertificate | undefined,
  _users: ReadonlySet<string>,
): MappedUser | Unmapped {
  throw new Error('not yet');
}
