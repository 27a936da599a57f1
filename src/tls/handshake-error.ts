// Explains for the log why a handshake failed: the cause, and the certificate involved.

import type { TLSSocket } from 'node:tls';
import { formatGoDuration } from '../duration.ts';
import { NatspkiError } from '../errors.ts';
import { given } from '../given.ts';
import { Certificate } from '../x509/certificate.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { formatSan } from '../x509/name.ts';
import type { CertificateAlert } from './alert.ts';
import type { Rejection } from './chain-verifier.ts';
import type { TlsMaterial } from './material.ts';
import { isPinned, peerOf, shorten } from './peer.ts';

/** The role of the peer in a handshake. */
export type PeerRole = 'client' | 'server';

/** The code of a HandshakeError. */
export type HandshakeFailure =
  | 'handshake-timeout'
  | 'not-tls'
  | `no-${PeerRole}-certificate`
  | `${PeerRole}-certificate-${'expired' | 'not-yet-valid' | 'untrusted' | 'usage' | 'name' | 'not-pinned' | 'revoked' | 'status-unknown' | 'invalid'}`
  | 'nothing-in-common'
  | 'refused-by-client'
  | 'refused-by-server'
  | 'connection-lost'
  | 'closed'
  | 'handshake-failed';

/** A handshake that failed; the log prints its message after `TLS handshake error: `. */
export class HandshakeError extends NatspkiError {
  override readonly name = 'HandshakeError';
  declare readonly code: HandshakeFailure;
  /** True for the behaviour of health checks and port scans, which nats-server logs at debug level (server/client.go). */
  readonly isProbe: boolean;

  constructor(
    code: HandshakeFailure,
    message: string,
    options: { hint?: string; cause?: unknown; isProbe?: boolean } = {},
  ) {
    super(code, message, options);
    this.isProbe = options.isProbe ?? false;
  }
}

/** OpenSSL's verification result for a certificate. Node has codes for some errors only, and UNSPECIFIED for the rest. */
export interface Verdict {
  readonly code?: string | undefined;
  readonly message: string;
}

/**
 * Explains why a peer that completed the handshake is rejected.
 * @param sent what the peer sent, its own certificate first
 */
export function explainVerdict(
  sent: readonly Buffer[],
  verdict: Verdict,
  { block }: TlsMaterial,
  role: PeerRole = 'client',
): HandshakeError {
  const trusted = trustedBy(block);
  if (sent.length === 0) {
    return noCertificate(block, role);
  }
  const chain = chainOf(sent);
  if (chain === undefined) {
    return new HandshakeError(
      `${role}-certificate-invalid`,
      `${role} certificate cannot be read (${verdict.message})`,
    );
  }
  const certificate = chain[0] as Certificate;
  const what = `${role} certificate ${nameOf(certificate.subject)}`;
  const refuse = (code: HandshakeFailure, message: string, hint?: string) =>
    new HandshakeError(code, message, given({ hint }));
  switch (verdict.code) {
    case 'CERT_HAS_EXPIRED':
      return certificate.notAfter < new Date()
        ? refuse(
            `${role}-certificate-expired`,
            `${what} expired at ${certificate.notAfter.toISOString()}`,
            `natspki rotate ${certificate.commonName}`,
          )
        : refuse(`${role}-certificate-expired`, `an authority above ${what} has expired`);
    case 'CERT_NOT_YET_VALID':
      return refuse(
        `${role}-certificate-not-yet-valid`,
        `${what}, or an authority above it, is not valid yet (not before ${certificate.notBefore.toISOString()})`,
        'compare the clocks of both hosts',
      );
    case 'INVALID_PURPOSE':
      return refuse(
        `${role}-certificate-usage`,
        explainPurpose(certificate, what, role),
        `use a certificate with the profile ${role}, or with route, which covers both usages`,
      );
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return refuse(`${role}-certificate-untrusted`, `${what} is self-signed and is not in ${trusted}`);
    case 'CERT_SIGNATURE_FAILURE':
      return refuse(
        `${role}-certificate-untrusted`,
        `${what} is not from an authority in ${trusted}: ${nameOf(certificate.issuer)} has a different key there`,
      );
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return refuse(
        `${role}-certificate-untrusted`,
        `${what} is from an authority that is not trusted: ${nameOf((chain.at(-1) as Certificate).issuer)} is not in ${trusted}`,
      );
    default:
      return refuse(`${role}-certificate-invalid`, `${what} failed verification: ${verdict.message}`);
  }
}

/** Returns the alert that nats-server sends for this rejection (crypto/tls, processCertsFromClient). */
export function alertFor({ code }: HandshakeError): CertificateAlert {
  switch (code) {
    case 'client-certificate-expired':
    case 'client-certificate-not-yet-valid':
      return 'certificate_expired';
    case 'client-certificate-untrusted':
      return 'unknown_ca';
    default:
      return 'bad_certificate';
  }
}

