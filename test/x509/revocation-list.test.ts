import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCertificates } from '../../src/x509/certificate.ts';
import { readMaterial } from '../../src/x509/decode.ts';
import { formatName } from '../../src/x509/distinguished-name.ts';
import { readRevocationList } from '../../src/x509/revocation-list.ts';
import { makeAuthority, makeLeaf, openssl, type Pair } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('revocation-list');
const at = (name: string) => join(folder, name);
let ca: Pair;
let leaf: Pair;

function makeList(name: string): void {
  openssl('ca', '-config', at('ca.conf'), '-gencrl', '-crldays', '30', '-out', at(name));
}

function read(name: string) {
  const [material] = readMaterial(readFileSync(at(name)), name);
  expect(material?.kind).toBe('revocation-list');
  return readRevocationList(material?.der ?? Buffer.alloc(0), name);
}

beforeAll(() => {
  ca = makeAuthority(folder);
  leaf = makeLeaf(folder, 'leaf', ca);
  writeFileSync(at('index'), '');
  writeFileSync(
    at('ca.conf'),
    `[ca]\ndefault_ca = x\n[x]\ndatabase = ${at('index')}\ncertificate = ${ca.cert}\nprivate_key = ${ca.key}\ndefault_md = sha256\n`,
  );
});

describe('a revocation list', () => {
  it('can be empty', () => {
    makeList('empty.pem');
    const list = read('empty.pem');
    expect(formatName(list.issuer)).toBe('CN=ca');
    expect(list).toMatchObject({ signatureAlgorithm: 'ecdsa-with-SHA256', revoked: [] });
    expect(list.nextUpdate?.getTime()).toBe(list.thisUpdate.getTime() + 30 * 24 * 60 * 60 * 1000);
  });

  it('has the serial numbers, times and reasons, from PEM or DER', () => {
    openssl('ca', '-config', at('ca.conf'), '-revoke', leaf.cert, '-crl_reason', 'keyCompromise');
    makeList('list.pem');
    const { serial } = readCertificates(readFileSync(leaf.cert), 'leaf')[0];
    const list = read('list.pem');
    expect(list.revoked).toEqual([{ serial, revokedAt: expect.any(Date), reason: 'keyCompromise' }]);
    openssl('crl', '-in', at('list.pem'), '-outform', 'DER', '-out', at('list.der'));
    expect(read('list.der')).toEqual(list);
  });

  it('is damaged when bytes are missing', () => {
    const [material] = readMaterial(readFileSync(at('empty.pem')), 'empty.pem');
    const torn = material?.der.subarray(0, -5) ?? Buffer.alloc(0);
    expect(() => readRevocationList(torn, 'torn')).toThrow(
      expect.objectContaining({ code: 'damaged-revocation-list' }),
    );
  });
});
