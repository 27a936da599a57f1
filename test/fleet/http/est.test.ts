// EST as a client sees it, without its transport. openssl makes the requests and reads the answers.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FleetAuthority } from '../../../src/fleet/authority/authority.ts';
import { invite } from '../../../src/fleet/authority/invite.ts';
import { Est, type EstAnswer, type EstRequest } from '../../../src/fleet/http/est.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { type Certificate, readCertificates } from '../../../src/x509/certificate.ts';
import { makeCsr, openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('est');
const errors: string[] = [];
const logger = { info: () => {}, warn: () => {}, error: (line: string) => errors.push(line) };

let directory: PkiDirectory;
let est: Est;

beforeAll(async () => {
  directory = await madeDirectory(scratch);
  est = new Est(await FleetAuthority.open({ directory, logger }), logger);
});

const ask = (operation: string, request: Partial<EstRequest> = {}) =>
  est.answer({
    method: /enroll/.test(operation) ? 'POST' : 'GET',
    path: `/.well-known/est/${operation}`,
    authorization: undefined,
    body: Buffer.alloc(0),
    chain: [],
    peer: '192.0.2.1',
    ...request,
  });

/** Makes a request with openssl; returns it in the form that RFC 7030 asks for. */
function request(name: string, ...options: string[]): Buffer {
  const file = makeCsr(scratch, name, `/CN=${name}`, '-outform', 'DER', ...options);
  return Buffer.from(readFileSync(file).toString('base64').replace(/.{64}/g, '$&\r\n'));
}

async function credentials(name: string): Promise<string> {
  const { id, secret } = await invite({ directory, name, profile: 'client', urls: ['https://localhost:1'] });
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

/** Reads a certs-only answer with openssl. */
function certificatesIn({ status, headers, body }: EstAnswer): Certificate[] {
  expect(status, body).toBe(200);
  expect(headers['Content-Type']).toBe('application/pkcs7-mime; smime-type=certs-only');
  const file = join(scratch, 'answer.p7');
  writeFileSync(file, Buffer.from(body, 'base64'));
  return readCertificates(Buffer.from(openssl('pkcs7', '-inform', 'DER', '-in', file, '-print_certs')), file);
}

describe('EST', () => {
  it('gives the trusted roots, and asks for no attributes', async () => {
    const [root] = certificatesIn(await ask('cacerts'));
    expect(root?.pin).toBe((await directory.readBundle())[0].pin);
    expect((await ask('csrattrs')).status).toBe(204);
  });

  it('enrols a request of openssl by the id and secret of a token, and renews it by its certificate', async () => {
    const authorization = await credentials('alice');
    const first = certificatesIn(await ask('simpleenroll', { authorization, body: request('alice') }));
    expect(first[0]?.commonName).toBe('alice');
    const file = join(scratch, 'alice.pem');
    writeFileSync(file, first.map((each) => each.toPem()).join(''));
    expect(openssl('verify', '-CAfile', directory.authorityFile, file)).toContain('OK');
    const chain = first.map(({ der }) => der);
    request('next');
    const pem = Buffer.from(openssl('req', '-inform', 'DER', '-in', join(scratch, 'next.csr')));
    const second = certificatesIn(await ask('simplereenroll', { chain, body: pem }));
    expect(second[0]?.commonName).toBe('alice');
    expect(second[0]?.pin).not.toBe(first[0]?.pin);
  });

  it('gives no authority and no foreign name, whatever the request contains', async () => {
    const authorization = await credentials('bob');
    const body = request(
      'root',
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'subjectAltName=DNS:admin'],
    );
    const [certificate] = certificatesIn(await ask('simpleenroll', { authorization, body }));
    expect(certificate).toMatchObject({ commonName: 'bob', authority: false });
    expect(certificate?.sans).toEqual([{ kind: 'dns', value: 'bob' }]);
  });

  it('answers a stranger with 401 and one text, and asks for credentials', async () => {
    const body = request('eve');
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const known = Buffer.from((await credentials('carol')).slice(6), 'base64')
      .toString()
      .slice(0, 16);
    const wrong = 'A'.repeat(43);
    const answers = [];
    for (const user of [known, '0'.repeat(16)]) {
      answers.push(await ask('simpleenroll', { authorization: basic(`${user}:${wrong}`), body }));
    }
    expect(answers[0]).toEqual(answers[1]);
    for (const authorization of [undefined, 'Bearer x', 'Basic !!', basic('alice:password'), basic('')]) {
      answers.push(await ask('simpleenroll', { ...(authorization ? { authorization } : {}), body }));
    }
    for (const { status, headers } of answers) {
      expect(status).toBe(401);
      expect(headers['WWW-Authenticate']).toMatch(/^Basic /);
    }
  });

  it('refuses to renew without a certificate, and for one of another authority', async () => {
    const body = request('eve');
    expect((await ask('simplereenroll', { body })).status).toBe(403);
    const foreign = leafOf(await madeDirectory(scratch), 'client');
    const answer = await ask('simplereenroll', { body, chain: [foreign.der] });
    expect(answer).toMatchObject({ status: 403, body: 'this authority did not issue the certificate\n' });
  });

  it('answers a body that is no request with 400, and unknown operations and methods with 404 and 405', async () => {
    const authorization = await credentials('dave');
    for (const body of ['', 'hello', '!!!', Buffer.alloc(60_000, 'A').toString()]) {
      expect((await ask('simpleenroll', { authorization, body: Buffer.from(body) })).status).toBe(400);
    }
    for (const name of ['fullcmc', 'serverkeygen', 'label/cacerts', 'constructor', '']) {
      expect((await ask(name, { method: 'GET' })).status, name).toBe(404);
    }
    expect(await ask('cacerts', { method: 'POST' })).toMatchObject({
      status: 405,
      headers: { Allow: 'GET' },
    });
  });

  it('answers with 503 and logs the reason when the folder cannot be used', async () => {
    const failing = new Est(
      {
        roots: await directory.readBundle(),
        refresh: () => directory.read(join(directory.path, 'missing')).then(() => {}),
        enroll: () => Promise.reject(new Error('unused')),
        renew: () => Promise.reject(new Error('unused')),
      },
      logger,
    );
    const answer = await failing.answer({
      ...{ method: 'GET', path: '/.well-known/est/cacerts', authorization: undefined },
      ...{ body: Buffer.alloc(0), chain: [], peer: '192.0.2.1' },
    });
    expect(answer).toMatchObject({ status: 503, headers: { 'Retry-After': '10' } });
    expect(answer.body).not.toContain(directory.path);
    expect(errors.at(-1)).toContain('missing');
  });
});
