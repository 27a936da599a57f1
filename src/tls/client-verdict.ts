// Decides whether the certificates of a client are good: OpenSSL and the rules of Go must both accept them.
import type { TLSSocket } from 'node:tls';
import { explainFault, explainVerdict, type HandshakeError } from './handshake-error.ts';
import type { TlsMaterial } from './material.ts';
import { verificationResult } from './node-internals.ts';
import { sentBy } from './peer.ts';

/**
 * Explains why a client is rejected; undefined only when OpenSSL and the rules of Go both accept what it sent. A resumed
 * session is rejected: its result would be good even without a certificate.
 */
export function explainUnverified(secure: TLSSocket, material: TlsMaterial): HandshakeError | undefined {
  const sent = sentBy(secure);
  if (sent.length === 0 && material.block.verifyOptional) return undefined;
  const result = verificationResult(secure);
  const isAcceptable = (result === null || isStricterThanGo(result)) && !secure.isSessionReused();
  if (!isAcceptable || sent.length === 0) {
    return explainVerdict(sent, result ?? { message: 'there is no verification result' }, material);
  }
  const fault = material.clientChains?.fault(sent);
  if (fault === undefined) return undefined;
  return result == null ? explainFault(sent, fault) : explainVerdict(sent, result, material);
}

/**
 * Returns whether OpenSSL complains of something that Go may accept: it wants clientAuth by name and digitalSignature, no
 * authority as a client, since 3.5 RSA keys of 2,048 bits, and takes a common name for a host name under name constraints.
 * Go's rules then decide alone.
 */
function isStricterThanGo(result: NodeJS.ErrnoException | undefined): boolean {
  return (
    result?.code === 'INVALID_PURPOSE' ||
    /^(permitted|excluded) subtree violation$|^(EE|CA) certificate key too weak$/.test(result?.message ?? '')
  );
}
