// The index of a revocation list agrees with the reader that makes objects, on lists of openssl and on damaged ones.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readMaterial } from '../../src/x509/decode.ts';
import { DerError } from '../../src/x509/der.ts';
import { RevocationIndex } from '../../src/x509/revocation-index.ts';
import { RevocationList } from '../../src/x509/revocation-list.ts';
import { makeAuthority, openssl } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('revocation-index');
const at = (name: string) => join(folder, name);
const ca = makeAuthority(folder);

/** Makes a list of openssl with these serial numbers. @param extra lines for its extensions */
function makeList(serials: readonly string[], extra = ''): Buffer {
  const reasons = ['', ',keyCompromise', ',superseded', ',holdInstruction,holdInstructionCallIssuer'];
  const lines = serials.map(
    (serial, index) =>
      `R\t401231235959Z\t26010100000${index % 10}Z${reasons[index % reasons.length]}\t${serial.toUpperCase()}\tunknown\t/CN=${index}\n`,
  );
  writeFileSync(at('index'), lines.join(''));
  writeFileSync(
    at('ca.conf'),
    `[ca]\ndefault_ca = x\n[x]\ndatabase = ${at('index')}\ncertificate = ${ca.cert}\nprivate_key = ${ca.key}\ndefault_md = sha256\ncrl_extensions = extensions\n[extensions]\nauthorityKeyIdentifier = keyid\n${extra}\n`,
  );
  openssl('ca', '-config', at('ca.conf'), '-gencrl', '-crldays', '30', '-out', at('list.pem'));
  return readMaterial(readFileSync(at('list.pem')), 'list.pem')[0]?.der as Buffer;
}

const serials = ['01', '7f', '80', 'ff', '0100', 'abcdef0123456789abcdef0123456789abcdef01', '11'.repeat(19)];

it('finds every serial number of a list and no other', async () => {
  const list = makeList(serials);
  const index = await RevocationIndex.read(list);
  expect(index.size).toBe(serials.length);
  expect(new RevocationList(list).revoked.map(({ serial }) => serial).sort()).toEqual([...serials].sort());
  expect(serials.filter((serial) => !index.has(serial))).toEqual([]);
  expect(
    ['00', '02', '7e', '8000', '0101', '-01', '11'.repeat(18)].filter((each) => index.has(each)),
  ).toEqual([]);
  expect(index.unknownCritical).toEqual([]);
});

it('finds nothing in an empty list', async () => {
  const index = await RevocationIndex.read(makeList([]));
  expect([index.size, index.has('01')]).toEqual([0, false]);
});

it('reports critical extensions that it does not know', async () => {
  const partial = makeList(['05'], 'issuingDistributionPoint = critical, @point\n[point]\nonlyuser = TRUE');
  expect((await RevocationIndex.read(partial)).unknownCritical).toEqual(['2.5.29.28']);
});

it('rejects a list with a byte missing or changed wherever the other reader does', async () => {
  const list = makeList(serials);
  let both = 0;
  for (let at = 0; at < list.length - 80; at += 3) {
    const changed = Buffer.from(list);
    changed[at] = (changed[at] as number) ^ 0x41;
    const strict = attempt(() => new RevocationList(changed));
    const index = await RevocationIndex.read(changed).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (index !== undefined) expect(index).toBeInstanceOf(DerError);
    // The index does not read when and why a certificate was revoked.
    if (strict === undefined) expect(index).toBeUndefined();
    if (strict !== undefined && index !== undefined) both++;
  }
  expect(both).toBeGreaterThan(20);
  await expect(RevocationIndex.read(list.subarray(0, -1))).rejects.toThrow(DerError);
});

function attempt(read: () => unknown): unknown {
  try {
    read();
    return undefined;
  } catch (error) {
    return error;
  }
}
