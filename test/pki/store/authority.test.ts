// Certificates of every profile and key type, verified with openssl and with Node's TLS.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Authority } from '../../../src/pki/store/authority.ts';
import { type ProfileName, profileNames, profiles } from '../../../src/pki/store/profile.ts';
import type { Certificate } from '../../../src/x509/certificate.ts';
import { encodePrivateKey, generateKey, keyTypes } from '../../../src/x509/key.ts';
import { parseSan } from '../../../src/x509/name.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { handshake } from '../../support/mutual-tls.ts';

const folder = testFolder('authority');
const now = new Date();
const day = 24 * 60 * 60 * 1000;
const sources = { certificate: 'ca.pem', key: 'ca-key.pem' };

async function authority(options: { type?: (typeof keyTypes)[number]; days?: number; at?: Date } = {}) {
  const key = await generateKey(options.type ?? 'p256');
  return Authority.create({ commonName: 'Test', key, days: options.days ?? 3650, now: options.at ?? now });
}

function request(key: KeyObject, profile: ProfileName = 'server', days = 365) {
  return {
    commonName: 'n1',
    profile,
    sans: [parseSan('dns:localhost')],
    publicKey: createPublicKey(key),
    days,
  };
}

function write(name: string, certificate: Certificate): string {
  const file = join(folder, name);
  writeFileSync(file, certificate.toPem());
  return file;
}

describe.each(keyTypes)('with keys of type %s', (type) => {
  let issuer: Authority;
  let key: KeyObject;
  let bundle: string;
  beforeAll(async () => {
    [issuer, key] = await Promise.all([authority({ type }), generateKey(type)]);
    bundle = write('ca.pem', issuer.current.certificate);
  });

  it.each(profileNames)('openssl accepts a %s certificate for its purposes only', async (profile) => {
    const file = write('leaf.pem', await issuer.issue(request(key, profile), now));
    for (const [openssls, purpose] of [
      ['sslserver', 'serverAuth'],
      ['sslclient', 'clientAuth'],
    ] as const) {
      const verify = () => openssl('verify', '-x509_strict', '-purpose', openssls, '-CAfile', bundle, file);
      if (profiles[profile].purposes.includes(purpose)) expect(verify()).toBe(`${file}: OK\n`);
      else expect(verify).toThrow('unsuitable certificate purpose');
    }
  });

  it("Node's TLS accepts server and client certificates on both ends", async () => {
    const [server, client] = await Promise.all(
      (['server', 'client'] as const).map((profile) => issuer.issue(request(key, profile), now)),
    );
    const pem = await encodePrivateKey(key);
    const ends = await handshake({
      ca: issuer.trustBundle(),
      server: { cert: server?.toPem() ?? '', key: pem },
      client: { cert: client?.toPem() ?? '', key: pem },
    });
    expect(ends).toEqual({ serverAuthorized: true, clientAuthorized: true });
  });
});

describe('the validity period of a certificate', () => {
  it('begins five minutes in the past, for clocks that are behind, and lasts the requested number of days', async () => {
    const at = new Date('2026-06-01T12:00:00.123Z');
    const issuer = await authority({ at, days: 100 });
    const leaf = await issuer.issue(request(await generateKey('p256'), 'server', 10), at);
    expect(leaf.notBefore.toISOString()).toBe('2026-06-01T11:55:00.000Z');
    expect(leaf.notAfter.toISOString()).toBe('2026-06-11T12:00:01.000Z');
    expect(issuer.current.certificate.notAfter.toISOString()).toBe('2026-09-09T12:00:01.000Z');
  });

  it('ends no later than that of the authority', async () => {
    const issuer = await authority({ days: 30 });
    const later = new Date(now.getTime() + 10 * day);
    const leaf = await issuer.issue(request(await generateKey('p256'), 'server', 365), later);
    expect(leaf.notAfter).toEqual(issuer.current.certificate.notAfter);
    expect(issuer.notAfterOf(365, later)).toEqual({ notAfter: leaf.notAfter, shortened: true });
    expect(issuer.notAfterOf(20, later).shortened).toBe(false);
  });
});

describe('an authority', () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

  it('signs nothing after it has expired, and hints at how to replace it', async () => {
    const issuer = await authority({ days: 1, at: new Date('2026-01-01T00:00:00Z') });
    await expect(issuer.issue(request(key), new Date('2026-01-02T00:00:00Z'))).rejects.toThrow(
      expect.objectContaining({
        code: 'authority-expired',
        message: 'authority "Test" expired on 2026-01-02',
        hint: 'make a new one with `natspki rotate --ca`',
      }),
    );
  });

  it('signs nothing before it is valid', async () => {
    const issuer = await authority({ at: new Date('2026-02-01T00:00:00Z') });
    await expect(issuer.issue(request(key), new Date('2026-01-01T00:00:00Z'))).rejects.toThrow(
      expect.objectContaining({
        code: 'authority-not-yet-valid',
        message: 'authority "Test" is valid from 2026-01-31 on, and the clock says 2026-01-01',
      }),
    );
  });

  it('cannot have the key of another authority', async () => {
    const { certificate } = (await authority()).current;
    expect(() => new Authority({ roots: [certificate], key }, sources)).toThrow(
      expect.objectContaining({
        code: 'key-mismatch',
        message: '"ca-key.pem" is not the key of the first certificate in "ca.pem", Test',
      }),
    );
  });

  it('cannot be a leaf certificate', async () => {
    const leaf = await (await authority()).issue(request(key), now);
    expect(() => new Authority({ roots: [leaf], key }, sources)).toThrow(
      expect.objectContaining({
        code: 'not-an-authority',
        message: 'the first certificate in "ca.pem", n1, is not one of an authority',
      }),
    );
  });

  it('has a trust bundle with itself first and the roots that it replaced', async () => {
    const [current, old] = await Promise.all([authority(), authority()]);
    const { certificate, key } = current.current;
    const both = new Authority({ roots: [certificate, old.current.certificate], key }, sources);
    expect(both.trustBundle()).toBe(current.current.certificate.toPem() + old.current.certificate.toPem());
  });

  it('takes its serial numbers from the given source of random bytes', async () => {
    const random = (size: number) => Buffer.alloc(size, 0x5a);
    const issuer = await Authority.create({ commonName: 'Test', key, days: 1, now }, 0, random);
    expect((await issuer.issue(request(key), now)).serial).toBe('5a'.repeat(20));
  });
});
