// Lists the contents of a file of X.509 material as values for printing, without private values.
import { given } from '../../given.ts';
import { Certificate } from '../../x509/certificate.ts';
import { type Material, readMaterial, wrapDerErrors } from '../../x509/decode.ts';
import { formatName } from '../../x509/distinguished-name.ts';
import { keyTypeOf, openPrivateKey, openPublicKey } from '../../x509/key.ts';
import { formatSan } from '../../x509/name.ts';
import { describeConstraints } from '../../x509/name-constraints.ts';
import { type Pin, spkiPin } from '../../x509/pin.ts';
import { readRequestDer } from '../../x509/request.ts';
import { type RevokedCertificate, readRevocationList } from '../../x509/revocation-list.ts';

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
  /** `permitted dns:.internal`; empty without any. */
  readonly nameConstraints: readonly string[];
  readonly keyUsage: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  /** URLs of the OCSP responders and revocation lists that it names. */
  readonly ocspUrls: readonly string[];
  readonly crlUrls: readonly string[];
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
  /** Absent when the key is encrypted. */
  readonly keyType?: string;
  readonly encrypted: boolean;
  readonly pin?: Pin;
}
export interface InspectedRevocationList {
  readonly kind: 'revocation-list';
  readonly issuer: string;
  /** Decimal. */
  readonly number?: string;
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date;
  readonly signatureAlgorithm: string;
  readonly authorityKeyId?: string;
  readonly revoked: readonly RevokedCertificate[];
}
export type Inspected = InspectedCertificate | InspectedRequest | InspectedKey | InspectedRevocationList;

/**
 * Reads everything in a file, PEM (any number of blocks) or DER, in the order of the file.
 * @param source the name of the file, for errors
 */
export function inspect(bytes: Buffer, source: string): Inspected[] {
  return readMaterial(bytes, source).map((material) => {
    switch (material.kind) {
      case 'certificate':
        return inspectCertificate(wrapDerErrors('certificate', source, () => new Certificate(material.der)));
      case 'request':
        return inspectRequest(material.der, source);
      case 'revocation-list':
        return inspectRevocationList(material.der, source);
      default:
        return inspectKey(material, material.kind, source);
    }
  });
}

function inspectCertificate(certificate: Certificate): InspectedCertificate {
  const { pathLength, subjectKeyId, authorityKeyId } = certificate;
  return {
    kind: 'certificate',
    subject: formatName(certificate.subject),
    issuer: formatName(certificate.issuer),
    serial: certificate.serial,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    keyType: certificate.keyType,
    signatureAlgorithm: certificate.signatureAlgorithm,
    sans: [...certificate.sans.map(formatSan), ...certificate.otherNames],
    nameConstraints: describeConstraints(certificate.nameConstraints),
    authority: certificate.authority,
    ...given({ pathLength }),
    keyUsage: certificate.keyUsage ?? [],
    extendedKeyUsage: certificate.extendedKeyUsage ?? [],
    ocspUrls: certificate.addresses.ocsp,
    crlUrls: certificate.addresses.crl,
    ...given({ subjectKeyId, authorityKeyId }),
    pin: certificate.pin,
    fingerprint: certificate.fingerprint,
  };
}

function inspectRequest(der: Buffer, source: string): InspectedRequest {
  const request = readRequestDer(der, source);
  return {
    kind: 'request',
    subject: formatName(request.subject),
    sans: [...request.sans.map(formatSan), ...request.otherNames],
    keyType: keyTypeOf(request.publicKey),
    signatureAlgorithm: request.signatureAlgorithm,
    signatureValid: request.signatureValid,
    pin: request.pin,
  };
}

function inspectKey(material: Material, kind: InspectedKey['kind'], source: string): InspectedKey {
  if (material.encryption !== undefined) return { kind, encrypted: true };
  const key = kind === 'private-key' ? openPrivateKey(material, source) : openPublicKey(material, source);
  return { kind, encrypted: false, keyType: keyTypeOf(key), pin: spkiPin(key) };
}

function inspectRevocationList(der: Buffer, source: string): InspectedRevocationList {
  const list = readRevocationList(der, source);
  const { thisUpdate, nextUpdate, signatureAlgorithm, authorityKeyId, revoked } = list;
  return {
    kind: 'revocation-list',
    issuer: formatName(list.issuer),
    ...given({ number: list.number?.toString() }),
    thisUpdate,
    ...given({ nextUpdate }),
    signatureAlgorithm,
    ...given({ authorityKeyId }),
    revoked,
  };
}
