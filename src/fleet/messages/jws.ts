// Signs and verifies messages of the fleet as JWS (RFC 7515, flattened JSON) with jose. The package loads slowly, so import
// this file dynamically. Private keys are passed as KeyObjects and never encoded.
import { type KeyObject, X509Certificate } from 'node:crypto';
import { FlattenedSign, flattenedVerify } from 'jose';
import { NatspkiError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { keyTypeOf } from '../../x509/key.ts';
import { isMessage, type SignedMessage } from './signed-message.ts';

/** A private key, and its certificate followed by those behind it. */
export interface Signer {
  readonly key: KeyObject;
  readonly chain: readonly Certificate[];
}

/** The algorithms (RFC 7518 section 3.1, RFC 8037) that a key may have signed with; natspki signs with the first. */
function algorithmsOf(key: KeyObject): readonly string[] {
  switch (keyTypeOf(key)) {
    case 'p256':
      return ['ES256'];
    case 'p384':
      return ['ES384'];
    case 'p521':
      return ['ES512'];
    case 'ed25519':
      return ['EdDSA', 'Ed25519'];
    default:
      return key.asymmetricKeyType === 'rsa' ? ['PS256', 'RS256'] : [];
  }
}

/**
 * Signs a payload, with the chain of the signer in the protected header. Throws `wrong-key-type` for a key that cannot sign.
 * @param type the `typ` of the message, so that one kind of message is never taken for another
 */
export async function signMessage(payload: object, signer: Signer, type: string): Promise<string> {
  const [alg] = algorithmsOf(signer.key);
  if (alg === undefined) {
    throw new NatspkiError('wrong-key-type', `a key of type ${keyTypeOf(signer.key)} cannot sign a message`);
  }
  const message = await new FlattenedSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg, typ: type, x5c: signer.chain.map(({ der }) => der.toString('base64')) })
    .sign(signer.key);
  return JSON.stringify(message);
}

/** Returns the payload of a message if the key of its first certificate signed it; undefined otherwise. */
export async function verifyMessage(message: SignedMessage): Promise<unknown> {
  try {
    const { publicKey } = new X509Certificate(message.chain[0].der);
    const { payload } = await flattenedVerify(message.jws, publicKey, {
      algorithms: [...algorithmsOf(publicKey)],
    });
    const value: unknown = JSON.parse(Buffer.from(payload).toString());
    return isMessage(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
