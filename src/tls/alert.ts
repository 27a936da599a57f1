// Sends the alert with which a server rejects a client certificate. Node makes OpenSSL accept every certificate, reports
// the result after the handshake and has no function that sends an alert, so this module writes the record itself, at
// the last moment at which its form is certain: OpenSSL has verified the client and has sent nothing since.
import { createCipheriv, createHmac } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Alerts about certificates (RFC 8446, section 6.2). */
const descriptions = { bad_certificate: 42, certificate_expired: 45, unknown_ca: 48 };

export type CertificateAlert = keyof typeof descriptions;

/** The AEAD algorithms of TLS 1.3 that Node enables, and the hash and key length of each (RFC 8446, appendix B.4). */
const suites: Partial<Record<string, Suite>> = {
  TLS_AES_128_GCM_SHA256: { algorithm: 'aes-128-gcm', hash: 'sha256', keyLength: 16 },
  TLS_AES_256_GCM_SHA384: { algorithm: 'aes-256-gcm', hash: 'sha384', keyLength: 32 },
  // Node types only the first two as GCM; the interface of all three is the same.
  TLS_CHACHA20_POLY1305_SHA256: {
    algorithm: 'chacha20-poly1305' as 'aes-256-gcm',
    hash: 'sha256',
    keyLength: 32,
  },
};

interface Suite {
  readonly algorithm: 'aes-128-gcm' | 'aes-256-gcm';
  readonly hash: string;
  readonly keyLength: number;
}

const fatal = 2;
const contentType = { alert: 21, applicationData: 23 };
const tagLength = 16;

/**
 * Calls `inspect` once OpenSSL has verified the certificate of the client, before it sends anything else. `send` writes a
 * fatal alert to the client; it works until `inspect` returns, and the caller must then close `raw`. OpenSSL may write
 * records behind the alert, which the client does not read.
 * @param raw the socket below `secure`
 */
export function onClientVerified(
  raw: Socket,
  secure: TLSSocket,
  inspect: (send: (alert: CertificateAlert) => void) => void,
): void {
  let secret = Buffer.alloc(0);
  const listen = (line: Buffer) => {
    const [label, , value = ''] = line.toString('latin1').trimEnd().split(' ');
    if (label === 'SERVER_TRAFFIC_SECRET_0') secret = Buffer.from(value, 'hex');
    // TLS 1.3 derives this secret at the Finished message of the client, TLS 1.2 its only one at ClientKeyExchange. Both
    // follow the certificate of the client.
    if (label !== 'CLIENT_TRAFFIC_SECRET_0' && label !== 'CLIENT_RANDOM') return;
    secure.off('keylog', listen);
    inspect((alert) => {
      const record =
        label === 'CLIENT_RANDOM'
          ? plainAlert(alert)
          : sealedAlert(alert, secret, secure.getCipher().standardName);
      if (record !== undefined) raw.write(record);
    });
    secret.fill(0);
  };
  secure.on('keylog', listen);
}

/** TLS 1.2: the server has not changed its cipher specification yet, so it sends alerts in plain text (RFC 5246, 7.2). */
function plainAlert(alert: CertificateAlert): Buffer {
  return Buffer.from([contentType.alert, 3, 3, 0, 2, fatal, descriptions[alert]]);
}

/** TLS 1.3: the first record under the application traffic secret of the server (RFC 8446, sections 5.2, 5.3 and 7.3). */
function sealedAlert(alert: CertificateAlert, secret: Buffer, suiteName: string): Buffer | undefined {
  const suite = suites[suiteName];
  if (suite === undefined) return undefined;
  const { algorithm, hash, keyLength } = suite;
  const content = Buffer.from([fatal, descriptions[alert], contentType.alert]);
  const header = Buffer.from([contentType.applicationData, 3, 3, 0, content.length + tagLength]);
  // The sequence number is 0, so the nonce is the initialization vector itself.
  const key = expandLabel(hash, secret, 'key', keyLength);
  const cipher = createCipheriv(algorithm, key, expandLabel(hash, secret, 'iv', 12), {
    authTagLength: tagLength,
  });
  cipher.setAAD(header, { plaintextLength: content.length });
  return Buffer.concat([header, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

/** HKDF-Expand-Label without a context, for at most one block of the hash (RFC 8446, section 7.1; RFC 5869, 2.3). */
function expandLabel(hash: string, secret: Buffer, label: string, length: number): Buffer {
  const name = `tls13 ${label}`;
  const info = Buffer.from([0, length, name.length, ...Buffer.from(name), 0, 1]);
  return createHmac(hash, secret).update(info).digest().subarray(0, length);
}
