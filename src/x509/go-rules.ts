// What Go's crypto/x509 rejects in certificates and keys that OpenSSL accepts. nats-server and most clients are written
// in Go. A certificate that Go rejects counts as missing there, so nothing may depend on it here either.
import { isAscii, isUtf8 } from 'node:buffer';
import type { KeyObject } from 'node:crypto';
import type { Certificate, Extension } from './certificate.ts';
import { readExtensions } from './certificate.ts';
import type { Material } from './decode.ts';
import { DerError, type DerValue, readChildren, readDer, readOid, tags } from './der.ts';
import { keyTypeOf } from './key.ts';

/** How Go judges a certificate. */
export interface GoVerdict {
  /** Why ParseCertificate fails. */
  readonly rejected?: string;
  /** Why it parses, but verifies no signature. */
  readonly unusable?: string;
}

const oids = {
  rsa: '1.2.840.113549.1.1.1',
  rsaPss: '1.2.840.113549.1.1.10',
  ec: '1.2.840.10045.2.1',
  ed25519: '1.3.101.112',
} as const;

/** The elliptic curves that Go has. The first is not one of TLS. */
const goCurves: Readonly<Record<string, string>> = {
  '1.3.132.0.33': 'secp224r1',
  '1.2.840.10045.3.1.7': 'p256',
  '1.3.132.0.34': 'p384',
  '1.3.132.0.35': 'p521',
};
const expectedCurves = 'expected p256, p384 or p521';
/** As asn1 NULL, which RSA keys have as their parameters. */
const nullParameters = '0500';

/** Judges a certificate by the rules of Go (crypto/x509, parser.go). */
export function judgeAsGo(certificate: Certificate): GoVerdict {
  try {
    return judge(certificate);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return { rejected: error.message };
  }
}

function judge(certificate: Certificate): GoVerdict {
  const [tbs, outer] = readChildren(readDer(certificate.der));
  const all = readChildren(tbs);
  const { version } = certificate;
  const fields = all[0]?.tag === 0xa0 ? all.slice(1) : all;
  const [serial, inner, issuer, , subject, spki] = fields as [
    DerValue,
    DerValue,
    DerValue,
    DerValue,
    DerValue,
    DerValue,
  ];
  if (version > 3) return { rejected: `its version is ${version}, expected 3 or less` };
  if ((serial.content[0] ?? 0) & 0x80) return { rejected: 'its serial number is negative' };
  if (outer === undefined || !inner.content.equals(outer.content)) {
    return { rejected: 'it names one signature algorithm inside and another one outside' };
  }
  for (const name of [issuer, subject]) {
    const fault = faultOfName(name);
    if (fault !== undefined) return { rejected: fault };
  }
  const key = judgeKey(spki, certificate);
  if (key.rejected !== undefined) return key;
  if (version === 3) {
    const fault =
      faultOfExtensions(readExtensions(fields.find(({ tag }) => tag === 0xa3))) ??
      faultOfPolicies(certificate.policies);
    if (fault !== undefined) return { rejected: fault };
  }
  return key;
}

