// Who the other side of a TLS connection is: its certificate, its pin, and the user it maps to.

import type { TLSSocket } from 'node:tls';
import { quote } from '../log.ts';
import { Certificate } from '../x509/certificate.ts';
import type { SanKind } from '../x509/name.ts';
import type { Pin } from '../x509/pin.ts';
import {
  comparable,
  type DistinguishedName,
  formatAsGo,
  formatDomainComponents,
  isSameName,
  parseName,
  readDistinguishedName,
  soleCommonName,
} from './distinguished-name.ts';

/** The names in a certificate that a user can be mapped from, and what monitoring shows of it. */
export interface PeerCertificate {
  readonly emails: readonly string[];
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly distinguishedName: DistinguishedName;
  /** The distinguished name as Go prints it. */
  readonly subject: string;
  readonly pin: Pin;
  /** SHA-256 of the whole certificate, 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notAfter: Date;
}

/**
 * Reads the certificate that the peer proved to hold; undefined when it sent none, or one that OpenSSL reads and that is
 * not DER to the letter. Takes about 0.1 ms: ask when needed.
 */
export function peerOf(socket: TLSSocket): PeerCertificate | undefined {
  const raw = rawPeerOf(socket);
  if (raw === undefined) return undefined;
  try {
    return readPeer(raw);
  } catch {
    return undefined;
  }
}

/**
 * Gives the certificate of the peer as it came. On the side that has connected, getPeerX509Certificate would take it out
 * of what Node keeps of the connection, so that the next who asks gets its issuer or nothing; the other way to it is slower.
 */
export function rawPeerOf(socket: TLSSocket): Buffer | undefined {
  const { _tlsOptions: options } = socket as TLSSocket & { _tlsOptions?: { isServer?: boolean } };
  if (options?.isServer) return socket.getPeerX509Certificate()?.raw;
  // Empty where there is none, whatever its type says; null for a connection that is gone.
  const certificate: { raw?: Buffer } | null = socket.getPeerCertificate();
  return certificate?.raw;
}

/** Reads a certificate as that of a peer; throws DerError. */
export function readPeer(der: Buffer): PeerCertificate {
  const certificate = new Certificate(der);
  const distinguishedName = readDistinguishedName(certificate.subjectDer);
  const names = (wanted: SanKind) =>
    certificate.sans.filter(({ kind }) => kind === wanted).map(({ value }) => value);
  return {
    emails: names('email'),
    dnsNames: names('dns'),
    uris: names('uri'),
    distinguishedName,
    subject: formatAsGo(distinguishedName),
    pin: certificate.pin,
    fingerprint: certificate.fingerprint,
    serial: certificate.serial,
    notAfter: certificate.notAfter,
  };
}

/** Whether a peer may stay under a set of pins; without a certificate it may not (nats-server, matchesPinnedCert). */
export function isPinned(peer: PeerCertificate | undefined, pins: ReadonlySet<Pin> | undefined): boolean {
  return pins === undefined || (peer !== undefined && pins.has(peer.pin));
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
 * its parts, then as Go prints it with and without domain components (nats-server, server/auth.go,
 * checkClientTLSCertSubject), and last the bare common name, which nats-server does not take.
 * @param users the user names as the configuration spells them
 */
export function mapPeer(
  peer: PeerCertificate | undefined,
  users: ReadonlySet<string>,
): MappedUser | Unmapped {
  if (peer === undefined)
    return { user: undefined, reason: 'client sent no certificate that can be mapped to a user' };
  const literally = (
    by: MappedUser['by'],
    names: readonly (string | undefined)[],
  ): MappedUser | undefined => {
    const user = names.find((name) => name !== undefined && name !== '' && users.has(name));
    return user === undefined ? undefined : { user, by };
  };
  const { distinguishedName: name, subject } = peer;
  const domain = formatDomainComponents(name);
  return (
    literally('email', peer.emails) ??
    literally('dns', peer.dnsNames) ??
    literally('uri', peer.uris) ??
    byDistinguishedName(name, users) ??
    literally('distinguished-name', [domain === '' ? undefined : `${subject},${domain}`, subject]) ??
    literally('common-name', [soleCommonName(name)]) ?? { user: undefined, reason: unmapped(peer) }
  );
}

function byDistinguishedName(name: DistinguishedName, users: ReadonlySet<string>): MappedUser | undefined {
  const wanted = comparable(name);
  if (wanted === undefined) return undefined;
  // Most user names are none, which this tells without parsing them.
  const candidates = [...users].filter((user) => user.includes('='));
  for (const anyOrder of [false, true]) {
    for (const user of candidates) {
      const candidate = parseName(user);
      if (candidate !== undefined && isSameName(candidate, wanted, anyOrder)) {
        return { user, by: 'distinguished-name' };
      }
    }
  }
  return undefined;
}

function unmapped({ emails, dnsNames, uris, subject }: PeerCertificate): string {
  const names = [...emails, ...dnsNames, ...uris, subject].filter((name) => name !== '');
  return `no user for the client certificate ${shorten(names.map(quote).join(', ')) || 'without a name'}`;
}

/** Cuts what a peer chose, such as its name, to the length that a line of the log should have. */
export function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
