// Why a handshake failed, in words for the log: the cause, and whose certificate it was.

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { NatspkiError } from '../errors.ts';
import { Certificate } from '../x509/certificate.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { formatSan } from '../x509/name.ts';
import type { TlsMaterial } from './material.ts';
import { isPinned, peerOf, shorten } from './peer.ts';

/** What the other side of a handshake is. */
export type PeerRole = 'client' | 'server';

/** The code of a HandshakeError. */
export type HandshakeFailure =
  | 'handshake-timeout'
  | 'not-tls'
  | `no-${PeerRole}-certificate`
  | `${PeerRole}-certificate-${'expired' | 'not-yet-valid' | 'untrusted' | 'usage' | 'name' | 'not-pinned' | 'invalid'}`
  | 'nothing-in-common'
  | 'refused-by-client'
  | 'refused-by-server'
  | 'connection-lost'
  | 'closed'
  | 'handshake-failed';

/** A handshake that failed; its message goes behind `TLS handshake error: ` in the log. */
export class HandshakeError extends NatspkiError {
  override readonly name = 'HandshakeError';
  declare readonly code: HandshakeFailure;
  /** True for what health checks and port scans do; nats-server logs that at debug (server/client.go). */
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

/** What OpenSSL has to say against a certificate; Node has codes for a part of that only, and UNSPECIFIED for the rest. */
export interface Verdict {
  readonly code?: string | undefined;
  readonly message: string;
}

/** Explains why a peer that finished the handshake is refused. */
export function explainVerdict(
  socket: TLSSocket,
  verdict: Verdict,
  { block }: TlsMaterial,
  role: PeerRole = 'client',
): HandshakeError {
  const trusted = block.caFile === undefined ? 'the authorities of the system' : `"${block.caFile}"`;
  const peer = socket.getPeerX509Certificate();
  if (peer === undefined) {
    return new HandshakeError(
      `no-${role}-certificate`,
      `${role} sent no certificate, expected one from an authority in ${trusted}`,
      { hint: `give the ${role} its certificate and key; natspki issue ${role} NAME makes them` },
    );
  }
  const chain = chainOf(peer);
  if (chain === undefined) {
    return new HandshakeError(
      `${role}-certificate-invalid`,
      `${role} certificate cannot be read (${verdict.message})`,
    );
  }
  const certificate = chain[0] as Certificate;
  const who = `${role} certificate ${nameOf(certificate.subject)}`;
  const refuse = (code: HandshakeFailure, message: string, hint?: string) =>
    new HandshakeError(code, message, hint === undefined ? {} : { hint });
  switch (verdict.code) {
    case 'CERT_HAS_EXPIRED':
      return certificate.notAfter < new Date()
        ? refuse(
            `${role}-certificate-expired`,
            `${who} expired at ${certificate.notAfter.toISOString()}`,
            `natspki rotate ${certificate.commonName}`,
          )
        : refuse(`${role}-certificate-expired`, `an authority above ${who} has expired`);
    case 'CERT_NOT_YET_VALID':
      return refuse(
        `${role}-certificate-not-yet-valid`,
        `${who}, or an authority above it, is not valid yet (not before ${certificate.notBefore.toISOString()})`,
        'compare the clocks of both hosts',
      );
    case 'INVALID_PURPOSE':
      return refuse(
        `${role}-certificate-usage`,
        explainPurpose(certificate, who, role),
        `use a certificate of the profile ${role}, or route, which is for both`,
      );
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return refuse(`${role}-certificate-untrusted`, `${who} is signed by itself and is not in ${trusted}`);
    case 'CERT_SIGNATURE_FAILURE':
      return refuse(
        `${role}-certificate-untrusted`,
        `${who} is not from an authority in ${trusted}: there ${nameOf(certificate.issuer)} has another key`,
      );
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return refuse(
        `${role}-certificate-untrusted`,
        `${who} is from an authority that is not trusted: ${nameOf((chain.at(-1) as Certificate).issuer)} is not in ${trusted}`,
      );
    default:
      return refuse(`${role}-certificate-invalid`, `${who} failed verification: ${verdict.message}`);
  }
}

function explainPurpose({ extendedKeyUsage, keyUsage }: Certificate, who: string, role: PeerRole): string {
  if (extendedKeyUsage?.includes(`${role}Auth`) === false) {
    return `${who} is not for ${role}s: its extended key usage is ${extendedKeyUsage.join(', ')}`;
  }
  if (keyUsage?.includes('digitalSignature') === false) {
    return `${who} is not for ${role}s: its key usage is ${keyUsage.join(', ')}, without digitalSignature`;
  }
  return `an authority above ${who} may not issue certificates for ${role}s`;
}

/** Explains why a peer is refused whose certificate is in order and not among the pins; undefined where it is pinned. */
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
      ? `${role} sent no certificate that can be read, and pinned_certs asks for one`
      : `${role} certificate ${shorten(peer.subject)} is not pinned: its pin is ${peer.pin}`,
    { hint: 'natspki pin CERTIFICATE --add CONFIG adds a pin' },
  );
}

