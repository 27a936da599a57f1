// What a file of X.509 material holds, as values for printing. Never a private value.
import type { Pin } from '../x509/pin.ts';

export interface InspectedCertificate {
  readonly kind: 'certificate';
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly keyType: string;
  readonly signatureAlgorithm: string;
  readonly sans: readonly string[];
  readonly authority: boolean;
  readonly pathLength?: number;
  readonly keyUsage: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
  readonly pin: Pin;
  /** SHA-256 of the whole certificate, lower-case hex. */
  readonly fingerprint: string;
}
export interface InspectedRequest {
  readonly kind: 'request';
  readonly subject: string;
  readonly sans: readonly string[];
  readonly keyType: string;
  readonly signatureAlgorithm: string;
  readonly signatureValid: boolean;
  readonly pin: Pin;
}
export interface InspectedKey {
  readonly kind: 'private-key' | 'public-key';
  /** Absent while the key is encrypted. */
  readonly keyType?: string;
  readonly encrypted: boolean;
  readonly pin?: Pin;
}
export interface InspectedRevocationList {
  readonly kind: 'revocation-list';
  readonly issuer: string;
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date;
  readonly signatureAlgorithm: string;
  readonly revoked: readonly { serial: string; revokedAt: Date; reason?: string }[];
}
export type Inspected = InspectedCertificate | InspectedRequest | InspectedKey | InspectedRevocationList;

/**
 * Reads everything in a file, PEM (any number of blocks) or DER, in its order.
 * @param source the name of the file, for errors
 */
export function inspect(_bytes: Buffer, _source: string): Inspected[] {
  throw new Error('not yet');
}
