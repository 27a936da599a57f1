// The client side of TLS, for connections to other servers of a cluster. Like an incoming handshake, it verifies the
// certificate of the peer with the material in use at that moment.
import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { formatGoDuration } from '../duration.ts';
import type { CertificateSource } from './certificate-source.ts';
import { explainPin, explainVerdict, HandshakeError, type Verdict } from './handshake-error.ts';
import type { TlsMaterial } from './material.ts';
import { verificationResult } from './node-internals.ts';
import { rawChainOf, rawPeerOf, shorten } from './peer.ts';
import type { PeerRevocation } from './peer-revocation.ts';

/**
 * Performs a client handshake on a connected socket from which nothing was read. Resolves with a connection when the
 * server certificate is from an authority of the block, is for servers, has the name `host`, is not revoked and, with
 * pins, is pinned; `insecure` skips all checks but the pins. Rejects with a HandshakeError after destroying the socket.
 * @param host the name or address by which the server was contacted
 * @param revocation without it, no certificate counts as revoked
 */
export function connectTls(
  socket: Socket,
  source: CertificateSource,
  host: string,
  revocation?: PeerRevocation,
): Promise<TLSSocket> {
  const { material } = source;
  const { timeoutMs } = material.block;
  return new Promise((resolve, reject) => {
    const options: ConnectionOptions & { requestOCSP: boolean } = {
      socket,
      host,
      ...(isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {}),
      secureContext: material.contexts.byDefault,
      requestOCSP: revocation?.requiresStaple ?? false,
      // The verification result is the same, and is checked below, where it can be explained. So is the name: without
      // SANs Node accepts the common name, and Go does not.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    };
    const secure = connect(options);
    let staple: Buffer | undefined;
    secure.once('OCSPResponse', (answer: Buffer | null) => {
      staple = answer?.length ? answer : undefined;
    });
    const end = (outcome: TLSSocket | HandshakeError) => {
      clearTimeout(timer);
      secure.off('secureConnect', onSecure).off('error', onError).off('close', onClose);
      if (outcome instanceof HandshakeError) {
        secure.on('error', ignore);
        secure.destroy();
        socket.destroy();
        reject(outcome);
      } else {
        resolve(outcome);
      }
    };
    const onSecure = () => {
      const isTrusted = !material.block.insecure;
      const found = refusal(secure, material, source.block.pinnedCerts, host);
      const revoked = () =>
        revocation?.checkLists(secure, material) ?? revocation?.checkStaple(secure, material, staple);
      end(found ?? (isTrusted ? revoked() : undefined) ?? secure);
    };
    const onError = (error: Error) => end(explain(error, material));
    const onClose = () => end(lost());
    const timer = setTimeout(() => {
      const text = `server did not finish the TLS handshake within ${formatGoDuration(timeoutMs)}`;
      const hint = 'raise timeout in the tls block if servers need longer';
      end(new HandshakeError('handshake-timeout', text, { hint }));
    }, timeoutMs);
    secure.on('secureConnect', onSecure).on('error', onError).on('close', onClose);
  });
}

/** Explains why a server that completed the handshake is rejected; undefined when it passes all checks. */
function refusal(
  socket: TLSSocket,
  material: TlsMaterial,
  pins: TlsMaterial['block']['pinnedCerts'],
  host: string,
): HandshakeError | undefined {
  if (!material.block.insecure) {
    const raw = rawPeerOf(socket);
    if (!socket.authorized || raw === undefined) {
      return explainVerdict(rawChainOf(socket), verdictOf(socket), material, 'server');
    }
    const certificate = new X509Certificate(raw);
    if (!isFor(certificate, host)) return otherName(certificate, host);
  }
  return explainPin(socket, pins, 'server');
}

/** Returns OpenSSL's verification result, or Node's short form of it when there is none. */
function verdictOf(socket: TLSSocket): Verdict {
  return verificationResult(socket) ?? { message: String(socket.authorizationError) };
}

/** Returns whether a certificate is for a host, by its subject alternative names alone (Go's x509, VerifyHostname). */
function isFor(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  const name = host.replace(/\.$/, '');
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined;
}

function otherName({ subjectAltName }: X509Certificate, host: string): HandshakeError {
  const names = subjectAltName === undefined ? 'it has none' : `its names are ${shorten(subjectAltName)}`;
  return new HandshakeError(
    'server-certificate-name',
    `server certificate is not for "${shorten(host)}": ${names}`,
    { hint: 'issue a certificate with this name, or connect by a name that it has' },
  );
}

/** Explains an error of OpenSSL or of the connection before the handshake was complete. */
function explain(error: NodeJS.ErrnoException, { block }: TlsMaterial): HandshakeError {
  const code = error.code ?? '';
  const fail = (failure: HandshakeError['code'], message: string) =>
    new HandshakeError(failure, message, { cause: error });
  const refusal = describeAlert(error);
  if (/ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)/.test(code)) {
    return fail(
      'nothing-in-common',
      `${refusal}: it supports none of the versions, suites or curves of this server`,
    );
  }
  if (refusal !== undefined) return fail('refused-by-server', refusal);
  if (/^(ECONNRESET|EPIPE|ECONNABORTED|ETIMEDOUT)$/.test(code)) return lost(error);
  if (/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/.test(code)) {
    return fail('nothing-in-common', `server does not support TLS ${block.minVersion} or later`);
  }
  if (/WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|PACKET_LENGTH|RECORD_TYPE/.test(code)) {
    return fail('not-tls', 'server does not speak TLS: its first bytes are not a handshake');
  }
  // OpenSSL's own text, without the location in its source code.
  return fail('handshake-failed', (error as { reason?: string }).reason ?? error.message);
}

/**
 * Describes the alert by which the server has rejected this client; undefined for other errors. With TLS 1.3 the alert
 * arrives after the handshake is complete for this side: the first read reports it as an error.
 */
export function describeAlert({ code = '' }: NodeJS.ErrnoException): string | undefined {
  const alert = /ALERT_(.+)$/.exec(code)?.[1]?.toLowerCase().replaceAll('_', ' ');
  return alert && `server ended the handshake with the alert ${alert}`;
}

function lost(cause?: Error): HandshakeError {
  const text = 'server closed the connection before the handshake was complete';
  return new HandshakeError('connection-lost', text, { cause });
}

function ignore(): void {
  // The HandshakeError reports it.
}