/** The outcomes of the faults that have one of their own. */
const outcomes: Partial<Record<NonNullable<Rejection['code']>, HandshakeFailure>> = {
  expired: 'client-certificate-expired',
  'not-yet-valid': 'client-certificate-not-yet-valid',
  untrusted: 'client-certificate-untrusted',
  'wrong-usage': 'client-certificate-usage',
};

/**
 * Explains why a client that OpenSSL accepts is rejected by the rules of Go.
 * @param sent what the client sent, its own certificate first
 */
export function explainFault(sent: readonly Buffer[], { code, reason, ofLeaf }: Rejection): HandshakeError {
  const [leaf] = chainOf(sent.slice(0, 1)) ?? [];
  const what = leaf === undefined ? 'client certificate' : `client certificate ${nameOf(leaf.subject)}`;
  const where = ofLeaf ? what : `an authority above ${what}`;
  const outcome = (code && outcomes[code]) ?? 'client-certificate-invalid';
  return new HandshakeError(outcome, `${where} ${shorten(reason)}`, {
    hint: 'natspki issue client NAME makes a certificate that every NATS server accepts',
  });
}

function trustedBy({ caFile }: TlsMaterial['block']): string {
  return caFile === undefined ? 'the authorities of the system' : `"${caFile}"`;
}

function noCertificate(block: TlsMaterial['block'], role: PeerRole): HandshakeError {
  return new HandshakeError(
    `no-${role}-certificate`,
    `${role} sent no certificate, expected one from an authority in ${trustedBy(block)}`,
    { hint: `configure the ${role} with a certificate and key, such as those of natspki issue ${role} NAME` },
  );
}

function explainPurpose({ extendedKeyUsage, keyUsage }: Certificate, what: string, role: PeerRole): string {
  if (extendedKeyUsage?.includes(`${role}Auth`) === false) {
    return `${what} is not for ${role}s: its extended key usage is ${extendedKeyUsage.join(', ')}`;
  }
  if (keyUsage?.includes('digitalSignature') === false) {
    return `${what} is not for ${role}s: its key usage is ${keyUsage.join(', ')}, without digitalSignature`;
  }
  return `an authority above ${what} may not issue certificates for ${role}s`;
}

/** Explains why a peer with a valid certificate is rejected by the pins; undefined when the certificate is pinned. */
export function explainPin(
  socket: TLSSocket,
  pins: TlsMaterial['block']['pinnedCerts'],
  role: PeerRole = 'client',
): HandshakeError | undefined {
  if (pins === undefined) return undefined;
  const peer = peerOf(socket);
  if (isPinned(peer, pins)) return undefined;
  return new HandshakeError(
    `${role}-certificate-not-pinned`,
    peer === undefined
      ? `${role} sent no readable certificate, which pinned_certs requires`
      : `${role} certificate ${shorten(peer.subject)} is not pinned: its pin is ${peer.pin}`,
    { hint: 'natspki pin CERTIFICATE --add CONFIG adds a pin' },
  );
}

/** Explains why a peer is rejected whose certificate, or an authority above it, is revoked. */
export function explainRevocation(socket: TLSSocket, by: string, role: PeerRole): HandshakeError {
  const peer = peerOf(socket);
  const name = peer === undefined ? '' : ` ${shorten(peer.subject)} (serial ${peer.serial})`;
  return new HandshakeError(`${role}-certificate-revoked`, `${role} certificate${name} is revoked: ${by}`, {
    hint: `natspki issue ${role} NAME issues another certificate`,
  });
}

/** Explains why a peer is rejected by what an OCSP responder answers, or because it does not answer. */
export function explainStatus(
  socket: TLSSocket,
  reason: string,
  isRevoked: boolean,
  role: PeerRole,
): HandshakeError {
  if (isRevoked) return explainRevocation(socket, reason, role);
  const peer = peerOf(socket);
  const name = peer === undefined ? '' : ` ${shorten(peer.subject)} (serial ${peer.serial})`;
  const hint = 'allow_when_ca_unreachable, unknown_is_good and warn_only of ocsp_peer accept more';
  const text = `${role} certificate${name} is not known to be good: ${reason}`;
  return new HandshakeError(`${role}-certificate-status-unknown`, text, { hint });
}

