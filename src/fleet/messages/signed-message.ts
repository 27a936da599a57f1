// Reads the outside of a signed message (RFC 7515, flattened JSON): its type and the chain of its signer. Nothing in it is
// verified; jws.ts does that.
import { Certificate } from '../../x509/certificate.ts';

/** A message whose signature is not verified yet. */
export interface SignedMessage {
  readonly jws: { readonly payload: string; readonly protected: string; readonly signature: string };
  /** The certificates in `x5c`, that of the signer first. */
  readonly chain: readonly [Certificate, ...Certificate[]];
}

/** In bytes; a chain of RSA certificates with a request is far smaller. */
export const maximumMessage = 64 * 1024;
const maximumChain = 8;

/** Parses a message of a type; undefined for anything else. */
export function parseMessage(text: string, type: string): SignedMessage | undefined {
  if (text.length > maximumMessage) return undefined;
  try {
    const jws: unknown = JSON.parse(text);
    if (!isMessage(jws)) return undefined;
    const { payload, protected: header, signature } = jws;
    if (typeof payload !== 'string' || typeof header !== 'string' || typeof signature !== 'string')
      return undefined;
    const { typ, x5c } = JSON.parse(Buffer.from(header, 'base64url').toString());
    if (typ !== type || !Array.isArray(x5c) || x5c.length > maximumChain) return undefined;
    const [signer, ...others] = x5c.map((each) => new Certificate(Buffer.from(String(each), 'base64')));
    return signer && { jws: { payload, protected: header, signature }, chain: [signer, ...others] };
  } catch {
    return undefined;
  }
}

/** Returns whether a parsed value is a JSON object. */
export function isMessage(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
