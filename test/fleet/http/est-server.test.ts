// EST over HTTPS with curl and openssl as the client, which know nothing of natspki.
import { readFileSync, writeFileSync } from 'node:fs';
import { request as requestHttps } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileWatcher } from '../../../src/files/watcher.ts';
import { FleetAuthority } from '../../../src/fleet/authority/authority.ts';
import { invite } from '../../../src/fleet/authority/invite.ts';
import { EstServer } from '../../../src/fleet/http/est-server.ts';
import { LineLogger } from '../../../src/log.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import type { ProfileName } from '../../../src/pki/store/profile.ts';
import { Certificate, readCertificates } from '../../../src/x509/certificate.ts';
import { makeCsr, openssl } from '../../harness/openssl.ts';
import { Output } from '../../harness/output.ts';
import { run } from '../../harness/process.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('est-server');
const dayMs = 24 * 60 * 60 * 1000;
const log = new Output();
const logger = new LineLogger((line) => log.add(line), { timestamps: false });
const watcher = new FileWatcher();
let clock = 0;
const now = () => new Date(Date.now() + clock);

let directory: PkiDirectory;
let server: EstServer;

beforeAll(async () => {
  directory = await madeDirectory(scratch);
  const authority = await FleetAuthority.open({ directory, logger, now, graceMs: 10 * dayMs });
  const where = { host: '127.0.0.1', port: 0 };
  server = await EstServer.open({ authority, where, pair: directory.pair('server'), watcher, logger, now });
});
afterAll(async () => {
  await server?.close(0);
  await watcher.close();
});

const at = (name: string) => join(scratch, name);

/** Makes NAME.csr in base64, as RFC 7030 asks for, and NAME.key. */
function makeBase64Csr(name: string): void {
  const request = makeCsr(scratch, name, '/CN=any', '-outform', 'DER');
  writeFileSync(request, readFileSync(request).toString('base64'));
}

/** Calls an operation with curl; the answer is in the file that it returns. */
async function curl(operation: string, ...options: string[]) {
  const url = `https://localhost:${server.port}/.well-known/est/${operation}`;
  const trust = ['--cacert', directory.authorityFile];
  const write = ['--silent', '--show-error', '--output', at('answer'), '--write-out', '%{http_code}'];
  const { stdout, stderr } = await run(['curl', ...trust, ...write, ...options, url]);
  return { status: Number(stdout), stderr, text: () => readFileSync(at('answer'), 'utf8') };
}

/** Posts NAME.csr. */
const post = (operation: string, name: string, ...options: string[]) =>
  curl(
    operation,
    '--header',
    'Content-Type: application/pkcs10',
    '--data',
    `@${at(`${name}.csr`)}`,
    ...options,
  );

/** Reads the answer with openssl into NAME.pem. */
function keepAnswer(name: string): Certificate {
  writeFileSync(at('answer.p7'), Buffer.from(readFileSync(at('answer'), 'utf8'), 'base64'));
  const pem = openssl('pkcs7', '-inform', 'DER', '-in', at('answer.p7'), '-print_certs');
  writeFileSync(at(`${name}.pem`), pem);
  return readCertificates(Buffer.from(pem), name)[0];
}

async function enrol(name: string, profile: ProfileName = 'client'): Promise<Certificate> {
  const { id, secret } = await invite({ directory, name, profile, urls: ['https://localhost:1'], now });
  makeBase64Csr(name);
  expect((await post('simpleenroll', name, '--user', `${id}:${secret}`)).status).toBe(200);
  return keepAnswer(name);
}

const as = (name: string) => ['--cert', at(`${name}.pem`), '--key', at(`${name}.key`)];

