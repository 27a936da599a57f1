// Identifies the peer of a TLS connection: its certificate, its pin, and the user that it maps to.

import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { quote } from '../log.ts';
import { Certificate } from '../x509/certificate.ts';
import type { SanKind } from '../x509/name.ts';
import type { Pin } from '../x509/pin.ts';
import { isServerSide } from './node-internals.ts';
import {
  comparable,
  type DistinguishedName,
  formatAsGo,
  formatDomainComponents,
  isSameName,
  parseName,
  readDistinguishedName,
  soleCommonName,
} from './subject-user.ts';

/** The names in a certificate that can be mapped to a user, and the properties that monitoring shows. */
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
 * Reads the certificate whose key the peer has proved to hold; undefined when it sent none, or one that OpenSSL accepts
 * but that is not strict DER. Takes about 0.1 ms: call it only when needed.
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

/** Longest chain that is read, in certificates. */
const maximumChain = 8;

/**
 * Returns what the client of a server-side connection presented, in DER: its certificate, then those behind it that lead from
 * issuer to issuer; empty when it presented none.
 */
export function clientChainOf(socket: TLSSocket): readonly Buffer[] {
  return sentBy(socket).slice(0, maximumChain);
}

/** What clients sent: Node 20 takes the certificates behind the first one out of the connection as they are read. */
const sentByClients = new WeakMap<TLSSocket, readonly Buffer[]>();

/** Returns all that the peer sent, in DER, its own certificate first; empty for none. For a client, call it only once. */
export function sentBy(socket: TLSSocket): readonly Buffer[] {
  const known = sentByClients.get(socket);
  if (known !== undefined) return known;
  const sent: Buffer[] = [];
  for (let next = socket.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate) {
    sent.push(next.raw);
  }
  if (sent.length > 0) sentByClients.set(socket, sent);
  return sent;
}

/**
 * Returns the certificate of the peer as it was sent. On the client side, getPeerX509Certificate would remove it from the
 * state of the connection, so that the next call returns its issuer or nothing; getPeerCertificate is slower.
 */
export function rawPeerOf(socket: TLSSocket): Buffer | undefined {
  if (isServerSide(socket)) return socket.getPeerX509Certificate()?.raw;
  // Despite its type, empty when there is no certificate, and null for a closed connection.
  const certificate: { raw?: Buffer } | null = socket.getPeerCertificate();
  return certificate?.raw;
}

/** Returns what the peer sent, its own certificate first; empty when it sent none or the connection is closed. */
export function rawChainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  const add = (raw: Buffer | undefined) => {
    // A root is its own issuer.
    const isNew = raw !== undefined && !chain.some((each) => each.equals(raw));
    if (isNew) chain.push(raw);
    return isNew;
  };
  if (isServerSide(socket)) {
    for (const raw of sentBy(socket)) add(raw);
  } else {
    let next: Partial<DetailedPeerCertificate> | null = socket.getPeerCertificate(true);
    while (next !== null && add(next.raw)) next = next.issuerCertificate ?? null;
  }
  return chain;
}

/** Reads the certificate of a peer; throws DerError. */
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

/** Returns whether a set of pins accepts a peer; it needs a certificate for that (nats-server, matchesPinnedCert). */
export function isPinned(peer: PeerCertificate | undefined, pins: ReadonlySet<Pin> | undefined): boolean {
  return pins === undefined || (peer !== undefined && pins.has(peer.pin));
}

/** The user that a certificate maps to, and the kind of name that matched. */
export interface MappedUser {
  readonly user: string;
  readonly by: 'email' | 'dns' | 'uri' | 'distinguished-name' | 'common-name';
}

/** The reason why a certificate maps to no user: one line for the log. */
export interface Unmapped {
  readonly user: undefined;
  readonly reason: string;
}

/**
 * Maps a certificate to one of the configured users: by e-mail, DNS and URI names first, then by the subject in any order
 * of its parts, then by the subject as Go prints it, with and without domain components (nats-server, server/auth.go,
 * checkClientTLSCertSubject). Last comes the bare common name, which nats-server does not use: it names only a user of
 * exactly that name, and only when it is a simple name such as `alice`.
 * @param users the user names as the configuration spells them
 * @param byCommonName whether the bare common name counts
 */
export function mapPeer(
  peer: PeerCertificate | undefined,
  users: ReadonlySet<string>,
  byCommonName: boolean,
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
    literally('common-name', [byCommonName ? simpleCommonName(name) : undefined]) ?? {
      user: undefined,
      reason: unmapped(peer),
    }
  );
}

/** Returns a common name that no other rule could mean: not a DN, an e-mail address, a DNS name or a URI. */
function simpleCommonName(name: DistinguishedName): string | undefined {
  const commonName = soleCommonName(name);
  return commonName !== undefined && /^[^=@.:/]+$/.test(commonName) ? commonName : undefined;
}

function byDistinguishedName(name: DistinguishedName, users: ReadonlySet<string>): MappedUser | undefined {
  const wanted = comparable(name);
  if (wanted === undefined) return undefined;
  // Most user names are not distinguished names; this skips them without parsing.
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

/** Shortens untrusted text, such as the name of a peer, for a log line. */
export function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
