// The request by which a member renews over an untrusted transport: a JWS by its current key (RFC 7515), with the PKCS#10
// request for the new key.
import { randomUUID } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate.ts';
import type { Signer } from './jws.ts';
import { clockToleranceMs, type ReplayGuard } from './replay-guard.ts';
import { isMessage, parseMessage } from './signed-message.ts';
import { isTrustedLeaf } from './trusted-path.ts';

const type = 'natspki-renewal+jws';

export interface RequestParts {
  /** The current pair of the member. */
  readonly signer: Signer;
  /** PKCS#10, DER. */
  readonly request: Buffer;
  /** The pin of the authority that the request is for. */
  readonly audience: string;
  readonly now: Date;
}

/** Signs a request; throws `wrong-key-type` for a current key that cannot sign. */
export async function makeRenewalRequest(parts: RequestParts, id: string = randomUUID()): Promise<string> {
  const { signMessage } = await import('./jws.ts');
  const payload = {
    request: parts.request.toString('base64'),
    aud: parts.audience,
    iat: Math.floor(parts.now.getTime() / 1000),
    jti: id,
  };
  return signMessage(payload, parts.signer, type);
}

export interface VerifiedRequest {
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** PKCS#10, DER, not verified. */
  readonly request: Buffer;
}

/**
 * A request that is refused before the authority looks at it. The message is for the member; `detail` is for the log alone.
 */
export class RequestRefused extends NatspkiError {
  override readonly name = 'RequestRefused';
  readonly detail: string;

  constructor(code: string, message: string, detail = message) {
    super(code, message);
    this.detail = detail;
  }
}

export interface RequestPolicy {
  /** The roots and intermediates of the authority; the roots are what a chain has to end in. */
  readonly roots: readonly Certificate[];
  readonly intermediates?: readonly Certificate[];
  /** The pins that a request may be for. */
  readonly audiences: ReadonlySet<string>;
  readonly replays: ReplayGuard;
  readonly now: Date;
}

/**
 * Verifies that the holder of a certificate of this authority made the request, for this authority, now, and for the first
 * time. Throws RequestRefused; a stranger learns nothing but that.
 */
export async function verifyRenewalRequest(text: string, policy: RequestPolicy): Promise<VerifiedRequest> {
  const { roots, intermediates = [], audiences, replays, now } = policy;
  const message = parseMessage(text, type);
  if (message === undefined) throw stranger('malformed', 'the message is not a signed request');
  const { chain } = message;
  const [leaf, ...behind] = chain;
  if (!isTrustedLeaf(leaf, [...behind, ...intermediates], roots)) {
    throw stranger('untrusted', `certificate "${leaf.commonName}" is not of this authority`);
  }
  const { verifyMessage } = await import('./jws.ts');
  const payload = readPayload(await verifyMessage(message));
  if (payload === undefined) {
    throw stranger(
      'bad-signature',
      `the request is not signed by the key of certificate "${leaf.commonName}"`,
    );
  }
  if (!audiences.has(payload.aud)) {
    throw new RequestRefused(
      'other-authority',
      `the request is for another authority, with pin ${payload.aud}`,
    );
  }
  const ahead = payload.iat * 1000 - now.getTime();
  if (Math.abs(ahead) > clockToleranceMs) {
    const [amount, word] = [Math.round(Math.abs(ahead) / 1000), ahead > 0 ? 'ahead of' : 'behind'];
    throw new RequestRefused(
      'clock',
      `the clock of the member is ${amount} seconds ${word} that of the authority`,
    );
  }
  // Certificates of different members may use the same id.
  if (!replays.accept(`${leaf.serial} ${payload.jti}`, leaf.commonName, now)) {
    throw new RequestRefused('replayed', 'the request was sent before');
  }
  return { chain, request: payload.request };
}

interface Payload {
  readonly request: Buffer;
  readonly aud: string;
  readonly iat: number;
  readonly jti: string;
}

const maximumId = 100;

function readPayload(value: unknown): Payload | undefined {
  if (!isMessage(value)) return undefined;
  const { request, aud, iat, jti } = value;
  if (typeof request !== 'string' || typeof aud !== 'string' || typeof jti !== 'string') return undefined;
  if (typeof iat !== 'number' || !Number.isSafeInteger(iat)) return undefined;
  if (jti === '' || jti.length > maximumId || aud.length > maximumId) return undefined;
  return { request: Buffer.from(request, 'base64'), aud, iat, jti };
}

function stranger(code: string, detail: string): RequestRefused {
  return new RequestRefused(code, 'the request is not one of a member', detail);
}
