// Client certificates of every odd kind: whom the bundled broker lets in, and whom nats-server does.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../support/folder.ts';
import { makeAuthority, makeLeaf, openssl, type Pair } from '../support/openssl.ts';
import type { WireOptions } from '../support/wire.ts';
import { conformance } from './suite.ts';

const folder = testFolder('client-certificates');
const ca = makeAuthority(folder);
const server = makeLeaf(folder, 'server', ca, { usage: 'serverAuth' });

interface Issue {
  readonly issuer?: Pair | undefined;
  /** Lines of an extension section of openssl. */
  readonly extensions?: readonly string[];
  readonly subject?: string;
  /** What `openssl genpkey` is told. */
  readonly key?: readonly string[];
  /** What `openssl x509` is told beyond that. */
  readonly signing?: readonly string[];
  /** What stands behind the certificate in its file. */
  readonly chain?: string;
}

const curve = (name: string) => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${name}`];
const forClients = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=clientAuth'];
const forAuthorities = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
let made = 0;

/** Makes a certificate, by default one that everybody takes. */
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

/** Makes a leaf below an authority that is described. */
function below(extensions: readonly string[], leaf: Issue = {}, authority: Issue = {}): Pair {
  const middle = issue({ subject: `/CN=middle ${made}`, extensions, ...authority });
  return issue({ ...leaf, issuer: middle, chain: text(middle) });
}

/** Makes a leaf below so many authorities. */
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

/** An extension of so many bytes that nobody knows. */
function blob(bytes: number): string {
  const length = bytes.toString(16).padStart(6, '0').match(/../g)?.join(':');
  return `1.2.3.4=DER:04:83:${length}${':00'.repeat(bytes)}`;
}

const clientWith = (...extensions: string[]) => issue({ extensions: [...forClients, ...extensions] });

/** Makes a leaf with these names below an authority that may not sign for all. */
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

/** Whom both let in. */
const welcome: [string, () => Pair][] = [
  ['with nothing odd about it', () => issue()],
  ['for no usage in particular', () => issue({ extensions: ['basicConstraints=critical,CA:FALSE'] })],
  ['of version 1', () => issue({ extensions: [] })],
  ['for signatures', () => clientWith('keyUsage=critical,digitalSignature')],
  ['for key agreement', () => clientWith('keyUsage=critical,keyAgreement')],
  ['with a curve of 521 bits', () => issue({ key: curve('P-521') })],
  ['signed by SHA-512', () => issue({ signing: ['-sha512'] })],
  ['with an extension that nobody knows', () => clientWith('1.2.3.4=DER:05:00')],
  ['with a thousand names', () => clientWith(dnsNames(1000))],
  ['of 60 KB', () => clientWith(blob(60_000))],
  ['without a subject', () => issue({ subject: '/' })],
  ['ten authorities down', () => deep(10)],
  ['with a name that its authority may sign', () => constrained('permitted;DNS:a.test', 'DNS:b.a.test')],
  ['with the root behind it', () => issue({ chain: text(ca) })],
  ['with the certificates of others behind it', () => issue({ chain: text(server) + text(server) })],
  ['with its authorities in the wrong order', outOfOrder],
];

/** Whom both refuse, and why. */
const strangers: [string, () => Pair, RegExp][] = [
  ['for servers', () => issue({ extensions: ['extendedKeyUsage=serverAuth'] }), /usage is serverAuth$/],
  ['for code', () => issue({ extensions: ['extendedKeyUsage=codeSigning'] }), /usage is codeSigning$/],
  ['that has expired', () => issue({ signing: ['-days', '-1'] }), /CN=odd expired at/],
  ['signed by SHA-1', () => issue({ signing: ['-sha1'] }), /CA signature digest algorithm too weak/],
  [
    'with a critical extension that nobody knows',
    () => clientWith('1.2.3.4=critical,DER:05:00'),
    /unhandled critical extension/,
  ],
  ['of 230 KB, with ten thousand names', () => clientWith(dnsNames(10_000)), /excessive message size/],
  [
    'with a name its authority may not sign',
    () => constrained('permitted;DNS:a.test', 'DNS:a.b.test'),
    /permitted subtree violation/,
  ],
  [
    'with a name its authority must not sign',
    () => constrained('excluded;DNS:a.test', 'DNS:a.test'),
    /excluded subtree violation/,
  ],
  [
    'with an e-mail address its authority may not sign',
    () => constrained('permitted;email:a.test', 'email:x@b.test'),
    /permitted subtree violation/,
  ],
  [
    'with a URI its authority may not sign',
    () => constrained('permitted;URI:a.test', 'URI:spiffe://b.test/x'),
    /permitted subtree violation/,
  ],
  [
    'with an address its authority may not sign',
    () => constrained('permitted;IP:10.0.0.0/255.0.0.0', 'IP:11.0.0.1'),
    /permitted subtree violation/,
  ],
  [
    'of a certificate that is no authority',
    () => below(['basicConstraints=critical,CA:FALSE']),
    /an authority above client certificate CN=odd may not issue/,
  ],
  [
    'of one without basic constraints',
    () => below(['keyUsage=critical,keyCertSign']),
    /invalid CA certificate/,
  ],
  ['of one without extensions', () => below([]), /may not issue/],
  ['of a Netscape authority', () => below(['nsCertType=sslCA']), /invalid CA certificate/],
  [
    'of an authority that may not sign',
    () => below(['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,digitalSignature']),
    /key ?usage does not include certificate signing/i,
  ],
  [
    'of an authority for servers',
    () => below([...forAuthorities, 'extendedKeyUsage=serverAuth']),
    /may not issue certificates for clients/,
  ],
  [
    'of an authority that has expired',
    () => below(forAuthorities, {}, { signing: ['-days', '-1'] }),
    /an authority above .* has expired/,
  ],
  [
    'of an authority with a critical extension that nobody knows',
    () => below([...forAuthorities, '1.2.3.4=critical,DER:05:00']),
    /unhandled critical extension/,
  ],
  [
    'of an authority signed by SHA-1',
    () => below(forAuthorities, {}, { signing: ['-sha1'] }),
    /CA signature digest algorithm too weak/,
  ],
  ['of an authority further down than allowed', belowPathLength, /path length constraint exceeded/],
  ['of an authority that has only the name of a trusted one', namesake, /CN=ca/],
  ['of another client', belowLeaf, /may not issue/],
];

/** Whom only nats-server lets in: OpenSSL wants a usage said in so many words, and takes common names for host names. */
const onlyThere: [string, () => Pair][] = [
  ['for any usage', () => issue({ extensions: ['extendedKeyUsage=anyExtendedKeyUsage'] })],
  ['for the encryption of keys', () => clientWith('keyUsage=critical,keyEncipherment')],
  [
    'that is an authority itself',
    () => issue({ extensions: [...forAuthorities, 'extendedKeyUsage=clientAuth'] }),
  ],
  ['of an authority for any usage', () => below([...forAuthorities, 'extendedKeyUsage=anyExtendedKeyUsage'])],
  [
    'with a common name its authority may not sign',
    () => constrained('permitted;DNS:a.test', 'email:x@a.test', { subject: '/CN=b.test' }),
  ],
];

/** Whom only the bundled broker lets in, all of them from a trusted authority: Go does not know their kind. */
const onlyHere: [string, () => Pair][] = [
  [
    'with an RSA key for PSS only',
    () => issue({ key: ['-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048'] }),
  ],
  ['with an Ed448 key', () => issue({ key: ['-algorithm', 'ED448'] })],
  ['of an authority with an Ed448 key', () => below(forAuthorities, {}, { key: ['-algorithm', 'ED448'] })],
  ['with a negative serial number', () => issue({ signing: ['-set_serial', '-5'] })],
  ['of 90 KB', () => clientWith(blob(90_000))],
];

function as(pair: Pair, version: 'TLSv1.2' | 'TLSv1.3'): WireOptions {
  const own = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
  // So that this side takes anything.
  const only = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
  return { tls: { ca: readFileSync(ca.cert), host: '127.0.0.1', ...own, ...only } };
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const files = `cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}"`;

conformance('a client certificate', `tls { ${files}, verify: true, timeout: 10 }`, (suite) => {
  const letsIn = async (pair: Pair) => {
    for (const version of versions) await suite.connect({}, as(pair, version));
  };
  // In TLS 1.3 a client is done before the server has judged it: the verdict shows on the first PING.
  const refuses = async (pair: Pair) => {
    for (const version of versions) {
      await expect(suite.connect({}, as(pair, version))).rejects.toThrow();
    }
  };

  it.each(welcome)('%s is let in', (_, make) => letsIn(make()));

  it.each(strangers)('%s is refused', async (_, make, reason) => {
    const before = suite.server.log().length;
    await refuses(make());
    if (suite.kind === 'broker')
      expect(suite.server.log().slice(before)).toMatch(
        new RegExp(`TLS handshake error: .*${reason.source}`, 'm'),
      );
  });

  it.each(onlyThere)('%s is let in by nats-server only', (_, make) =>
    suite.kind === 'broker' ? refuses(make()) : letsIn(make()),
  );

  it.each(onlyHere)('%s is let in by the bundled broker only', (_, make) =>
    suite.kind === 'broker' ? letsIn(make()) : refuses(make()),
  );
});
