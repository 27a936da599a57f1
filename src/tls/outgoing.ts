// The client side of TLS, for connections to other servers of a cluster: the certificate of the other side is verified
// as it verifies ours, with the material in use at that moment.
import { isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls';
import { formatGoDuration } from '../duration.ts';
import type { TlsContextSource } from './context-source.ts';
import { explainVerdict, HandshakeError } from './handshake-error.ts';
import type { TlsMaterial } from './material.ts';
import { isPinned, peerOf, shorten } from './peer.ts';

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
      ...(isIP(host) === 0 ? { servername: host } : {}),
      secureContext: material.contexts.byDefault,
      // The verdict is the same, and judged below, where there are words for it.
      rejectUnauthorized: false,
      checkServerIdentity,
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
    const onError = (error: Error) => end(explain(error));
    const onClose = () =>
      end(
        new HandshakeError('connection-lost', 'server closed the connection before the handshake was done'),
      );
    const timer = setTimeout(() => {
      const text = `server did not finish the TLS handshake within ${formatGoDuration(timeoutMs)}`;
      end(new HandshakeError('handshake-timeout', text));
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
  if (!socket.authorized && !material.block.insecure) {
    const named = String(socket.authorizationError) === 'ERR_TLS_CERT_ALTNAME_INVALID';
    return named ? otherName(socket, host) : explainVerdict(socket, material, 'server');
  }
  const peer = peerOf(socket);
  if (isPinned(peer, pins)) return undefined;
  return new HandshakeError(
    'server-certificate-not-pinned',
    peer === undefined
      ? 'server sent no certificate that can be read, and pinned_certs asks for one'
      : `server certificate ${shorten(peer.subject)} is not pinned: its pin is ${peer.pin}`,
    { hint: 'natspki pin CERTIFICATE --add CONFIG adds a pin' },
  );
}

function otherName(socket: TLSSocket, host: string): HandshakeError {
  const names = socket.getPeerX509Certificate()?.subjectAltName ?? 'none';
  return new HandshakeError(
    'server-certificate-name',
    `server certificate is not for ${host}: its names are ${shorten(names)}`,
    { hint: 'issue a certificate with this name, or connect by one that it has' },
  );
}

/** What OpenSSL said, without where in its source the words come from. */
function explain(error: NodeJS.ErrnoException): HandshakeError {
  const alert = /ALERT_(.+)$/
    .exec(error.code ?? '')?.[1]
    ?.toLowerCase()
    .replaceAll('_', ' ');
  if (alert !== undefined) {
    return new HandshakeError('refused-by-server', `server ended the handshake with the alert ${alert}`, {
      cause: error,
    });
  }
  if (/WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|PACKET_LENGTH/.test(error.code ?? '')) {
    return new HandshakeError('not-tls', 'server does not speak TLS: its first bytes are no handshake', {
      cause: error,
    });
  }
  const text = (error as { reason?: string }).reason ?? error.message;
  return new HandshakeError('handshake-failed', text, { cause: error });
}

function ignore(): void {
  // The HandshakeError tells it.
}
