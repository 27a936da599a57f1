// The client side of TLS, for connections to other servers of a cluster: the certificate of the other side is verified
// as it verifies ours, with the material in use at that moment.
import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { formatGoDuration } from '../duration.ts';
import type { TlsContextSource } from './context-source.ts';
import { explainPin, explainVerdict, HandshakeError, type Verdict } from './handshake-error.ts';
import type { TlsMaterial } from './material.ts';
import { rawPeerOf, shorten } from './peer.ts';

/**
 * Handshakes as a client on a connected socket of which nothing was read. Resolves with a connection whose peer is from
 * an authority of the block, is for servers, has the name it is called by and is pinned where pins are; `insecure` skips
 * all of that but the pins. Rejects with a HandshakeError, and then the socket is destroyed.
 * @param host the name or address that the other side was called by
 */
export function connectTls(socket: Socket, source: TlsContextSource, host: string): Promise<TLSSocket> {
  const { material } = source;
  const { timeoutMs } = material.block;
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      host,
      ...(isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {}),
      secureContext: material.contexts.byDefault,
      // The verdict is the same, and judged below, where there are words for it; so is the name, as Node takes the
      // common name for one where there is no other, and Go does not.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
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
    const onSecure = () => end(refusal(secure, material, source.block.pinnedCerts, host) ?? secure);
    const onError = (error: Error) => end(explain(error, material));
    const onClose = () => end(lost());
    const timer = setTimeout(() => {
      const text = `server did not finish the TLS handshake within ${formatGoDuration(timeoutMs)}`;
      const hint = 'raise timeout in the tls block if servers are that slow';
      end(new HandshakeError('handshake-timeout', text, { hint }));
    }, timeoutMs);
    secure.on('secureConnect', onSecure).on('error', onError).on('close', onClose);
  });
}

/** Why a server that finished the handshake is not trusted; undefined where it is. */
function refusal(
  socket: TLSSocket,
  material: TlsMaterial,
  pins: TlsMaterial['block']['pinnedCerts'],
  host: string,
): HandshakeError | undefined {
  if (!material.block.insecure) {
    const raw = rawPeerOf(socket);
    if (!socket.authorized || raw === undefined) {
      return explainVerdict(socket, verdictOn(socket), material, 'server');
    }
    const certificate = new X509Certificate(raw);
    if (!isFor(certificate, host)) return otherName(certificate, host);
  }
  return explainPin(socket, pins, 'server');
}

/** What Node has put into one word, or what that word does not say. */
function verdictOn(socket: TLSSocket): Verdict {
  const { ssl } = socket as TLSSocket & { ssl?: { verifyError(): Verdict | null } };
  return ssl?.verifyError() ?? { message: String(socket.authorizationError) };
}

/** Whether a certificate is for a host, by its subject alternative names alone (Go's x509, VerifyHostname). */
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
    { hint: 'issue a certificate with this name, or connect by one that it has' },
  );
}

/** What OpenSSL or the connection said before the handshake was done. */
function explain(error: NodeJS.ErrnoException, { block }: TlsMaterial): HandshakeError {
  const code = error.code ?? '';
  const fail = (failure: HandshakeError['code'], message: string) =>
    new HandshakeError(failure, message, { cause: error });
  const refusal = describeAlert(error);
  if (/ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)/.test(code)) {
    return fail(
      'nothing-in-common',
      `${refusal}: it has none of the versions, suites or curves of this server`,
    );
  }
  if (refusal !== undefined) return fail('refused-by-server', refusal);
  if (/^(ECONNRESET|EPIPE|ECONNABORTED|ETIMEDOUT)$/.test(code)) return lost(error);
  if (/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/.test(code)) {
    return fail('nothing-in-common', `server speaks no TLS from version ${block.minVersion} on`);
  }
  if (/WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|PACKET_LENGTH|RECORD_TYPE/.test(code)) {
    return fail('not-tls', 'server does not speak TLS: its first bytes are no handshake');
  }
  // OpenSSL's own words, without where in its source they come from.
  return fail('handshake-failed', (error as { reason?: string }).reason ?? error.message);
}

/**
 * Says that the other side has turned this one away; undefined for other errors. With TLS 1.3 it says so only when the
 * handshake is done for this side: the error comes with what would be read first.
 */
export function describeAlert({ code = '' }: NodeJS.ErrnoException): string | undefined {
  const alert = /ALERT_(.+)$/.exec(code)?.[1]?.toLowerCase().replaceAll('_', ' ');
  return alert && `server ended the handshake with the alert ${alert}`;
}

function lost(cause?: Error): HandshakeError {
  const text = 'server closed the connection before the handshake was done';
  return new HandshakeError('connection-lost', text, { cause });
}

function ignore(): void {
  // The HandshakeError tells it.
}
