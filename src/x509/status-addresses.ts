// Where a peer asks whether a certificate is revoked: the OCSP responders (RFC 5280 section 4.2.2.1) and the revocation
// lists (section 4.2.1.13) that the certificate names.
import { type DerValue, expectTag, readChildren, readDer, readOid } from './der.ts';

export interface StatusAddresses {
  /** URLs of OCSP responders. */
  readonly ocsp: readonly string[];
  /** URLs of revocation lists. */
  readonly crl: readonly string[];
}

export const noAddresses: StatusAddresses = { ocsp: [], crl: [] };

/** The object identifiers of the two extensions. */
export const addressExtensions = { ocsp: '1.3.6.1.5.5.7.1.1', crl: '2.5.29.31' } as const;

const ocspMethod = '1.3.6.1.5.5.7.48.1';
const uriTag = 0x86;

/** The most characters of a URL: with the encoded question behind it, some HTTP caches cut at 255 (RFC 5019 section 5). */
const maximumLength = 160;

/** Returns the OCSP addresses of an authority information access extension; throws DerError. */
export function readOcspAddresses(value: Buffer): string[] {
  return readChildren(readDer(value)).flatMap((description) => {
    const [method, location] = readChildren(description);
    return readOid(method) === ocspMethod ? uriOf(location) : [];
  });
}

/** Returns the addresses of a CRL distribution points extension; throws DerError. */
export function readListAddresses(value: Buffer): string[] {
  return readChildren(readDer(value)).flatMap((point) => {
    const name = readChildren(point).find(({ tag }) => tag === 0xa0);
    if (name === undefined) return [];
    const [full] = readChildren(name, 0xa0);
    return full?.tag === 0xa0 ? readChildren(full, 0xa0).flatMap(uriOf) : [];
  });
}

function uriOf(name: DerValue | undefined): string[] {
  if (name?.tag !== uriTag) return [];
  expectTag(name, uriTag);
  return [name.content.toString('latin1')];
}

/**
 * Returns why a certificate cannot name a URL, and one that it can name instead if there is one; undefined when it can.
 * Only http: a peer that asks over TLS would have to verify the responder's certificate first (RFC 5280 section 8).
 */
export function faultOfAddress(
  text: string,
): { readonly fault: string; readonly better?: string } | undefined {
  if (!/^[\x21-\x7e]*$/.test(text)) return { fault: 'it has characters outside of visible ASCII' };
  if (text.length > maximumLength)
    return { fault: `it has ${text.length} characters, at most ${maximumLength} are allowed` };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^[a-z]+:\/\//i.test(text)) {
    const better = `http://${text}`;
    return { fault: 'it is not a URL', ...(URL.canParse(better) && text !== '' && { better }) };
  }
  if (url.protocol !== 'http:') {
    const better = text.replace(/^[a-z]+:/i, 'http:');
    return { fault: `it is ${url.protocol}//, and peers ask over http:// only`, better };
  }
  if (url.username !== '' || url.password !== '') return { fault: 'it has a user' };
  if (url.hash !== '' || url.search !== '') return { fault: 'it has a query or a fragment' };
  return undefined;
}
