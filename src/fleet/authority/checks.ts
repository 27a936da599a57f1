// What an authority checks about a request before it signs: the certificate that asks, and the key that it asks for. It
// reads what the ledger says and changes nothing.
import { formatDay } from '../../duration.ts';
import { NatspkiError } from '../../errors.ts';
import { Certificate } from '../../x509/certificate.ts';
import { weaknessOf } from '../../x509/key.ts';
import { type CertificateRequest, readRequest } from '../../x509/request.ts';
import { anchorOf } from '../../x509/trust-anchor.ts';
import type { Refused } from '../decision.ts';
import { isSecretOf } from '../token.ts';
import type { Invitation } from './invitations.ts';
import type { LeafEntry, LedgerIndex } from './ledger-index.ts';

/** What a requester is told that has proved neither to have a key of ours nor a token. */
const strangerAnswer = 'this authority did not issue the certificate';

/** A hash that no secret has, so that an unknown id takes as long as a wrong secret. */
const noHash = '00'.repeat(32);

/** Checks that a secret is that of an invitation; the answer does not say whether there is one with the id. */
export function checkToken(invitation: Invitation | undefined, secret: Buffer): Invitation | Refused {
  if (isSecretOf(secret, invitation?.hash ?? noHash) && invitation !== undefined) return invitation;
  const answer = 'no invitation has this id and secret';
  const reason = invitation === undefined ? 'no such invitation' : 'wrong secret for the invitation';
  return { granted: false, code: 'not-invited', reason, answer };
}

/** Builds a refusal; the requester is told the reason. */
export function refusal(code: Refused['code'], reason: string, name?: string): Refused {
  return { granted: false, code, reason, answer: reason, ...(name === undefined ? {} : { name }) };
}

/** Reads a request, PEM or DER, and checks that it is signed by its own key, which is fit for TLS. */
export function acceptRequest(bytes: Buffer): CertificateRequest | Refused {
  let request: CertificateRequest;
  try {
    request = readRequest(bytes, 'request');
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    return refusal('damaged-request', 'the request is not a PKCS#10 certificate request');
  }
  if (!request.signatureValid) {
    return refusal(
      'bad-request-signature',
      `the request is not signed by its own key (${request.signatureAlgorithm})`,
    );
  }
  const weakness = weaknessOf(request.publicKey);
  if (weakness !== undefined) return refusal('weak-key', `the request has a key of ${weakness}`);
  return request;
}

/** A certificate that asks to be renewed, once it is known to be ours. */
export interface Asking {
  readonly leaf: Certificate;
  readonly name: string;
  readonly newest: LeafEntry;
}

export interface RenewalCheck {
  /** DER; the certificate that asks, then those behind it. */
  readonly chain: readonly Buffer[];
  /** The roots that are still trusted. */
  readonly roots: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly index: LedgerIndex;
  /** The pin of the certificate that signs. */
  readonly issuer: string;
  /** The pin of the key that is asked for, where it could be read. */
  readonly key?: string;
  readonly now: Date;
  /** How long after its end a certificate may still be renewed, in milliseconds. */
  readonly graceMs: number;
}

/**
 * Checks that a certificate may ask: it leads to a root that is still trusted, the ledger has it, and it is neither
 * revoked nor expired. One of a root that was dropped may only ask again for the certificate that replaced it, whose answer
 * was lost: that certificate is of no use without the key that the first request was for. The transport has proved that the requester has its key. The caller compares it with the newest.
 */
export function checkAsking(check: RenewalCheck): Asking | Refused {
  const { index, issuer, key, now, graceMs } = check;
  const unknown = (reason: string): Refused => ({
    ...refusal('unknown-certificate', reason),
    answer: strangerAnswer,
  });
  const [leaf, ...behind] = readChain(check.chain) ?? [];
  if (leaf === undefined) return unknown('the certificate that asks cannot be read');
  const signers = [...behind, ...check.intermediates].filter(({ signsCertificates }) => signsCertificates);
  const issued = index.issued(leaf.serial);
  const newest = index.newest.get(issued?.name ?? '');
  const { pin, serial } = issued?.successor ?? {};
  const asksAgain =
    pin !== undefined && pin === key && serial === newest?.serial && newest?.issuer === issuer;
  if (!asksAgain && anchorOf(leaf, signers, check.roots) === undefined) {
    return unknown(`certificate ${leaf.serial} does not lead to an authority that is trusted here`);
  }
  // A serial number alone proves nothing: a certificate used as an authority could have signed another one with it.
  if (issued === undefined || newest === undefined || issued.pin !== leaf.pin) {
    return unknown(`certificate ${leaf.serial} is not in the ledger`);
  }
  const { name } = issued;
  if (index.isRevoked(leaf.serial) || index.isRevokedKey(leaf.pin)) {
    return refusal('revoked', `certificate ${leaf.serial} of "${name}" is revoked`, name);
  }
  if (now < leaf.notBefore) {
    const day = formatDay(leaf.notBefore);
    return refusal('not-yet-valid', `certificate ${leaf.serial} of "${name}" is valid from ${day} on`, name);
  }
  if (now.getTime() >= leaf.notAfter.getTime() + graceMs) {
    const day = formatDay(leaf.notAfter);
    return refusal('expired', `certificate ${leaf.serial} of "${name}" expired on ${day}`, name);
  }
  return { leaf, name, newest };
}

/** Checks that a key is neither revoked nor certified for another name; its own current key passes. */
export function checkKey(pin: string, name: string, index: LedgerIndex, own?: string): Refused | undefined {
  if (index.isRevokedKey(pin)) {
    return refusal('revoked-key', `the key that "${name}" asks for was revoked`, name);
  }
  const other = index.nameOfKey(pin);
  if (pin === own || other === undefined || other === name) return undefined;
  return {
    ...refusal('foreign-key', `the key that "${name}" asks for is that of "${other}"`, name),
    answer: 'the key is already used for another name',
  };
}

/** Reads a chain; undefined when there is none or one of its certificates is damaged. */
function readChain(chain: readonly Buffer[]): Certificate[] | undefined {
  try {
    return chain.map((der) => new Certificate(der));
  } catch {
    return undefined;
  }
}
