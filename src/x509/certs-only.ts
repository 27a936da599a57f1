// Reads certs-only messages, in which EST answers (RFC 7030 section 4.1.3). sign.ts writes them.
import { Certificate } from './certificate.ts';
import { wrapDerErrors } from './decode.ts';
import { DerError, readChildren, readDer, readOid } from './der.ts';

const signedData = '1.2.840.113549.1.7.2';

/** More certificates than any chain or trust bundle has. */
const maximumCertificates = 32;

/**
 * Reads the certificates of CMS SignedData without a signer (RFC 5652 section 5.1), in DER. Their order means nothing: they
 * are a set. Throws `damaged-certificate`.
 * @param source where it came from, for errors
 */
export function readCertsOnly(der: Buffer, source: string): Certificate[] {
  return wrapDerErrors('certificate', source, () => {
    const [type, content] = readChildren(readDer(der));
    if (readOid(type) !== signedData) throw new DerError('it is not SignedData');
    const fields = readChildren(readChildren(content, 0xa0)[0]);
    const set = fields.find(({ tag }) => tag === 0xa0);
    const certificates = set === undefined ? [] : readChildren(set, 0xa0);
    if (certificates.length > maximumCertificates) throw new DerError('too many certificates');
    return certificates.map(({ raw }) => new Certificate(raw));
  });
}
