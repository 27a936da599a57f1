// A client of Node's TLS that upgrades as NATS clients do: what both sides agreed on, or that it was refused.
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';

export interface Agreement {
  readonly version: string | null;
  /** OpenSSL's name. */
  readonly suite: string;
  /** OpenSSL's name of the curve of the key exchange. */
  readonly curve: string | undefined;
  /** The common name of the certificate that the server showed. */
  readonly server: string;
  /** How many certificates the server showed, as far as each is the issuer of the one before. */
  readonly shown: number;
}

/**
 * Reads the INFO (not with `first`), upgrades, says CONNECT and waits for the PONG: only then has a server of TLS 1.3
 * let the client in. Rejects when it does not.
 */
export async function agree(
  port: number,
  options: ConnectionOptions = {},
  { first = false } = {},
): Promise<Agreement> {
  const socket = connectPlain({ port, host: '127.0.0.1', noDelay: true });
  try {
    await once(socket, first ? 'connect' : 'readable');
    if (!first && !String(socket.read()).startsWith('INFO ')) throw new Error('no INFO');
    const secure = connect({ rejectUnauthorized: false, ...options, socket });
    const refused = once(secure, 'close').then(() => Promise.reject(new Error('closed')));
    await Promise.race([once(secure, 'secureConnect'), refused]);
    secure.write('CONNECT {"verbose":false}\r\nPING\r\n');
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
