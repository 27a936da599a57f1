import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { inspect } from '../../../src/pki/verify/inspection.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('inspection');
let directory: PkiDirectory;
beforeAll(async () => {
  directory = await madeDirectory(scratch, { passphrase: 'open sesame' });
});
const look = (file: string) => inspect(readFileSync(file), file);

describe('inspect', () => {
  it('returns all properties of a certificate', async () => {
    const listed = (await listCertificates(directory)).certificates.find(({ name }) => name === 'route');
    const [found] = look(directory.certificateFile('route'));
    expect(found).toEqual({
      kind: 'certificate',
      subject: 'CN=route',
      issuer: 'CN=Test authority',
      serial: listed?.serial,
      notBefore: listed?.notBefore,
      notAfter: listed?.notAfter,
      keyType: 'p256',
      signatureAlgorithm: 'ecdsa-with-SHA256',
      sans: ['dns:localhost', 'ip:127.0.0.1', 'ip:::1'],
      authority: false,
      keyUsage: ['digitalSignature'],
      nameConstraints: [],
      ocspUrls: [],
      crlUrls: [],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      subjectKeyId: expect.stringMatching(/^[0-9a-f]{40}$/),
      authorityKeyId: expect.stringMatching(/^[0-9a-f]{40}$/),
      pin: listed?.pin,
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('recognizes an authority', () => {
    expect(look(directory.authorityFile)).toMatchObject([
      { authority: true, pathLength: 1, keyUsage: ['keyCertSign', 'cRLSign'], extendedKeyUsage: [] },
    ]);
  });

  it('returns the type and pin of a key, and neither for an encrypted one', async () => {
    const listed = (await listCertificates(directory)).certificates.find(({ name }) => name === 'client');
    expect(look(directory.keyFile('client'))).toEqual([
      { kind: 'private-key', encrypted: false, keyType: 'p256', pin: listed?.pin },
    ]);
    expect(look(directory.authorityKeyFile)).toEqual([{ kind: 'private-key', encrypted: true }]);
  });

  it('returns the properties of a request and of a public key', () => {
    const [request, key] = ['request', 'public'].map((name) => join(scratch, name)) as [string, string];
    openssl('req', '-new', '-key', directory.keyFile('client'), '-subj', '/O=Example/CN=x', '-out', request);
    openssl('pkey', '-in', directory.keyFile('client'), '-pubout', '-out', key);
    const [client] = look(directory.certificateFile('client'));
    const pin = client?.kind === 'certificate' ? client.pin : undefined;
    expect(look(request)).toEqual([
      {
        kind: 'request',
        subject: 'O=Example,CN=x',
        sans: [],
        keyType: 'p256',
        signatureAlgorithm: 'ecdsa-with-SHA256',
        signatureValid: true,
        pin,
      },
    ]);
    expect(look(key)).toEqual([{ kind: 'public-key', encrypted: false, keyType: 'p256', pin }]);
  });

  it('returns everything in a file, in the order of the file', () => {
    const files = [directory.certificateFile('server'), directory.keyFile('server'), directory.authorityFile];
    const text = files.map((file) => readFileSync(file, 'utf8')).join('');
    expect(inspect(Buffer.from(text), 'all.pem').map(({ kind }) => kind)).toEqual([
      'certificate',
      'private-key',
      'certificate',
    ]);
  });

  it('never returns secret values', () => {
    const pem = readFileSync(directory.keyFile('client'), 'utf8');
    const told = JSON.stringify(look(directory.keyFile('client')));
    for (const line of pem.split('\n').slice(1, 3)) expect(told).not.toContain(line);
  });
});
