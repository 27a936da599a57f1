// Files that openssl and other tools produce, ordinary and unusual ones, for tests that compare how programs judge them.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeAuthority, makeIntermediate, makeLeaf, openssl, opensslBytes } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

export const scratch = testFolder('files-as-go');
const ca = makeAuthority(scratch);
const sub = makeIntermediate(scratch, 'sub', ca);
const server = makeLeaf(scratch, 'server', ca);
const below = makeLeaf(scratch, 'below', sub);
const other = makeLeaf(scratch, 'other', ca);
const second = makeAuthority(scratch, 'second');
const old = makeAuthority(scratch, 'old');
const pem = (path: string) => readFileSync(path);
const text = (path: string) => readFileSync(path, 'latin1');

/** The files of a tls block in a folder of their own, valid unless a case replaces them. */
export interface Block {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}
export type Content = string | Buffer;

export interface Case {
  readonly name: string;
  /** Replaces files of the block. */
  readonly change: (block: Block) => { cert?: Content; key?: Content; ca?: Content };
  /** What an error or a warning of check says about it; undefined where nothing is wrong. */
  readonly says?: RegExp;
}

const bom = Buffer.from([0xef, 0xbb, 0xbf]);
const withBom = (content: string) => Buffer.concat([bom, Buffer.from(content, 'latin1')]);
const utf16 = (content: string, order: 'le' | 'be', mark: boolean) => {
  const bytes = Buffer.from((mark ? '\ufeff' : '') + content, 'utf16le');
  return order === 'le' ? bytes : bytes.swap16();
};
const relabeled = (content: string, from: string, to: string) => content.replaceAll(from, to);
const glued = (a: string, b: string) => a.trimEnd() + b;
const oneLine = (content: string) =>
  content.replace(
    /(-----BEGIN [A-Z ]+-----\n)([^-]+)\n(-----END)/g,
    (_, begin, body, end) => `${begin}${(body as string).replaceAll('\n', '')}\n${end}`,
  );
const withHeader = (content: string) => content.replace(/(-----BEGIN [A-Z ]+-----\n)/, '$1Comment: x\n\n');

/** Signs a certificate for a key with extensions in openssl's syntax. */
function signed(
  { folder }: Block,
  key: string,
  extensions: string,
  options: string[] = [],
  issuer = ca,
): string {
  const [request, file] = [join(folder, 's.csr'), join(folder, 's.ext')];
  writeFileSync(file, extensions);
  openssl('req', '-new', '-key', key, '-subj', '/CN=localhost', '-out', request, '-config', emptyConfig);
  return openssl(
    ...['x509', '-req', '-in', request, '-CA', issuer.cert, '-CAkey', issuer.key],
    ...['-days', '30', '-extfile', file, ...options],
  );
}
const emptyConfig = join(scratch, 'openssl.cnf');
writeFileSync(emptyConfig, '[req]\ndistinguished_name=dn\n[dn]\n');

const san = 'subjectAltName=DNS:localhost,IP:127.0.0.1\n';

/** Makes a pair with a key of another kind. */
function keyed(block: Block, make: (out: string) => void, extensions = san, options: string[] = []) {
  const key = join(block.folder, 'made.key');
  make(key);
  return { key: pem(key), cert: signed(block, key, extensions, options) };
}
const genpkey =
  (...options: string[]) =>
  (out: string) =>
    openssl('genpkey', ...options, '-out', out);