/** Explains what OpenSSL or the connection said before the handshake was finished. */
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
      'client closed the connection before the handshake was done',
      receivedBytes === 0,
    );
  }
  const alert = /ALERT_(.+)$/.exec(code)?.[1];
  if (alert !== undefined) return explainAlert(alert, material, fail);
  if (
    /WRONG_VERSION_NUMBER|HTTPS?_(PROXY_)?REQUEST|UNKNOWN_PROTOCOL|BAD_PACKET_LENGTH|PACKET_LENGTH/.test(code)
  ) {
    return fail('not-tls', 'client does not speak TLS: its first bytes are no handshake', true);
  }
  if (/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|NO_PROTOCOLS/.test(code)) {
    return fail('nothing-in-common', `client speaks no TLS from version ${material.block.minVersion} on`);
  }
  if (material.certificates.length === 0) {
    return fail('nothing-in-common', 'this tls block names no certificate, so no handshake can succeed');
  }
  if (/NO_SHARED_CIPHER|NO_CIPHERS/.test(code)) {
    return fail(
      'nothing-in-common',
      'client has none of the cipher suites of this server, or none for its type of key',
    );
  }
  if (/GROUP|KEY_SHARE|CURVE/.test(code)) {
    return fail('nothing-in-common', 'client has none of the curves of this server');
  }
  if (/SIGNATURE_ALGORITHM|DIGEST_ALGORITHM|SIGALGS/.test(code)) {
    return fail('nothing-in-common', 'client has none of the signature algorithms of this server');
  }
  // OpenSSL's own words, without where in its source they come from.
  return fail('handshake-failed', (error as { reason?: string }).reason ?? error.message);
}

/** What a client says of this server's certificate before it hangs up. */
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
        `client does not trust the authority of ${ours}: its list of authorities lacks the issuer`,
      );
    case 'BAD_CERTIFICATE':
    case 'CERTIFICATE_UNKNOWN':
      return fail(
        'refused-by-client',
        `client refused ${ours} (alert ${text}): it may not trust the issuer, or call this server by a name other than ${names.map(formatSan).join(', ') || 'none'}`,
      );
    case 'CERTIFICATE_EXPIRED':
      return fail('refused-by-client', `client refused ${ours}: expired by its clock`);
    case 'PROTOCOL_VERSION':
      return fail('nothing-in-common', 'client wants another TLS version');
    default:
      return fail('refused-by-client', `client ended the handshake with the alert ${text}`);
  }
}

/** The certificates a client sent, its own first; undefined where one is not DER to the letter. */
function chainOf(peer: X509Certificate): Certificate[] | undefined {
  const sent = [peer];
  for (let next = peer.issuerCertificate; next !== undefined; next = next.issuerCertificate) {
    if (sent.some(({ raw }) => raw.equals((next as X509Certificate).raw))) break;
    sent.push(next);
  }
  try {
    return sent.map(({ raw }) => new Certificate(raw));
  } catch {
    return undefined;
  }
}

/** Prints a name that a stranger chose, as long as a line of the log should have it. */
function nameOf(name: Certificate['subject']): string {
  return shorten(formatName(name));
}