function faultOfName(name: DerValue): string | undefined {
  for (const part of readChildren(name)) {
    for (const attribute of readChildren(part, tags.set)) {
      const value = readChildren(attribute)[1];
      const fault = value === undefined ? 'a name in it has no value' : faultOfString(value);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

/** Checks a string in a name (parseASN1String). */
function faultOfString({ tag, content }: DerValue): string | undefined {
  const text = content.toString('latin1');
  switch (tag) {
    case tags.utf8String:
      return isUtf8(content) ? undefined : 'a name in it is not UTF-8';
    case 0x13:
      return /^[A-Za-z0-9 '()+,\-./:=?*&]*$/.test(text)
        ? undefined
        : 'a name in it has characters that a PrintableString does not allow';
    case 0x16:
      return isAscii(content) ? undefined : 'a name in it is not ASCII';
    case 0x12:
      return /^[0-9 ]*$/.test(text) ? undefined : 'a name in it has more than digits in a NumericString';
    case 0x14:
      return undefined;
    case 0x1e:
      return content.length % 2 === 0 ? undefined : 'a name in it is half a BMPString';
    default:
      return `a name in it has the string type 0x${tag.toString(16)}, which Go does not read`;
  }
}

/** Checks a public key (parsePublicKey). */
function judgeKey(spki: DerValue, certificate: Certificate): GoVerdict {
  const [algorithm, point] = readChildren(spki);
  const [id, parameters] = readChildren(algorithm);
  const oid = readOid(id);
  switch (oid) {
    case oids.rsa:
      return parameters?.raw.toString('hex') === nullParameters
        ? {}
        : { rejected: 'its RSA key has no NULL parameters' };
    case oids.ec: {
      const curve = curveOf(parameters);
      if (curve === undefined) return { rejected: explicitCurve };
      if (curve === '') return { rejected: `its key is on ${certificate.keyType}, ${expectedCurves}` };
      if (point?.content[1] !== 4) return { rejected: 'its public key is a compressed point' };
      return curve === 'secp224r1' ? { unusable: `its key is on ${curve}, ${expectedCurves}` } : {};
    }
    case oids.ed25519:
      return parameters === undefined ? {} : { rejected: 'its Ed25519 key has parameters' };
    case oids.rsaPss:
      return { unusable: 'its key is of the type RSA-PSS, expected plain RSA' };
    default:
      return { unusable: `its key is of the type ${certificate.keyType}, expected EC, Ed25519 or RSA` };
  }
}

const explicitCurve = 'its key spells out explicit curve parameters, expected the name of a curve';

/** Names the curve; empty for one that Go does not have, undefined for one that is not named. */
function curveOf(parameters: DerValue | undefined): string | undefined {
  if (parameters?.tag !== tags.oid) return undefined;
  return goCurves[readOid(parameters)] ?? '';
}

const notCritical: Readonly<Record<string, string>> = {
  '2.5.29.14': 'subject key identifier',
  '2.5.29.35': 'authority key identifier',
  '1.3.6.1.5.5.7.1.1': 'authority information access',
};

function faultOfExtensions(extensions: ReadonlyMap<string, Extension>): string | undefined {
  for (const [oid, name] of Object.entries(notCritical)) {
    if (extensions.get(oid)?.critical) return `its ${name} is marked critical, which it must not be`;
  }
  // Throws DerError where an entry is no sequence that begins with an object identifier.
  const access = extensions.get('1.3.6.1.5.5.7.1.1');
  for (const entry of access === undefined ? [] : readChildren(readDer(access.value))) {
    readOid(readChildren(entry)[0]);
  }
  const names = extensions.get('2.5.29.17');
  if (names === undefined) return undefined;
  for (const { tag, content } of readChildren(readDer(names.value))) {
    const text = content.toString('latin1');
    if ([0x81, 0x82, 0x86].includes(tag) && !isAscii(content)) {
      return `its alternative name ${JSON.stringify(text)} is not ASCII`;
    }
    if (tag === 0x86 && !isGoUrl(text))
      return `its alternative name is not a valid URI: ${JSON.stringify(text)}`;
  }
  return undefined;
}

function faultOfPolicies(policies: readonly string[]): string | undefined {
  const twice = policies.find((policy, index) => policies.indexOf(policy) !== index);
  return twice && `it has the certificate policy ${twice} twice`;
}

/** Tells whether Go's url.Parse takes a URI, and crypto/x509 the host in it. */
function isGoUrl(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: url.Parse rejects them.
  if (/[\x00-\x1f\x7f]/.test(text) || /%(?![0-9A-Fa-f]{2})/.test(text.replace(/\?.*$/s, ''))) return false;
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) return !/^[^/?#]*:/.test(text);
  const authority = /^\/\/([^/?#]*)/.exec(rest)?.[1];
  if (authority === undefined) return true;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (host === '') return true;
  if (host.startsWith('[')) return /^\[[^[\]]+\](:\d*)?$/.test(host);
  if (/[\s"<>[\]\\^`{|}]/.test(host) || !/^[^:]*(:\d*)?$/.test(host)) return false;
  return !host.endsWith('.') && !/^\.|\.\./.test(host.replace(/:\d*$/, ''));
}

/** Go's crypto/rsa takes no larger public exponent. */
const largestExponent = 2n ** 31n - 1n;
const smallestRsa = 1024;

/**
 * Says why Go cannot use a private key for TLS (crypto/tls, parsePrivateKey), such as `on secp256k1, expected p256, p384 or
 * p521`; undefined when it can.
 */
export function unusableInGo({ der, form }: Material, key: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < smallestRsa) return `RSA with ${modulusLength} bits, expected 2048 or more`;
      return publicExponent > largestExponent
        ? `RSA with the public exponent ${publicExponent}, expected 65537`
        : undefined;
    case 'ec': {
      const parameters = curveParameters(der, form);
      if (parameters === undefined) return undefined;
      const curve = curveOf(parameters);
      if (curve === undefined) return 'with explicit curve parameters, expected the name of a curve';
      return curve === '' ? `on ${keyTypeOf(key)}, ${expectedCurves}` : undefined;
    }
    case 'ed25519':
      return undefined;
    case 'rsa-pss':
      return 'of the type RSA-PSS, expected plain RSA';
    default:
      return `of the type ${keyTypeOf(key)}, expected EC, Ed25519 or RSA`;
  }
}

/** Finds the parameters of an EC key: PKCS#8 has them in its algorithm, SEC 1 in [0]. */
function curveParameters(der: Buffer, form: Material['form']): DerValue | undefined {
  const outer = readChildren(readDer(der));
  if (form === 'pkcs8') return readChildren(outer[1])[1];
  const tagged = outer.find(({ tag }) => tag === 0xa0);
  return tagged && readChildren(tagged, 0xa0)[0];
}
