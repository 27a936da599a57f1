// Chains that Go and OpenSSL judge differently, or that name constraints decide. The verdicts are those of Go 1.26
// (crypto/x509, Verify).
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Certificate, readCertificates } from '../../src/x509/certificate.ts';
import { verifyChain } from '../../src/x509/chain.ts';
import { openssl, type Pair } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('chain');
const config = join(scratch, 'openssl.cnf');
writeFileSync(config, '[req]\ndistinguished_name=dn\n[dn]\n');
let made = 0;

/** Makes a certificate with exactly these extensions, self-signed without an issuer. */
function make(extensions: string, issuer?: Pair, ...options: string[]): Pair {
  const name = `c${++made}`;
  const [cert, key] = [join(scratch, `${name}.pem`), join(scratch, `${name}.key`)];
  const [csr, ext] = [join(scratch, `${name}.csr`), join(scratch, `${name}.ext`)];
  writeFileSync(ext, `subjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n${extensions}`);
  openssl(
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-config', config],
    ...['-keyout', key, '-subj', `/CN=${name}`, '-out', csr],
  );
  const signer = issuer ? ['-CA', issuer.cert, '-CAkey', issuer.key] : ['-signkey', key];
  openssl(
    ...['x509', '-req', '-in', csr, ...signer, '-days', '30', '-extfile', ext, '-out', cert, ...options],
  );
  return { cert, key };
}

const ca = 'basicConstraints=critical,CA:TRUE\n';
const limited = (constraints: string) => `${ca}nameConstraints=critical,${constraints}\n`;
const client = 'extendedKeyUsage=clientAuth\n';
const names = (list: string) => `${client}subjectAltName=${list}\n`;
const root = make(ca);
const permits = (constraints: string, list: string) => {
  const top = make(limited(constraints));
  return [top, make(names(list), top)];
};
const below = (extensions: string, leaf = client, top = root) => {
  const middle = make(extensions, top);
  return [top, make(leaf, middle), middle];
};
const deep = (extensions: string) => {
  const top = make(extensions);
  const first = make(ca, top);
  const second = make(ca, first);
  return [top, make(client, second), first, second];
};

/** The root, the leaf and what is sent with it; and the code of the fault, if there is one. */
const cases: Record<string, [chain: () => Pair[], fault?: string]> = {
  'below a root': [() => [root, make(client, root)]],
  'below an intermediate': [() => below(ca)],
  'that is the root itself': [() => [root, root]],
  'with intermediates in another order': [() => deep(ca)],
  'for any extended usage': [() => [root, make('extendedKeyUsage=anyExtendedKeyUsage\n', root)]],
  'with the key usage keyEncipherment alone': [
    () => [root, make(`keyUsage=keyEncipherment\n${client}`, root)],
  ],
  'without extensions': [() => [root, make('', root)]],
  'of a server': [() => [root, make('extendedKeyUsage=serverAuth\n', root)], 'wrong-usage'],
  'below an authority for servers': [() => below(`${ca}extendedKeyUsage=serverAuth\n`), 'wrong-usage'],
  'below a root for servers': [
    () => {
      const top = make(`${ca}extendedKeyUsage=serverAuth\n`);
      return [top, make(client, top)];
    },
    'wrong-usage',
  ],
  'below a root without basic constraints': [
    () => {
      const top = make('keyUsage=keyCertSign\n');
      return [top, make(client, top)];
    },
    'not-an-authority',
  ],
  'below a root that may not sign': [
    () => {
      const top = make(`${ca}keyUsage=digitalSignature\n`);
      return [top, make(client, top)];
    },
    'not-an-authority',
  ],
  'below a leaf': [() => below(client), 'not-an-authority'],
  'below too many authorities': [
    () => deep('basicConstraints=critical,CA:TRUE,pathlen:1\n'),
    'path-too-long',
  ],
  'with a critical extension that is not known': [
    () => [root, make(`${client}1.2.3.4=critical,ASN1:NULL\n`, root)],
    'unknown-extension',
  ],
  'of another root': [() => [make(ca), make(client, root)], 'untrusted'],
  'with an expired leaf': [() => [root, make(client, root, '-days', '-1')], 'expired'],
  'with a name inside': [() => permits('permitted;DNS:.internal', 'DNS:a.internal')],
  'with the domain itself, where only subdomains are permitted': [
    () => permits('permitted;DNS:.internal', 'DNS:internal'),
    'name-not-permitted',
  ],
  'with the domain itself, where it is permitted': [() => permits('permitted;DNS:internal', 'DNS:INTERNAL')],
  'with an address, where only names are limited': [() => permits('permitted;DNS:.internal', 'IP:10.0.0.1')],
  'with a wildcard that covers an excluded name': [
    () => permits('excluded;DNS:secret.example.com', 'DNS:*.example.com'),
    'name-not-permitted',
  ],
  'with an address inside': [() => permits('permitted;IP:10.0.0.0/255.128.0.0', 'IP:10.127.0.1')],
  'with an address outside': [
    () => permits('permitted;IP:10.0.0.0/255.128.0.0', 'IP:10.128.0.1'),
    'name-not-permitted',
  ],
  'with an e-mail address of the host': [() => permits('permitted;email:example.com', 'email:a@example.com')],
  'with another mailbox than the permitted one': [
    () => permits('permitted;email:a@example.com', 'email:b@example.com'),
    'name-not-permitted',
  ],
  'with a URI inside': [() => permits('permitted;URI:.example.com', 'URI:nats://a.example.com:4222/x')],
  'with a URI outside': [
    () => permits('permitted;URI:.example.com', 'URI:nats://example.org'),
    'name-not-permitted',
  ],
  'with a URI of an address': [() => permits('permitted;DNS:x', 'URI:nats://10.0.0.1'), 'name-not-permitted'],
  'below an intermediate that excludes its name': [
    () => below(limited('excluded;DNS:a.internal'), names('DNS:x.a.internal')),
    'name-not-permitted',
  ],
  'with a common name outside and no alternative names': [
    () => {
      const top = make(limited('permitted;DNS:.internal'));
      return [top, make(client, top)];
    },
  ],
};

const read = ({ cert }: Pair) => readCertificates(readFileSync(cert), cert)[0];

it.each(Object.entries(cases))('judges a chain %s as Go does', (_name, [chain, fault]) => {
  const [top, leaf, ...others] = chain().map(read) as [Certificate, Certificate, ...Certificate[]];
  const result = verifyChain([leaf, ...others], { roots: [top], now: new Date(), purpose: 'clientAuth' });
  expect(result.chain === undefined ? result.fault.code : undefined).toBe(fault);
});