/** Explains an error of OpenSSL or of the connection before the handshake was complete. */
export function explainFailure(
  error: NodeJS.ErrnoException,
  material: TlsMaterial,
  receivedBytes: number,
): HandshakeError {
  const code = error.code ?? '';
  const fail = (failure: HandshakeFailure, message: string, isProbe = false) =>
    new HandshakeError(failure, message, { cause: error, isProbe });
  if (/^(ECONNRESET|EPIPE|ECONNABORTED|ETIMEDOUT)$/.test(code)) {
    return fail(
      'connection-lost',
      'client closed the connection before the handshake was complete',
      receivedBytes === 0,
    );
  }
  if (/PEER_DID_NOT_RETURN_A_CERTIFICATE/.test(code)) return noCertificate(material.block, 'client');
  const alert = /ALERT_(.+)$/.exec(code)?.[1];
  if (alert !== undefined) return explainAlert(alert, material, fail);
  if (
    /WRONG_VERSION_NUMBER|HTTPS?_(PROXY_)?REQUEST|UNKNOWN_PROTOCOL|BAD_PACKET_LENGTH|PACKET_LENGTH/.test(code)
  ) {
    return fail('not-tls', 'client does not speak TLS: its first bytes are not a handshake', true);
  }
  if (/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|NO_PROTOCOLS/.test(code)) {
    return fail('nothing-in-common', `client does not support TLS ${material.block.minVersion} or later`);
  }
  if (material.certificates.length === 0) {
    return fail('nothing-in-common', 'this tls block names no certificate, so no handshake can succeed');
  }
  if (/NO_SHARED_CIPHER|NO_CIPHERS/.test(code)) {
    return fail(
      'nothing-in-common',
      'client supports none of the cipher suites of this server, or none for its key type',
    );
  }
  if (/GROUP|KEY_SHARE|CURVE/.test(code)) {
    return fail('nothing-in-common', 'client supports none of the curves of this server');
  }
  if (/SIGNATURE_ALGORITHM|DIGEST_ALGORITHM|SIGALGS/.test(code)) {
    return fail('nothing-in-common', 'client supports none of the signature algorithms of this server');
  }
  // OpenSSL's own text, without the location in its source code.
  return fail('handshake-failed', (error as { reason?: string }).reason ?? error.message);
}

/** A handshake that waited for its turn until the timeout. */
export function queueTimeoutError(timeoutMs: number): HandshakeError {
  const time = formatGoDuration(timeoutMs);
  return new HandshakeError('handshake-timeout', `handshake queued for ${time} behind other connections`);
}

/** A handshake that the queue has dropped. */
export function queueFullError(): HandshakeError {
  return new HandshakeError('handshake-timeout', 'too many handshakes wait, most of them from this address');
}

/**
 * A handshake that was not complete in time.
 * @param isWaiting whether it still waited for rate_limit
 */
export function timeoutError(
  timeoutMs: number,
  cause: 'rate-limit' | 'responder' | 'client',
  receivedBytes: number,
): HandshakeError {
  const time = formatGoDuration(timeoutMs);
  const fail = (text: string, hint?: string) =>
    new HandshakeError('handshake-timeout', text, given({ hint }));
  if (cause === 'rate-limit') return fail(`handshake did not start within ${time} because of rate_limit`);
  if (cause === 'responder') {
    const hint = 'make ca_timeout of ocsp_peer shorter than timeout of the tls block';
    return fail(`no OCSP responder answered within ${time}, the timeout of the handshake`, hint);
  }
  return fail(
    receivedBytes === 0
      ? `client sent nothing for ${time}, expected a TLS handshake`
      : `client did not finish the TLS handshake within ${time}`,
    'raise timeout in the tls block if clients need longer',
  );
}

/** Explains the alert with which a client rejects the certificate of this server. */
function explainAlert(
  alert: string,
  { certificates, names }: TlsMaterial,
  fail: (failure: HandshakeFailure, message: string) => HandshakeError,
): HandshakeError {
  const ours = certificates.map(({ subject }) => subject).join(' and ');
  const text = alert.toLowerCase().replaceAll('_', ' ');
  switch (alert) {
    case 'UNKNOWN_CA':
      return fail(
        'refused-by-client',
        `client does not trust the authority of ${ours}: its list of authorities does not contain the issuer`,
      );
    case 'BAD_CERTIFICATE':
    case 'CERTIFICATE_UNKNOWN':
      return fail(
        'refused-by-client',
        `client rejected ${ours} (alert ${text}): it may not trust the issuer, or connect by a name other than ${names.map(formatSan).join(', ') || 'none'}`,
      );
    case 'CERTIFICATE_EXPIRED':
      return fail('refused-by-client', `client rejected ${ours}: expired by the clock of the client`);
    case 'PROTOCOL_VERSION':
      return fail('nothing-in-common', 'client requires another TLS version');
    default:
      return fail('refused-by-client', `client ended the handshake with the alert ${text}`);
  }
}

/** Returns the certificates that the peer sent; undefined when one of them is not strict DER. */
function chainOf(sent: readonly Buffer[]): Certificate[] | undefined {
  try {
    return sent.map((der) => new Certificate(der));
  } catch {
    return undefined;
  }
}

/** Prints an untrusted name, shortened for a log line. */
function nameOf(name: Certificate['subject']): string {
  return shorten(formatName(name));
}
