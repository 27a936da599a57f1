// Unusual client certificates: which ones the bundled broker and nats-server accept, and the reason that the broker
// logs for a rejection.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeAuthority, makeLeaf, openssl, type Pair } from '../harness/openssl.ts';
import type { WireOptions } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { conformance } from './suite.ts';

const folder = testFolder('client-certificates');
const ca = makeAuthority(folder);
const server = makeLeaf(folder, 'server', ca, { usage: 'serverAuth' });

interface Issue {
  readonly issuer?: Pair | undefined;
  /** Lines of an extension section in the configuration of openssl. */
  readonly extensions?: readonly string[];
  readonly subject?: string;
  /** Arguments of `openssl genpkey`. */
  readonly key?: readonly string[];
  /** Additional arguments of `openssl x509`. */
  readonly signing?: readonly string[];
  /** PEM text appended to the certificate file. */
  readonly chain?: string;
}

const curve = (name: string) => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${name}`];
const forClients = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=clientAuth'];
const forAuthorities = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
let made = 0;

/** Makes a certificate; by default one that both servers accept. */
function issue(what: Issue = {}): Pair {
  const { issuer = ca, extensions = forClients, subject = '/CN=odd', key = curve('P-256') } = what;
  made++;
  const file = (ending: string) => join(folder, `${made}.${ending}`);
  writeFileSync(file('cnf'), ['[ext]', ...extensions, ''].join('\n'));
  openssl('genpkey', ...key, '-out', file('key'));
  openssl('req', '-new', '-key', file('key'), '-subj', subject, '-out', file('csr'));
  openssl(
    ...['x509', '-req', '-in', file('csr'), '-CA', issuer.cert, '-CAkey', issuer.key, '-out', file('pem')],
    ...(extensions.length === 0 ? [] : ['-extfile', file('cnf'), '-extensions', 'ext']),
    ...['-days', '20', ...(what.signing ?? [])],
  );
  writeFileSync(file('pem'), readFileSync(file('pem'), 'latin1') + (what.chain ?? ''));
  return { cert: file('pem'), key: file('key') };
}

const text = ({ cert }: Pair) => readFileSync(cert, 'latin1');

/** Makes a leaf below an intermediate with these extensions. */
function below(extensions: readonly string[], leaf: Issue = {}, authority: Issue = {}): Pair {
  const middle = issue({ subject: `/CN=middle ${made}`, extensions, ...authority });
  return issue({ ...leaf, issuer: middle, chain: text(middle) });
}

/** Makes a leaf below a chain of `count` intermediates. */
function deep(count: number): Pair {
  let issuer = ca;
  let chain = '';
  for (let depth = 0; depth < count; depth++) {
    issuer = issue({ issuer, subject: `/CN=depth ${depth}`, extensions: forAuthorities });
    chain = text(issuer) + chain;
  }
  return issue({ issuer, chain });
}

const dnsNames = (count: number) =>
  `subjectAltName=${Array.from({ length: count }, (_, index) => `DNS:host-${index}.example.com`).join(',')}`;

/** An unknown extension whose value has this many bytes. */
function blob(bytes: number): string {
  const length = bytes.toString(16).padStart(6, '0').match(/../g)?.join(':');
  return `1.2.3.4=DER:04:83:${length}${':00'.repeat(bytes)}`;
}

const clientWith = (...extensions: string[]) => issue({ extensions: [...forClients, ...extensions] });

/** Makes a leaf with these names below an authority with a name constraint. */
function constrained(constraint: string, san: string, leaf: Issue = {}): Pair {
  const extensions = [...forAuthorities, `nameConstraints=critical,${constraint}`];
  return below(extensions, { extensions: [...forClients, `subjectAltName=${san}`], ...leaf });
}

function belowPathLength(): Pair {
  const extensions = ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=keyCertSign'];
  const top = issue({ subject: '/CN=top', extensions });
  const sub = issue({ issuer: top, subject: '/CN=sub', extensions: forAuthorities });
  return issue({ issuer: sub, chain: text(sub) + text(top) });
}

function outOfOrder(): Pair {
  const top = issue({ subject: '/CN=above', extensions: forAuthorities });
  const sub = issue({ issuer: top, subject: '/CN=beneath', extensions: forAuthorities });
  return issue({ issuer: sub, chain: text(top) + text(sub) });
}

function namesake(): Pair {
  const other = makeAuthority(folder, 'namesake');
  openssl('req', '-x509', '-key', other.key, '-subj', '/CN=ca', '-out', other.cert);
  return issue({ issuer: other });
}

function belowLeaf(): Pair {
  const leaf = issue();
  return issue({ issuer: leaf, chain: text(leaf) });
}

/** Certificates that both servers accept. */
const acceptedByBoth: [string, () => Pair][] = [
  ['of an ordinary kind', () => issue()],
  ['without an extended key usage', () => issue({ extensions: ['basicConstraints=critical,CA:FALSE'] })],
  ['of X.509 version 1', () => issue({ extensions: [] })],
  ['with the key usage digitalSignature', () => clientWith('keyUsage=critical,digitalSignature')],
  ['with the key usage keyAgreement', () => clientWith('keyUsage=critical,keyAgreement')],
  ['with a P-521 key', () => issue({ key: curve('P-521') })],
  ['signed with SHA-512', () => issue({ signing: ['-sha512'] })],
  ['with an unknown extension', () => clientWith('1.2.3.4=DER:05:00')],
  ['with 1,000 DNS names', () => clientWith(dnsNames(1000))],
  ['of 60 KB', () => clientWith(blob(60_000))],
  ['without a subject', () => issue({ subject: '/' })],
  ['below ten intermediates', () => deep(10)],
  [
    'with a DNS name that the constraints of its authority permit',
    () => constrained('permitted;DNS:a.test', 'DNS:b.a.test'),
  ],
  [
    'with the usage anyExtendedKeyUsage',
    () => issue({ extensions: ['extendedKeyUsage=anyExtendedKeyUsage'] }),
  ],
  ['with the key usage keyEncipherment only', () => clientWith('keyUsage=critical,keyEncipherment')],
  [
    'that is an authority itself',
    () => issue({ extensions: [...forAuthorities, 'extendedKeyUsage=clientAuth'] }),
  ],
  [
    'issued by an authority with the usage anyExtendedKeyUsage',
    () => below([...forAuthorities, 'extendedKeyUsage=anyExtendedKeyUsage']),
  ],
  [
    'with a common name that the constraints of its authority do not permit',
    () => constrained('permitted;DNS:a.test', 'email:x@a.test', { subject: '/CN=b.test' }),
  ],
  ['followed by the root', () => issue({ chain: text(ca) })],
  ['followed by unrelated certificates', () => issue({ chain: text(server) + text(server) })],
  ['whose intermediates are out of order', outOfOrder],
];

/** Certificates that both servers reject, with the reason that the broker logs. */
const rejectedByBoth: [string, () => Pair, RegExp][] = [
  [
    'with the usage serverAuth only',
    () => issue({ extensions: ['extendedKeyUsage=serverAuth'] }),
    /usage is serverAuth$/,
  ],
  [
    'with the usage codeSigning only',
    () => issue({ extensions: ['extendedKeyUsage=codeSigning'] }),
    /usage is codeSigning$/,
  ],
  ['that has expired', () => issue({ signing: ['-days', '-1'] }), /CN=odd expired at/],
  ['signed with SHA-1', () => issue({ signing: ['-sha1'] }), /CA signature digest algorithm too weak/],
  [
    'with an unknown critical extension',
    () => clientWith('1.2.3.4=critical,DER:05:00'),
    /unhandled critical extension/,
  ],
  ['of 230 KB, with 10,000 DNS names', () => clientWith(dnsNames(10_000)), /excessive message size/],
  [
    'with a DNS name that the constraints of its authority do not permit',
    () => constrained('permitted;DNS:a.test', 'DNS:a.b.test'),
    /permitted subtree violation/,
  ],
  [
    'with a DNS name that the constraints of its authority exclude',
    () => constrained('excluded;DNS:a.test', 'DNS:a.test'),
    /excluded subtree violation/,
  ],
  [
    'with an e-mail address that the constraints of its authority do not permit',
    () => constrained('permitted;email:a.test', 'email:x@b.test'),
    /permitted subtree violation/,
  ],
  [
    'with a URI that the constraints of its authority do not permit',
    () => constrained('permitted;URI:a.test', 'URI:spiffe://b.test/x'),
    /permitted subtree violation/,
  ],
  [
    'with an IP address that the constraints of its authority do not permit',
    () => constrained('permitted;IP:10.0.0.0/255.0.0.0', 'IP:11.0.0.1'),
    /permitted subtree violation/,
  ],
  [
    'issued by a certificate that is not an authority',
    () => below(['basicConstraints=critical,CA:FALSE']),
    /an authority above client certificate CN=odd may not issue/,
  ],
  [
    'issued by an authority without basic constraints',
    () => below(['keyUsage=critical,keyCertSign']),
    /invalid CA certificate/,
  ],
  ['issued by an authority without extensions', () => below([]), /may not issue/],
  [
    'issued by an authority that only nsCertType marks as one',
    () => below(['nsCertType=sslCA']),
    /invalid CA certificate/,
  ],
  [
    'issued by an authority without the key usage keyCertSign',
    () => below(['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,digitalSignature']),
    /key ?usage does not include certificate signing/i,
  ],
  [
    'issued by an authority with the usage serverAuth only',
    () => below([...forAuthorities, 'extendedKeyUsage=serverAuth']),
    /may not issue certificates for clients/,
  ],
  [
    'issued by an expired authority',
    () => below(forAuthorities, {}, { signing: ['-days', '-1'] }),
    /an authority above .* has expired/,
  ],
  [
    'issued by an authority with an unknown critical extension',
    () => below([...forAuthorities, '1.2.3.4=critical,DER:05:00']),
    /unhandled critical extension/,
  ],
  [
    'issued by an authority that is signed with SHA-1',
    () => below(forAuthorities, {}, { signing: ['-sha1'] }),
    /CA signature digest algorithm too weak/,
  ],
  [
    'issued by an authority below the permitted path length',
    belowPathLength,
    /path length constraint exceeded/,
  ],
  ['issued by an untrusted authority with the name of a trusted one', namesake, /CN=ca/],
  ['issued by another client certificate', belowLeaf, /may not issue/],
  [
    'with an RSA-PSS key',
    () => issue({ key: ['-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048'] }),
    /CN=odd cannot be used: its key is of the type RSA-PSS/,
  ],
  ['with an Ed448 key', () => issue({ key: ['-algorithm', 'ED448'] }), /CN=odd cannot be used: .*ed448/i],
  [
    'issued by an authority with an Ed448 key',
    () => below(forAuthorities, {}, { key: ['-algorithm', 'ED448'] }),
    /an authority above client certificate CN=odd cannot be used/,
  ],
  [
    'with a negative serial number',
    () => issue({ signing: ['-set_serial', '-5'] }),
    /CN=odd its serial number is negative/,
  ],
  ['of 90 KB', () => clientWith(blob(90_000)), /CN=odd and its chain have 9\d{4} bytes/],
];

function as(pair: Pair, version: 'TLSv1.2' | 'TLSv1.3'): WireOptions {
  const own = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
  // Accept every algorithm on this side, so that only the server decides.
  const only = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
  return { tls: { ca: readFileSync(ca.cert), host: '127.0.0.1', ...own, ...only } };
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const files = `cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}"`;

conformance('a client certificate', `tls { ${files}, verify: true, timeout: 10 }`, (suite) => {
  const isAccepted = async (pair: Pair) => {
    for (const version of versions) await suite.connect({}, as(pair, version));
  };
  // A TLS 1.3 client completes its handshake before the server has verified its certificate; the rejection shows at
  // the first PING.
  const isRejected = async (pair: Pair) => {
    for (const version of versions) {
      await expect(suite.connect({}, as(pair, version))).rejects.toThrow();
    }
  };

  it.each(acceptedByBoth)('accepts a client certificate %s', (_, make) => isAccepted(make()));

  it.each(rejectedByBoth)('rejects a client certificate %s', async (_, make, reason) => {
    const before = suite.server.log().length;
    await isRejected(make());
    if (suite.kind === 'broker')
      expect(suite.server.log().slice(before)).toMatch(
        new RegExp(`TLS handshake error: .*${reason.source}`, 'm'),
      );
  });
});
