// Makes and signs answers about the status of certificates (OCSP, RFC 6960 section 4.2) with @peculiar/asn1-ocsp, which
// loads slowly: import this file dynamically. It loads sign.ts for what the packages of both need. ocsp-request.ts reads the
// requests.
import './sign.ts';
import { createHash, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import {
  BasicOCSPResponse,
  type CertID,
  CertStatus,
  id_pkix_ocsp_basic,
  id_pkix_ocsp_nonce,
  KeyHash,
  OCSPResponse,
  OCSPResponseStatus,
  ResponderID,
  ResponseBytes,
  ResponseData,
  RevokedInfo,
  SingleResponse,
} from '@peculiar/asn1-ocsp';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  type Certificate as AsnCertificate,
  CRLReason,
  Extension,
} from '@peculiar/asn1-x509';
import { type Certificate, spkiBits } from './certificate.ts';
import { readDer } from './der.ts';
import type { CertificateId } from './ocsp-request.ts';
import { revocationReasons } from './revocation-list.ts';

export type Status =
  | { readonly kind: 'good' | 'unknown' }
  | { readonly kind: 'revoked'; readonly revokedAt: Date; readonly reason?: string };

export interface StatusOf {
  readonly id: CertificateId;
  readonly status: Status;
  readonly thisUpdate: Date;
}

export interface OcspAnswer {
  readonly entries: readonly StatusOf[];
  readonly producedAt: Date;
  readonly nextUpdate: Date;
  readonly nonce: Buffer | undefined;
}

/** Answers with an error are not signed (section 2.3). */
export type OcspError = 'malformedRequest' | 'internalError' | 'tryLater' | 'unauthorized';

const signAsync = promisify(sign);

/** Signs answers with a P-256 key and its delegated certificate. */
export class AnswerSigner {
  readonly #key: KeyObject;
  readonly #id: ResponderID;
  readonly #certificates: AsnCertificate[];

  constructor(certificate: Certificate, key: KeyObject) {
    this.#key = key;
    const keyHash = createHash('sha1').update(spkiBits(certificate.spki)).digest();
    this.#id = new ResponderID({ byKey: new KeyHash(keyHash) });
    this.#certificates = [encoded<AsnCertificate>(certificate.der)];
  }

  /** Returns the DER of an answer; all times are cut to seconds. */
  async sign({ entries, producedAt, nextUpdate, nonce }: OcspAnswer): Promise<Buffer> {
    const data = new ResponseData({
      responderID: this.#id,
      producedAt: seconds(producedAt),
      responses: entries.map(
        ({ id, status, thisUpdate }) =>
          new SingleResponse({
            certID: encoded<CertID>(id.der),
            certStatus: statusOf(status),
            thisUpdate: seconds(thisUpdate),
            nextUpdate: seconds(nextUpdate),
          }),
      ),
      ...(nonce !== undefined && {
        responseExtensions: [
          new Extension({ extnID: id_pkix_ocsp_nonce, extnValue: new OctetString(nonce) }),
        ],
      }),
    });
    const tbs = Buffer.from(AsnConvert.serialize(data));
    const signature = await signAsync('sha256', tbs, this.#key);
    const basic = new BasicOCSPResponse({
      tbsResponseData: encoded<ResponseData>(tbs),
      // ecdsa-with-SHA256 (RFC 5758 section 3.2).
      signatureAlgorithm: new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' }),
      signature: Uint8Array.from(signature).buffer,
      certs: this.#certificates,
    });
    return encode(
      new OCSPResponse({
        responseStatus: OCSPResponseStatus.successful,
        responseBytes: new ResponseBytes({
          responseType: id_pkix_ocsp_basic,
          response: new OctetString(AsnConvert.serialize(basic)),
        }),
      }),
    );
  }
}

/** A SEQUENCE that is encoded already: the serializer copies its content. */
class EncodedSequence extends OctetString {
  override toASN() {
    const block = super.toASN();
    block.idBlock.tagNumber = 16;
    block.idBlock.isConstructed = true;
    return block;
  }
}

/** Stands for a value whose DER is known: parsing a certificate only to encode it again takes most of an answer's time. */
function encoded<T>(der: Buffer): T {
  return new EncodedSequence(readDer(der).content) as unknown as T;
}

/** Returns the DER of an answer that is an error. */
export function errorAnswer(error: OcspError): Buffer {
  return encode(new OCSPResponse({ responseStatus: OCSPResponseStatus[error] }));
}

function encode(response: OCSPResponse): Buffer {
  return Buffer.from(AsnConvert.serialize(response));
}

function statusOf(status: Status): CertStatus {
  if (status.kind !== 'revoked') return new CertStatus({ [status.kind]: null });
  const code = revocationReasons.indexOf(status.reason as (typeof revocationReasons)[number]);
  return new CertStatus({
    revoked: new RevokedInfo({
      revocationTime: seconds(status.revokedAt),
      // `unspecified` is left out, as in a list.
      ...(code > 0 && { revocationReason: new CRLReason(code) }),
    }),
  });
}

function seconds(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000);
}
