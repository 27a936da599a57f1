// A minimal TLS client that upgrades as NATS clients do and reports the negotiated parameters.
import { once } from 'node:events';
import { type ConnectionOptions, connect } from 'node:tls';
import { connectLine, openSocket } from './socket.ts';

export interface Agreement {
  readonly version: string | null;
  /** The cipher suite, by OpenSSL's name. */
  readonly suite: string;
  /** The curve of the key exchange, by OpenSSL's name. */
  readonly curve: string | undefined;
  /** The common name of the server's certificate. */
  readonly server: string;
  /** Length of the chain that the server presented, as far as each certificate issued the one before. */
  readonly shown: number;
}

/**
 * Reads the INFO (not with `first`), upgrades, sends CONNECT and waits for the PONG: a server accepts a TLS 1.3
 * client only then. Rejects when the server rejects the client.
 */
export async function agree(
  port: number,
  options: ConnectionOptions = {},
  { first = false } = {},
): Promise<Agreement> {
  const socket = await openSocket(port);
  try {
    if (!first) await once(socket, 'readable');
    if (!first && !String(socket.read()).startsWith('INFO ')) throw new Error('the server sent no INFO');
    const secure = connect({ rejectUnauthorized: false, ...options, socket });
    const refused = once(secure, 'close').then(() => Promise.reject(new Error('closed')));
    await Promise.race([once(secure, 'secureConnect'), refused]);
    secure.write(`${connectLine()}PING\r\n`);
    let text = '';
    while (!text.includes('PONG\r\n')) {
      const [chunk] = await Promise.race([once(secure, 'data'), refused]);
      text += chunk;
      if (text.includes('-ERR')) throw new Error(text);
    }
    const key = secure.getEphemeralKeyInfo() as { name?: string } | null;
    const certificate = secure.getPeerX509Certificate();
    let shown = 0;
    for (let one = certificate; one !== undefined; one = one.issuerCertificate) shown++;
    return {
      version: secure.getProtocol(),
      suite: secure.getCipher().name,
      curve: key?.name,
      server: String(certificate?.toLegacyObject().subject?.CN),
      shown,
    };
  } finally {
    socket.destroy();
  }
}