describe('EST over HTTPS', () => {
  it('enrols and renews with curl and openssl', async () => {
    expect((await curl('cacerts')).status).toBe(200);
    expect(keepAnswer('roots').pin).toBe((await directory.readBundle())[0].pin);
    expect((await curl('csrattrs')).status).toBe(204);
    const first = await enrol('alice');
    expect(first).toMatchObject({ commonName: 'alice', authority: false });
    makeBase64Csr('next');
    expect((await post('simplereenroll', 'next', ...as('alice'))).status).toBe(200);
    const second = keepAnswer('next');
    expect(second.commonName).toBe('alice');
    expect(second.pin).not.toBe(first.pin);
    expect(log.text).toContain(`Renewed "alice" over est from 127.0.0.1: serial ${second.serial}`);
  });

  it('renews a server certificate, which TLS would reject as that of a client', async () => {
    await enrol('n1', 'server');
    makeBase64Csr('n1-next');
    expect((await post('simplereenroll', 'n1-next', ...as('n1'))).status).toBe(200);
    expect(keepAnswer('n1-next').extendedKeyUsage).toEqual(['serverAuth']);
  });

  it('renews an expired certificate within the grace time and refuses it afterwards', async () => {
    await enrol('late');
    makeBase64Csr('late-next');
    clock = 380 * dayMs;
    const refused = await post('simplereenroll', 'late-next', ...as('late'));
    clock = 366 * dayMs;
    const granted = await post('simplereenroll', 'late-next', ...as('late'));
    clock = 0;
    expect([refused.status, granted.status]).toEqual([403, 200]);
    expect(log.text).toMatch(
      /Refused to renew over est from 127\.0\.0\.1: certificate \w+ of "late" expired/,
    );
  });

  it('refuses no certificate, a foreign one, and a copied key, and says why in the log', async () => {
    makeBase64Csr('thief');
    expect((await post('simplereenroll', 'thief')).status).toBe(403);
    const foreign = await madeDirectory(scratch);
    const pair = ['--cert', foreign.certificateFile('client'), '--key', foreign.keyFile('client')];
    const stranger = await post('simplereenroll', 'thief', ...pair);
    expect([stranger.status, stranger.text()]).toEqual([
      403,
      'this authority did not issue the certificate\n',
    ]);
    const { serial } = await enrol('victim');
    makeBase64Csr('honest');
    expect((await post('simplereenroll', 'honest', ...as('victim'))).status).toBe(200);
    expect((await post('simplereenroll', 'thief', ...as('victim'))).status).toBe(403);
    expect(log.text).toContain(`renewed twice from serial ${serial} of "victim": its key was copied`);
  });

  it('answers what is not EST, too long, or not of its methods without harm', async () => {
    writeFileSync(at('long.csr'), 'A'.repeat(1024 * 1024));
    expect((await post('simpleenroll', 'long', '--user', 'a:b')).status).toBe(413);
    expect((await curl('../../healthz', '--path-as-is')).status).toBe(404);
    expect((await curl('cacerts', '--request', 'DELETE')).status).toBe(405);
    expect((await curl('cacerts', '--head')).status).toBe(200);
    expect((await curl('simpleenroll', '--header', `X: ${'x'.repeat(9000)}`)).status).toBe(431);
  });

  it('forgets a client that leaves within its request, and one that speaks no TLS', async () => {
    const body = {
      method: 'POST',
      path: '/.well-known/est/simpleenroll',
      headers: { 'Content-Length': 100 },
    };
    const ca = readFileSync(directory.authorityFile);
    const leaving = requestHttps({ host: 'localhost', port: server.port, ca, ...body });
    leaving.on('error', () => {}).write('AAAA', () => leaving.destroy());
    await new Promise((resolve) => leaving.once('close', resolve));
    const plain = connectPlain(server.port, '127.0.0.1').on('error', () => {});
    plain.end('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => plain.once('close', resolve));
    expect((await curl('cacerts')).status).toBe(200);
    expect(log.text).not.toContain('[ERR]');
  });

  it('serves a renewed pair from the next connection on', async () => {
    const { serial } = leafOf(directory, 'server');
    const swapped = new Promise((resolve) => server.source.once('swap', resolve));
    await rotateLeaves({ directory, names: ['server'] });
    await swapped;
    const ca = readFileSync(directory.authorityFile);
    const client = connect({ host: 'localhost', port: server.port, ca });
    await new Promise((resolve, reject) => client.once('secureConnect', resolve).once('error', reject));
    const served = new Certificate(client.getPeerX509Certificate()?.raw ?? Buffer.alloc(0)).serial;
    client.destroy();
    expect(served).toBe(leafOf(directory, 'server').serial);
    expect(served).not.toBe(serial);
  });
});
