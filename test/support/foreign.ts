// Reproduces, with openssl, the folders and certificates that other tools create: the openssl recipe, mkcert,
// easy-rsa.
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { openssl } from '../harness/openssl.ts';

/** Follows the recipe of nats-server's documentation: RSA, no extensions, no alternative names. */
export function opensslRecipe(folder: string): void {
  const at = (name: string) => join(folder, name);
  mkdirSync(folder, { recursive: true });
  openssl('genrsa', '-traditional', '-out', at('ca-key.pem'), '2048');
  openssl(
    'req',
    '-new',
    '-x509',
    '-days',
    '365',
    '-key',
    at('ca-key.pem'),
    '-out',
    at('ca.pem'),
    '-subj',
    '/CN=NATS CA',
  );
  for (const [name, commonName] of [
    ['server', 'localhost'],
    ['client', 'client'],
  ] as const) {
    openssl('genrsa', '-traditional', '-out', at(`${name}-key.pem`), '2048');
    openssl(
      'req',
      '-new',
      '-key',
      at(`${name}-key.pem`),
      '-out',
      at(`${name}.csr`),
      '-subj',
      `/CN=${commonName}`,
    );
    openssl(
      ...[
        'x509',
        '-req',
        '-days',
        '365',
        '-in',
        at(`${name}.csr`),
        '-CA',
        at('ca.pem'),
        '-CAkey',
        at('ca-key.pem'),
      ],
      ...['-CAcreateserial', '-out', at(`${name}-cert.pem`)],
    );
  }
}

/** Makes mkcert's CAROOT and, next to it, the files that mkcert writes for a server and a client. */
export function mkcertLayout(folder: string): { root: string; leaves: string } {
  const [root, leaves] = [join(folder, 'caroot'), join(folder, 'project')];
  mkdirSync(root, { recursive: true });
  mkdirSync(leaves);
  const ca = { cert: join(root, 'rootCA.pem'), key: join(root, 'rootCA-key.pem') };
  authority(ca, '/O=mkcert development CA/OU=me@host/CN=mkcert me@host', 'CA:TRUE,pathlen:0');
  const subject = '/O=mkcert development certificate/OU=me@host';
  leaf(ca, join(leaves, 'nats.example.com+2'), subject, {
    extendedKeyUsage: 'serverAuth',
    subjectAltName: 'DNS:nats.example.com,DNS:localhost,IP:127.0.0.1',
  });
  leaf(ca, join(leaves, 'alice@example.com-client'), subject, {
    extendedKeyUsage: 'clientAuth,serverAuth',
    subjectAltName: 'email:alice@example.com',
  });
  return { root, leaves };
}

/**
 * Makes easy-rsa's pki folder: a server, a client, a revoked client, a client whose key is elsewhere, and copies by
 * serial number.
 */
export function easyRsaLayout(folder: string): void {
  const at = (...parts: string[]) => join(folder, ...parts);
  for (const name of ['private', 'issued', 'reqs', 'certs_by_serial', 'inline'])
    mkdirSync(at(name), { recursive: true });
  const ca = { cert: at('ca.crt'), key: at('private', 'ca.key') };
  authority(ca, '/CN=Easy-RSA CA', 'CA:TRUE');
  for (const [name, usage] of Object.entries({
    ...{ 'nats.example.com': 'serverAuth', bob: 'clientAuth', mallory: 'clientAuth', remote: 'clientAuth' },
  })) {
    const stem = at('issued', name);
    const host = usage === 'serverAuth' ? { subjectAltName: `DNS:${name}` } : {};
    leaf(ca, stem, `/CN=${name}`, { extendedKeyUsage: usage, ...host });
    renameSync(`${stem}-key.pem`, at('private', `${name}.key`));
    const [serial = ''] =
      /[0-9A-F]{6,}/.exec(openssl('x509', '-noout', '-serial', '-in', `${stem}.pem`)) ?? [];
    copyFileSync(`${stem}.pem`, at('certs_by_serial', `${serial}.pem`));
    // easy-rsa writes the decoded certificate above the PEM block.
    writeFileSync(`${stem}.crt`, openssl('x509', '-text', '-in', `${stem}.pem`));
    if (name === 'mallory') revoke(folder, ca, `${stem}.pem`);
    rmSync(`${stem}.pem`);
  }
  rmSync(at('private', 'remote.key'));
  const inline = ['ca.crt', 'issued/bob.crt', 'private/bob.key'].map((path) =>
    readFileSync(at(path), 'utf8'),
  );
  writeFileSync(at('inline', 'bob.inline'), `<ca>\n${inline.join('</ca>\n')}`);
  writeFileSync(at('vars'), 'set_var EASYRSA_ALGO ec\n');
  writeFileSync(at('dh.pem'), '-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n');
}

interface Files {
  readonly cert: string;
  readonly key: string;
}

function authority({ cert, key }: Files, subject: string, constraints: string): void {
  openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', subject],
    ...['-days', '3650', '-addext', `basicConstraints=critical,${constraints}`],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  );
}

/** Makes `STEM.pem` and `STEM-key.pem`; the key is in SEC 1 form. */
function leaf(ca: Files, stem: string, subject: string, extensions: Record<string, string>): void {
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${stem}-key.pem`);
  const wanted = Object.entries(extensions).flatMap(([name, value]) => ['-addext', `${name}=${value}`]);
  openssl('req', '-new', '-key', `${stem}-key.pem`, '-subj', subject, ...wanted, '-out', `${stem}.csr`);
  openssl(
    ...[
      'x509',
      '-req',
      '-in',
      `${stem}.csr`,
      '-CA',
      ca.cert,
      '-CAkey',
      ca.key,
      '-copy_extensions',
      'copyall',
    ],
    ...['-days', '800', '-out', `${stem}.pem`],
  );
  rmSync(`${stem}.csr`);
}

function revoke(folder: string, ca: Files, cert: string): void {
  const at = (name: string) => join(folder, name);
  writeFileSync(at('index.txt'), '');
  writeFileSync(at('crlnumber'), '01\n');
  writeFileSync(
    at('openssl-easyrsa.cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${at('index.txt')}\ncrlnumber=${at('crlnumber')}\ndefault_md=sha256\ndefault_crl_days=30\n`,
  );
  const tool = ['ca', '-config', at('openssl-easyrsa.cnf'), '-cert', ca.cert, '-keyfile', ca.key];
  openssl(...tool, '-revoke', cert);
  openssl(...tool, '-gencrl', '-out', at('crl.pem'));
  for (const name of readdirSync(folder)) if (name.endsWith('.old')) rmSync(at(name));
}