const curve = (name: string, encoding = 'named_curve') =>
  genpkey(
    ...['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${name}`],
    ...['-pkeyopt', `ec_param_enc:${encoding}`],
  );
const rsa = (bits: number, ...more: string[]) =>
  genpkey('-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`, ...more);

/** Makes a self-signed authority with a key of another kind. */
function authorityOf(block: Block, make: (out: string) => void, ...options: string[]): string {
  const key = join(block.folder, 'authority.key');
  make(key);
  return openssl(
    ...['req', '-x509', '-key', key, '-subj', '/CN=x', '-days', '30', '-config', emptyConfig],
    ...['-addext', 'basicConstraints=critical,CA:TRUE', ...options],
  );
}

/** Replaces bytes in the DER of the first certificate, which breaks its signature: nobody checks that at the start. */
function edited(content: string, from: Buffer, to: Buffer): string {
  const der = Buffer.from(content.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  const at = der.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new Error('the bytes are not there');
  to.copy(der, at);
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}

const leaf = () => text(server.cert);
/** The authority that has signed the usual certificate. */
export const root = () => text(ca.cert);
const keyText = () => text(server.key);
const der = (path: string) => opensslBytes('x509', '-in', path, '-outform', 'DER');
const keyDer = (path: string) => opensslBytes('pkey', '-in', path, '-outform', 'DER');
const pkcs12 = () =>
  opensslBytes('pkcs12', '-export', '-in', server.cert, '-inkey', server.key, '-passout', 'pass:x');
const pkcs7 = (...files: string[]) =>
  openssl('crl2pkcs7', '-nocrl', ...files.flatMap((file) => ['-certfile', file]));
const trusted = (path: string) => openssl('x509', '-in', path, '-trustout', '-addtrust', 'serverAuth');
const request = () => openssl('req', '-new', '-key', server.key, '-subj', '/CN=x', '-config', emptyConfig);
/** Re-encodes the key. */
const rekeyed = (...options: string[]) => openssl('pkey', '-in', server.key, ...options);
const crossSigned = ({ folder }: Block, days: string) => {
  const [csr, ext] = [join(folder, 'r.csr'), join(folder, 'r.ext')];
  writeFileSync(ext, 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=none\n');
  openssl('req', '-new', '-key', ca.key, '-subj', '/CN=ca', '-out', csr, '-config', emptyConfig);
  return openssl(
    ...['x509', '-req', '-in', csr, '-CA', old.cert, '-CAkey', old.key, '-set_serial', '7'],
    ...['-days', days, '-extfile', ext],
  );
};
const signedSub = ({ folder }: Block, days: string) => {
  const [csr, ext] = [join(folder, 'u.csr'), join(folder, 'u.ext')];
  writeFileSync(ext, 'basicConstraints=critical,CA:TRUE\n');
  openssl('req', '-new', '-key', sub.key, '-subj', '/CN=sub', '-out', csr, '-config', emptyConfig);
  return openssl(
    ...['x509', '-req', '-in', csr, '-CA', ca.cert, '-CAkey', ca.key, '-days', days, '-extfile', ext],
  );
};

const of = (name: string, change: Case['change'], says?: RegExp): Case => ({
  name,
  change,
  ...(says === undefined ? {} : { says }),
});

export const encodings = [
  of('the plain files', () => ({})),
  of('DER as ca_file', () => ({ ca: der(ca.cert) }), /DER/),
  of('DER as cert_file', () => ({ cert: der(server.cert) }), /DER/),
  of('DER as key_file', () => ({ key: keyDer(server.key) }), /DER/),
  of('PKCS#12 as cert_file', () => ({ cert: pkcs12() }), /PKCS#12/),
  of('PKCS#12 as key_file', () => ({ key: pkcs12() }), /PKCS#12/),
  of('PKCS#12 as ca_file', () => ({ ca: pkcs12() }), /PKCS#12/),
  of('PKCS#7 as ca_file', () => ({ ca: pkcs7(ca.cert) }), /PKCS#7/),
  of(
    'PKCS#7 in DER as ca_file',
    () => ({
      ca: opensslBytes('crl2pkcs7', '-nocrl', '-certfile', ca.cert, '-outform', 'DER'),
    }),
    /PKCS#7/,
  ),
  of('PKCS#7 as cert_file', () => ({ cert: pkcs7(server.cert, ca.cert) }), /PKCS#7/),
  of('PKCS#7 beside an authority', () => ({ ca: root() + pkcs7(second.cert) }), /PKCS#7/),
  of('a Java key store', () => ({ ca: Buffer.from('feedfeed0000000200000001', 'hex') }), /Java/),
  of('a BOM before the only authority', () => ({ ca: withBom(root()) }), /byte order mark/),
  of(
    'a BOM before the first of two authorities',
    () => ({ ca: withBom(root() + text(second.cert)) }),
    /byte order mark/,
  ),
  of(
    'a BOM in the middle of a bundle',
    () => ({
      ca: Buffer.concat([pem(second.cert), withBom(root())]),
    }),
    /byte order mark/,
  ),
  of('a BOM before the certificate', () => ({ cert: withBom(leaf()) }), /byte order mark/),
  of('a BOM before the key', () => ({ key: withBom(keyText()) }), /byte order mark/),
  of('a BOM and an empty line before the key', () => ({ key: withBom(`\n${keyText()}`) })),
  ...(['le', 'be'] as const).flatMap((order) =>
    [true, false].flatMap((mark) => [
      of(
        `UTF-16${order} ${mark ? 'with' : 'without'} a mark as ca_file`,
        () => ({ ca: utf16(root(), order, mark) }),
        /UTF-16/,
      ),
      of(
        `UTF-16${order} ${mark ? 'with' : 'without'} a mark as key_file`,
        () => ({ key: utf16(keyText(), order, mark) }),
        /UTF-16/,
      ),
    ]),
  ),
  of('UTF-16 as cert_file', () => ({ cert: utf16(leaf(), 'le', true) }), /UTF-16/),
  of('the line ends of Windows', () => ({
    cert: leaf().replaceAll('\n', '\r\n'),
    key: keyText().replaceAll('\n', '\r\n'),
    ca: root().replaceAll('\n', '\r\n'),
  })),
  of('CR as the line end of ca_file', () => ({ ca: root().replaceAll('\n', '\r') }), /carriage return/),
  of('CR as the line end of cert_file', () => ({ cert: leaf().replaceAll('\n', '\r') }), /carriage return/),
  of('CR as the line end of key_file', () => ({ key: keyText().replaceAll('\n', '\r') }), /carriage return/),
  of('no line end at the end', () => ({
    ca: root().trimEnd(),
    key: keyText().trimEnd(),
    cert: leaf().trimEnd(),
  })),
  of('two authorities glued together', () => ({ ca: glued(root(), text(second.cert)) }), /same line/),
  of('a leaf and its issuer glued together', () => ({ cert: glued(leaf(), root()) }), /same line/),
  of(
    'two of three authorities glued together',
    () => ({
      ca: glued(root(), text(second.cert)) + text(old.cert),
    }),
    /same line/,
  ),
  of('text right before BEGIN', () => ({ ca: `ca: ${root()}` }), /same line/),
  of('an indented block', () => ({ ca: root().replace(/^/gm, '  ') }), /same line|indented/),
  of('an indented END line', () => ({ ca: root().replace('-----END', '  -----END') }), /not the END/),
  of('a base64 body in one line', () => ({
    ca: oneLine(root()),
    cert: oneLine(leaf()),
    key: oneLine(keyText()),
  })),
  of('spaces in the base64 and after the lines', () => ({
    ca: root()
      .replaceAll(/^(MII\w)/gm, '$1 ')
      .replaceAll('\n', ' \t\n'),
  })),
  of('empty lines in the base64', () => ({ ca: root().replace(/\n(?=[A-Za-z0-9+/]{64}\n)/g, '\n\n') })),
  of('a header in the authority', () => ({ ca: withHeader(root()) }), /header/),
  of('a header in one of two authorities', () => ({ ca: text(second.cert) + withHeader(root()) }), /header/),
  of('a header in the certificate', () => ({ cert: withHeader(leaf()) })),
  of('a header in the key', () => ({ key: withHeader(keyText()) })),
  of(
    'X509 CERTIFICATE as ca_file',
    () => ({ ca: relabeled(root(), 'CERTIFICATE', 'X509 CERTIFICATE') }),
    /X509 CERTIFICATE/,
  ),
  of(
    'X509 CERTIFICATE as cert_file',
    () => ({ cert: relabeled(leaf(), 'CERTIFICATE', 'X509 CERTIFICATE') }),
    /X509 CERTIFICATE/,
  ),
  of('TRUSTED CERTIFICATE as ca_file', () => ({ ca: trusted(ca.cert) }), /TRUSTED CERTIFICATE/),
  of('TRUSTED CERTIFICATE as cert_file', () => ({ cert: trusted(server.cert) }), /TRUSTED CERTIFICATE/),
  of(
    'TRUSTED CERTIFICATE beside an authority',
    () => ({ ca: root() + trusted(second.cert) }),
    /TRUSTED CERTIFICATE/,
  ),
  of('text around the blocks', () => ({
    ca: openssl('x509', '-in', ca.cert, '-text'),
    cert: `x\n${leaf()}y\n`,
  })),
  of('an empty ca_file', () => ({ ca: '' }), /empty/),
  of('text as ca_file', () => ({ ca: 'nothing\n' }), /"ca.pem"/),
  of('a key as ca_file', () => ({ ca: keyText() }), /private key/),
  of('a key as cert_file', () => ({ cert: keyText() }), /private key/),
  of('a certificate as key_file', () => ({ key: leaf() }), /certificate/),
  of('a request as cert_file', () => ({ cert: request() }), /request/),
  of('certificate and key in one file', () => ({ cert: leaf() + keyText(), key: leaf() + keyText() })),
  of(
    'a revocation list as ca_file',
    () => ({ ca: '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n' }),
    /revocation/,
  ),
];

export const keys = [
  ...['prime256v1', 'secp384r1', 'secp521r1'].map((name) =>
    of(`a key on ${name}`, (block) => keyed(block, curve(name))),
  ),
  ...['secp224r1', 'secp256k1', 'brainpoolP256r1', 'prime192v1', 'sect233k1'].map((name) =>
    of(`a key on ${name}`, (block) => keyed(block, curve(name)), new RegExp(name)),
  ),
  of(
    'explicit parameters in the key and its certificate',
    (block) => keyed(block, curve('prime256v1', 'explicit')),
    /explicit/,
  ),
  of(
    'explicit parameters in the key alone',
    () => ({
      key: openssl('ec', '-in', server.key, '-param_enc', 'explicit'),
    }),
    /explicit/,
  ),
  of(
    'explicit parameters in the key alone, in PKCS#8',
    () => ({
      key: rekeyed('-ec_param_enc', 'explicit'),
    }),
    /explicit/,
  ),
  of('a key without the curve', () => ({ key: openssl('ec', '-in', server.key) })),
  of('curve parameters before the key', ({ folder }) => {
    const out = join(folder, 'ec.key');
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-out', out);
    return { key: pem(out), cert: signed({ folder } as Block, out, san) };
  }),
  of('an Ed25519 key', (block) => keyed(block, genpkey('-algorithm', 'ED25519'))),
  of('an Ed448 key', (block) => keyed(block, genpkey('-algorithm', 'ED448')), /ed448/i),
  of(
    'an RSA-PSS key',
    (block) => keyed(block, genpkey('-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048')),
    /RSA-PSS/,
  ),
  of(
    'a DSA key',
    (block) =>
      keyed(block, (out) => {
        const parameters = join(block.folder, 'dsa.pem');
        openssl(
          'genpkey',
          '-genparam',
          '-algorithm',
          'DSA',
          '-pkeyopt',
          'dsa_paramgen_bits:1024',
          '-out',
          parameters,
        );
        openssl('genpkey', '-paramfile', parameters, '-out', out);
      }),
    /dsa/i,
  ),
  of('an RSA key of 2048 bits', (block) => keyed(block, rsa(2048))),
  of('an RSA key in PKCS#1', (block) => {
    const { key, cert } = keyed(block, rsa(2048));
    const file = join(block.folder, 'p.key');
    writeFileSync(file, key);
    return { cert, key: openssl('rsa', '-in', file, '-traditional') };
  }),
  of('an RSA key of three primes', (block) =>
    keyed(block, (out) => openssl('genrsa', '-primes', '3', '-out', out, '2048')),
  ),
  of('an RSA key with the exponent 3', (block) => keyed(block, rsa(2048, '-pkeyopt', 'rsa_keygen_pubexp:3'))),
  of(
    'an RSA key with an exponent of 33 bits',
    (block) => keyed(block, rsa(2048, '-pkeyopt', 'rsa_keygen_pubexp:4294967297')),
    /exponent/,
  ),
  of('a key in SEC 1', () => ({ key: openssl('ec', '-in', server.key) })),
  of('a SEC 1 key labeled PRIVATE KEY', () => ({
    key: relabeled(openssl('ec', '-in', server.key), 'EC PRIVATE KEY', 'PRIVATE KEY'),
  })),
  of('a PKCS#8 key labeled RSA PRIVATE KEY', () => ({
    key: relabeled(keyText(), 'PRIVATE KEY', 'RSA PRIVATE KEY'),
  })),
  of('a PKCS#8 key labeled ANY PRIVATE KEY', () => ({
    key: relabeled(keyText(), 'PRIVATE KEY', 'ANY PRIVATE KEY'),
  })),
  of('an encrypted key', () => ({ key: rekeyed('-aes256', '-passout', 'pass:x') }), /encrypted/),
  of(
    'a key encrypted in the old format',
    () => ({
      key: openssl('ec', '-in', server.key, '-aes256', '-passout', 'pass:x'),
    }),
    /encrypted/,
  ),
  of(
    'an encrypted key before the plain one',
    () => ({
      key: rekeyed('-aes256', '-passout', 'pass:x') + keyText(),
    }),
    /encrypted/,
  ),
  of(
    'an OpenSSH key',
    () => ({
      key: relabeled(keyText(), 'PRIVATE KEY', 'OPENSSH PRIVATE KEY').replace(
        /\n[^-]+\n/,
        '\nb3BlbnNzaC1rZXktdjEAAAAA\n',
      ),
    }),
    /OpenSSH/,
  ),
  of('the key of another certificate', () => ({ key: text(other.key) }), /does not belong/),
  of('the key, then another one', () => ({ key: keyText() + text(other.key) })),
  of('another key, then the key', () => ({ key: text(other.key) + keyText() }), /does not belong/),
  of('a public key as key_file', () => ({ key: rekeyed('-pubout') }), /public key/),
];

export const certificates = [
  of(
    'no alternative name',
    (block) => ({ cert: signed(block, server.key, 'basicConstraints=CA:FALSE\n') }),
    /SAN/,
  ),
  of(
    'version 1',
    ({ folder }) => {
      openssl(
        'req',
        '-new',
        '-key',
        server.key,
        '-subj',
        '/CN=localhost',
        '-out',
        join(folder, 'v.csr'),
        '-config',
        emptyConfig,
      );
      return {
        cert: openssl('x509', '-req', '-in', join(folder, 'v.csr'), '-CA', ca.cert, '-CAkey', ca.key),
      };
    },
    /SAN/,
  ),
  of(
    'a negative serial number',
    (block) => ({
      cert: signed(block, server.key, san, ['-set_serial', '-5']),
    }),
    /serial number/,
  ),
  of(
    'a negative serial number of the authority',
    (block) => ({
      ca: authorityOf(block, curve('prime256v1'), '-set_serial', '-5'),
    }),
    /serial number/,
  ),
  of(
    'a negative serial number of one of two authorities',
    (block) => ({
      ca: root() + authorityOf(block, curve('prime256v1'), '-set_serial', '-5'),
    }),
    /serial number/,
  ),
  of(
    'a negative serial number behind the leaf',
    (block) => ({
      cert: leaf() + authorityOf(block, curve('prime256v1'), '-set_serial', '-5'),
    }),
    /serial number/,
  ),
  of('the serial number 0', (block) => ({ cert: signed(block, server.key, san, ['-set_serial', '0']) })),
  of('a serial number of 30 bytes', (block) => ({
    cert: signed(block, server.key, san, ['-set_serial', `0x${'7a'.repeat(30)}`]),
  })),
  of(
    'an unknown critical extension',
    (block) => ({
      cert: signed(block, server.key, `${san}1.2.3.4.5=critical,ASN1:UTF8String:x\n`),
    }),
    /1\.2\.3\.4\.5/,
  ),
  of(
    'an unknown critical extension of the authority',
    (block) => ({
      ca: authorityOf(block, curve('prime256v1'), '-addext', '1.2.3.4.5=critical,ASN1:UTF8String:x'),
    }),
    /1\.2\.3\.4\.5/,
  ),
  of(
    'a critical subject key identifier',
    (block) => ({
      cert: signed(block, server.key, `${san}2.5.29.14=critical,DER:04020101\n`),
    }),
    /critical/,
  ),
  of(
    'a critical authority key identifier',
    (block) => ({
      cert: signed(block, server.key, `${san}2.5.29.35=critical,DER:300480020101\n`),
    }),
    /critical/,
  ),
  of(
    'critical authority information',
    (block) => ({
      cert: signed(block, server.key, `${san}authorityInfoAccess=critical,OCSP;URI:http://x/\n`),
    }),
    /critical/,
  ),
  of(
    'an alternative name that is not ASCII',
    (block) => ({
      cert: edited(
        signed(block, server.key, san),
        Buffer.from('localhost\x87', 'latin1'),
        Buffer.from('l\xf6calhost\x87', 'latin1'),
      ),
    }),
    /ASCII|IA5/,
  ),
  of(
    'a URI without an end of its host',
    (block) => ({
      cert: signed(block, server.key, 'subjectAltName=DNS:localhost,URI:http://[::1\n'),
    }),
    /URI/,
  ),
  of(
    'a URI whose host ends in a dot',
    (block) => ({
      cert: signed(block, server.key, 'subjectAltName=DNS:localhost,URI:http://a.example.\n'),
    }),
    /URI/,
  ),
  of(
    'a URI with an invalid escape',
    (block) => ({
      cert: signed(block, server.key, 'subjectAltName=DNS:localhost,URI:spiffe://a/%zz\n'),
    }),
    /URI/,
  ),
  of('a URI with a port', (block) => ({
    cert: signed(block, server.key, 'subjectAltName=DNS:localhost,URI:nats://a.example:4222/x\n'),
  })),
  of(
    'an address of 5 bytes',
    (block) => ({
      cert: signed(block, server.key, '2.5.29.17=DER:300787050102030405\n'),
    }),
    /address/,
  ),
  of(
    'a PrintableString that is none',
    (block) => ({
      cert: edited(
        signed(block, server.key, san),
        Buffer.from('\x0c\x09localhost'),
        Buffer.from('\x13\x09local_@st'),
      ),
    }),
    /PrintableString/,
  ),
  of(
    'a UTF8String that is none',
    (block) => ({
      cert: edited(
        signed(block, server.key, san),
        Buffer.from('\x0c\x09localhost'),
        Buffer.from('\x0c\x09local\xffost', 'latin1'),
      ),
    }),
    /UTF-8/,
  ),
  of('a subject in Latin-1', (block) => ({
    cert: edited(
      signed(block, server.key, san),
      Buffer.from('\x0c\x09localhost'),
      Buffer.from('\x14\x09local\xffost', 'latin1'),
    ),
  })),
  of(
    'a subject in a UniversalString',
    (block) => ({
      cert: edited(
        signed(block, server.key, san),
        Buffer.from('\x0c\x09localhost'),
        Buffer.from('\x1c\x09localhost'),
      ),
    }),
    /string type/,
  ),
  of(
    'two different signature algorithms',
    (block) => ({
      cert: edited(
        signed(block, server.key, san, ['-sha256']),
        Buffer.from('06082a8648ce3d0403023', 'hex').subarray(0, 10),
        Buffer.from('06082a8648ce3d040303', 'hex'),
      ),
    }),
    /signature algorithm/,
  ),
  of('the leaf twice', () => ({ cert: leaf() + leaf() })),
  of('the leaf and its root', () => ({ cert: leaf() + root() })),
  of('the leaf and its root twice', () => ({ cert: leaf() + root() + root() })),
  of('a chain in order', () => ({ cert: text(below.cert) + text(sub.cert) + root(), key: text(below.key) })),
  of(
    'a chain in another order',
    () => ({ cert: text(below.cert) + root() + text(sub.cert), key: text(below.key) }),
    /did not issue/,
  ),
  of(
    'an unrelated certificate behind the leaf',
    () => ({ cert: leaf() + text(second.cert) }),
    /did not issue/,
  ),
  of('another leaf before the leaf', () => ({ cert: text(other.cert) + leaf() }), /does not belong/),
  of(
    'an expired cross-signed authority behind the leaf',
    (block) => ({ cert: leaf() + crossSigned(block, '-1') }),
    /expired/,
  ),
  of('a cross-signed authority behind the leaf', (block) => ({ cert: leaf() + crossSigned(block, '9') })),
  of(
    'an expired and a valid intermediate',
    (block) => ({
      cert: text(below.cert) + signedSub(block, '-1') + text(sub.cert),
      key: text(below.key),
    }),
    /expired/,
  ),
  of('a leaf as ca_file', () => ({ ca: text(other.cert) }), /not an authority/),
  of('a leaf beside the authority', () => ({ ca: root() + text(other.cert) }), /not an authority/),
  of('the same authority twice', () => ({ ca: root() + root() })),
  of('an intermediate as ca_file', () => ({ ca: text(sub.cert) })),
  of('an authority of version 1', ({ folder }) => {
    openssl(
      'req',
      '-new',
      '-key',
      ca.key,
      '-subj',
      '/CN=ca',
      '-out',
      join(folder, 'v.csr'),
      '-config',
      emptyConfig,
    );
    return { ca: openssl('x509', '-req', '-in', join(folder, 'v.csr'), '-signkey', ca.key) };
  }),
  of(
    'an authority that may not sign',
    (block) => ({
      ca: authorityOf(block, curve('prime256v1'), '-addext', 'keyUsage=critical,digitalSignature'),
    }),
    /not an authority/,
  ),
  ...['secp256k1', 'brainpoolP256r1'].map((name) =>
    of(`an authority on ${name}`, (block) => ({ ca: authorityOf(block, curve(name)) }), new RegExp(name)),
  ),
  of(
    'one of two authorities on secp256k1',
    (block) => ({
      ca: root() + authorityOf(block, curve('secp256k1')),
    }),
    /secp256k1/,
  ),
  of('an Ed448 authority', (block) => ({ ca: authorityOf(block, genpkey('-algorithm', 'ED448')) }), /ed448/i),
  of('an Ed25519 authority', (block) => ({ ca: authorityOf(block, genpkey('-algorithm', 'ED25519')) })),
  of(
    'an RSA-PSS authority',
    (block) => ({
      ca: authorityOf(block, genpkey('-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048')),
    }),
    /RSA-PSS/,
  ),
  of('an authority of RSA with 1024 bits', (block) => ({ ca: authorityOf(block, rsa(1024)) }), /1024 bits/),
  of(
    'an authority that is no certificate, beside another',
    () => ({
      ca: `${root()}-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n`,
    }),
    /certificate/,
  ),
  of(
    'bytes after the certificate',
    () => ({
      cert: `-----BEGIN CERTIFICATE-----\n${Buffer.concat([der(server.cert), Buffer.from('00', 'hex')]).toString('base64')}\n-----END CERTIFICATE-----\n`,
    }),
    /after/,
  ),
];

/**
 * nats-server accepts these, and loses a certificate or cannot complete a handshake; OpenSSL rejects some of them. A torn
 * block is what a file looks like while it is written, so it never replaces what is in use.
 */
export const stricter = [
  of('an RSA key of 512 bits', (block) => keyed(block, rsa(512)), /512 bits/),
  of(
    'a torn authority behind a whole one',
    () => ({ ca: root() + text(second.cert).slice(0, 200) }),
    /truncated/,
  ),
  of(
    'an authority whose base64 is damaged',
    () => ({ ca: root() + text(second.cert).replace('MII', 'M*I') }),
    /base64/,
  ),
  of(
    'an expired certificate',
    (block) => ({ cert: signed(block, server.key, san, ['-days', '-1']) }),
    /expired/,
  ),
  of(
    'an expired intermediate',
    (block) => ({ cert: text(below.cert) + signedSub(block, '-1'), key: text(below.key) }),
    /expired/,
  ),
  of(
    'no certificate behind the leaf',
    () => ({
      cert: `${leaf()}-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n`,
    }),
    /certificate/,
  ),
];

const weakKey: Case['change'] = (block) => keyed(block, rsa(1024));
const weakSignature: Case['change'] = (block) => ({ cert: signed(block, server.key, san, ['-sha1']) });

/** What the OpenSSL of this Node makes of weak files decides whether the broker can serve them: 3.0 in Node 20. */
const rejectsShortKeys = !process.versions.openssl?.startsWith('3.0.');
if (rejectsShortKeys) {
  stricter.push(of('an RSA key of 1024 bits', weakKey, /OpenSSL rejects .* ee key too small/));
  certificates.push(of('a certificate signed with SHA-1', weakSignature, /is signed with .*SHA1/));
} else {
  keys.push(of('an RSA key of 1024 bits', weakKey, /1024 bits/));
  stricter.push(of('a certificate signed with SHA-1', weakSignature, /OpenSSL rejects .* md too weak/));
}

/** Writes the files of a case into a folder of their own. */
export function writeCase({ change }: Case): Block {
  const folder = mkdtempSync(join(scratch, 'x-'));
  const at = (name: string) => join(folder, name);
  const block: Block = { folder, cert: at('cert.pem'), key: at('key.pem'), ca: at('ca.pem') };
  const changed = change(block);
  writeFileSync(block.cert, changed.cert ?? leaf());
  writeFileSync(block.key, changed.key ?? keyText(), { mode: 0o600 });
  writeFileSync(block.ca, changed.ca ?? root());
  return block;
}
