// What monitoring shows about revocation lists, OCSP answers and staples; /varz has the fields of nats-server.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writePem } from '../../../src/x509/pem.ts';
import { TestAuthority } from '../../harness/certificates.ts';
import { makeAuthority, makeLeaf, type Pair } from '../../harness/openssl.ts';
import { natsServer, type ServerUnderTest, startInProcess } from '../../harness/server.ts';
import { Wire } from '../../harness/wire.ts';
import { testFolder } from '../../support/folder.ts';
import { ask, askJson, monitorUrlOf } from '../../support/monitoring.ts';
import { OcspResponder } from '../../support/ocsp-responder.ts';
import { describePeer } from '../../support/peers.ts';

const folder = testFolder('monitoring-revocation');
const ca = makeAuthority(folder);
const crl = join(folder, 'some.crl');
let responder: OcspResponder;
let server: Pair;
let clients: Pair[];

beforeAll(async () => {
  responder = await OcspResponder.start({ ca });
  server = makeLeaf(folder, 'server', ca, { ocsp: responder.url('good') });
  clients = (['good', 'revoked', 'unknown'] as const).map((name) =>
    makeLeaf(folder, name, ca, { ocsp: responder.url(name) }),
  );
  const other = await TestAuthority.make('Other CA');
  writeFileSync(crl, writePem('X509 CRL', await other.revocationList([other.certificate], 7n)));
}, 60_000);
afterAll(() => responder.stop());

/** @param name of the folder with saved answers, which another server would read */
const configuration = (name: string) => `
  server_name: one
  http: "127.0.0.1:-1"
  store_dir: "${folder}/${name}"
  ocsp { mode: always }
  ocsp_cache { local_store: "${folder}/${name}/rc" }
  tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}", verify: true, ocsp_peer: true }`;

/** Connects each client twice; all but the first are rejected. */
async function visit({ port }: ServerUnderTest): Promise<void> {
  for (const { cert, key } of [...clients, ...clients]) {
    const wire = await Wire.open(port);
    await wire.upgrade({
      ca: readFileSync(ca.cert),
      cert: readFileSync(cert),
      key: readFileSync(key),
      servername: 'localhost',
    });
    await wire.drain().catch(() => {});
    wire.end();
  }
}

async function varzOf(server: ServerUnderTest) {
  const { tls_ocsp_peer_verify, ocsp_peer_cache } = await askJson(`${monitorUrlOf(server.log())}/varz`);
  return { tls_ocsp_peer_verify, ocsp_peer_cache };
}

const expected = {
  tls_ocsp_peer_verify: true,
  ocsp_peer_cache: {
    cache_type: 'local',
    cache_hits: 3,
    cache_misses: 3,
    cached_responses: 3,
    cached_revoked_responses: 1,
    cached_good_responses: 1,
    cached_unknown_responses: 1,
  },
};

it('shows lists, answers and staples in /varz, /tlsz, /metrics and the data of the page', async () => {
  const server = await startInProcess(configuration('broker'), { crl: [crl] });
  try {
    await visit(server);
    expect(await varzOf(server)).toEqual(expected);
    const url = monitorUrlOf(server.log());
    const { tls, revocation } = await askJson(`${url}/tlsz`);
    expect(tls[0]).toMatchObject({
      ocsp_peer: true,
      staple: { status: 'good', next_update: expect.any(String) },
    });
    expect(revocation).toMatchObject({
      lists: {
        current: true,
        reloads: 0,
        files: [{ file: crl, issuer: 'CN=Other CA', number: '7', revoked: 1, expired: false }],
      },
      ocsp: { asked: 3, answered: 3, unreachable: 0, unusable: 0, kept: 3 },
    });
    expect((await askJson(`${url}/page.json`)).revocation.lists.files).toHaveLength(1);
    const { body } = await ask(`${url}/metrics`);
    expect(body).toMatch(/^natspki_revocation_lists_current 1$/m);
    expect(body).toMatch(
      /^natspki_revocation_list_certificates\{file=".*some\.crl",issuer="CN=Other CA"\} 1$/m,
    );
    expect(body).toMatch(/^natspki_ocsp_requests_total\{result="answered"\} 3$/m);
    expect(body).toMatch(/^natspki_ocsp_answers\{status="revoked"\} 1$/m);
    expect(body).toMatch(/^natspki_ocsp_staple_next_update_timestamp_seconds\{block="tls"\} \d+$/m);
    expect((await ask(`${url}/page/revocation.js`)).status).toBe(200);
  } finally {
    await server.stop();
  }
});

it('shows nothing of it without the options', async () => {
  const server = await startInProcess('http: "127.0.0.1:-1"');
  try {
    const url = monitorUrlOf(server.log());
    expect(await varzOf(server)).toEqual({});
    expect((await askJson(`${url}/tlsz`)).revocation).toEqual({});
    expect((await ask(`${url}/metrics`)).body).not.toMatch(/^natspki_(ocsp|revocation)\w* /m);
  } finally {
    await server.stop();
  }
});

describePeer('nats-server', 'nats-server', (bin) => {
  it('shows the same in /varz', async () => {
    const server = await natsServer(bin)(configuration('nats-server'));
    try {
      await visit(server);
      expect(await varzOf(server)).toEqual(expected);
    } finally {
      await server.stop();
    }
  });
});
