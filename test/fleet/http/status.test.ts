// The status of certificates over HTTP: how requests arrive, how answers are cached, and what openssl says as a client.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRevocationLists } from '../../../src/pki/revoke/lists.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';
import { type StatusServer, startStatusServer } from '../../support/status-server.ts';

const scratch = testFolder('status');
const run = promisify(execFile);
const client = join(scratch, 'client.pem');

let directory: PkiDirectory;
let server: StatusServer;
let question: Buffer;

beforeAll(async () => {
  directory = await madeDirectory(scratch);
  server = await startStatusServer(directory);
  writeFileSync(client, leafOf(directory, 'client').toPem());
  const file = join(scratch, 'request.der');
  openssl('ocsp', '-issuer', directory.authorityFile, '-cert', client, '-no_nonce', '-reqout', file);
  question = readFileSync(file);
});
afterAll(() => server.close());

const inPath = (bytes: Buffer) => `${server.url}/ocsp/${encodeURIComponent(bytes.toString('base64'))}`;

describe('the status of certificates over HTTP', () => {
  it('answers openssl, which posts its request', async () => {
    const url = `${server.url}/ocsp`;
    const flags = ['-issuer', directory.authorityFile, '-cert', client, '-CAfile', directory.authorityFile];
    const { stdout, stderr } = await run('openssl', ['ocsp', ...flags, '-url', url]);
    expect(stdout).toContain(`${client}: good`);
    expect(stderr).toContain('Response verify OK');
  });

  it('answers GET with headers for caches, and 304 for what the cache has', async () => {
    const first = await fetch(inPath(question));
    expect(first.status).toBe(200);
    expect(first.headers.get('content-type')).toBe('application/ocsp-response');
    const control = /^max-age=(\d+), public, no-transform, must-revalidate$/.exec(
      first.headers.get('cache-control') ?? '',
    );
    expect(Number(control?.[1])).toBe(60);
    const [produced, expires] = ['last-modified', 'expires'].map((name) =>
      Date.parse(first.headers.get(name) ?? ''),
    ) as [number, number];
    expect(expires - produced).toBe(600_000);
    const etag = first.headers.get('etag') ?? '';
    const again = await fetch(inPath(question), { headers: { 'If-None-Match': `"x", ${etag}` } });
    expect(again.status).toBe(304);
    const posted = await fetch(`${server.url}/ocsp`, { method: 'POST', body: new Uint8Array(question) });
    expect(posted.headers.get('cache-control')).toBe('no-store');
    expect(Buffer.from(await posted.arrayBuffer()).equals(Buffer.from(await first.arrayBuffer()))).toBe(true);
  });

  it.each(['/ocsp', '/ocsp/', '/ocsp/%', '/ocsp/!!', '/ocsp/MAA='])(
    'answers GET %s, which is no request, as malformed and keeps that from caches',
    async (path) => {
      const response = await fetch(server.url + path);
      expect(Buffer.from(await response.arrayBuffer()).toString('hex')).toBe('30030a0101');
      expect(response.headers.get('cache-control')).toBe('no-store');
    },
  );

  it('refuses other methods, and a request that is too long', async () => {
    for (const path of ['/ocsp', '/ca.crl']) {
      expect((await fetch(server.url + path, { method: 'DELETE' })).status).toBe(405);
    }
    const body = new Uint8Array(16_385);
    expect((await fetch(`${server.url}/ocsp`, { method: 'POST', body })).status).toBe(413);
  });

  it('serves the list of the issuer of leaves as DER, once there is one', async () => {
    const before = await fetch(`${server.url}/ca.crl`);
    expect([before.status, await before.text()]).toEqual([
      404,
      'there is no revocation list: `natspki crl` writes one, `natspki revoke` too\n',
    ]);
    await writeRevocationLists({ directory });
    const response = await fetch(`${server.url}/ca.crl`);
    expect(response.headers.get('content-type')).toBe('application/pkix-crl');
    expect(response.headers.get('cache-control')).toMatch(/^max-age=300, /);
    const file = join(scratch, 'list.der');
    writeFileSync(file, Buffer.from(await response.arrayBuffer()));
    const text = openssl('crl', '-inform', 'DER', '-in', file, '-noout', '-issuer');
    expect(text).toContain('Test authority');
  });
});
