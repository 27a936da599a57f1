// A thousand members at once, and two with one name.
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { FleetAuthority } from '../../../src/fleet/authority/authority.ts';
import { invite } from '../../../src/fleet/authority/invite.ts';
import { decodeToken } from '../../../src/fleet/token.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { planLeaf, signLeaves } from '../../../src/pki/issue/leaf.ts';
import { type Certificate, readCertificates } from '../../../src/x509/certificate.ts';
import { type DerValue, readChildren, readDer, tags } from '../../../src/x509/der.ts';
import { generateKey } from '../../../src/x509/key.ts';
import { makeRequest } from '../../../src/x509/sign.ts';
import { writeDer } from '../../support/der.ts';
import { silentLogger, type TestFleet, testFleet } from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf } from '../../support/pki.ts';

const scratch = testFolder('crowd');
let fleet: TestFleet;

beforeAll(async () => {
  fleet = await testFleet(scratch, []);
});

const newRequest = async () => makeRequest({ commonName: 'any', sans: [] }, await generateKey('p256'));
/** Issues certificates that are in the ledger, and in no files. */
async function issued(names: readonly string[]): Promise<readonly Certificate[]> {
  const { directory } = fleet;
  const key = createPublicKey(await generateKey('p256'));
  const plans = names.map((name) => ({ ...planLeaf(directory.pair(name), 'client', 90), key }));
  const now = new Date();
  const signed = await signLeaves(await directory.readAuthority(), plans, now, () => {});
  await directory.exclusive(() => directory.write({ entries: signed.entries }, now));
  return signed.certificates;
}

/** Makes requests for as many keys. Only the first is made by the package, which takes most of the time otherwise. */
async function manyRequests(count: number): Promise<Buffer[]> {
  const keys = await Promise.all(Array.from({ length: count }, () => generateKey('p256')));
  const spkis = keys.map((key) => createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const model = await makeRequest({ commonName: 'any', sans: [] }, keys[0] as KeyObject);
  const [info, algorithm] = readChildren(readDer(model)) as [DerValue, DerValue];
  const at = info.raw.indexOf(spkis[0] as Buffer);
  return keys.map((key, i) => {
    const signed = Buffer.from(info.raw);
    (spkis[i] as Buffer).copy(signed, at);
    const signature = Buffer.concat([Buffer.of(0), sign('sha256', signed, key)]);
    return writeDer(tags.sequence, signed, algorithm.raw, writeDer(tags.bitString, signature));
  });
}

const renew = (der: Buffer, request: Buffer, by = fleet.authority) =>
  by.renew({ chain: [der], request, transport: 'nats', peer: 'test' });

describe('an authority', () => {
  it('renews 1,000 members that ask at the same moment, each with its own name, and the ledger has each once', async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `m-${i}`);
    const leaves = await issued(names);
    const other = await FleetAuthority.open({ directory: fleet.directory, logger: silentLogger });
    const requests = await manyRequests(names.length);
    const decisions = await Promise.all(
      names.map((_, i) =>
        // Two authorities share the folder.
        renew((leaves[i] as Certificate).der, requests[i] as Buffer, i % 2 ? other : fleet.authority),
      ),
    );
    expect(decisions.filter(({ granted }) => !granted)).toEqual([]);
    const subjects = decisions.map(
      (each) => each.granted && readCertificates(Buffer.from(each.chain), 'chain')[0].commonName,
    );
    expect(subjects).toEqual(names);
    const { entries } = await fleet.directory.ledger.read();
    expect(entries.filter(({ member }) => member !== undefined)).toHaveLength(1000);
  }, 240_000);

  it('keeps the one that enrolled last of two hosts with one name, and refuses the other', async () => {
    const terms = { directory: fleet.directory, name: 'twin', profile: 'client', uses: 2 } as const;
    const { token } = await invite({ ...terms, urls: ['https://localhost:1'] });
    const word = { ...decodeToken(token), peer: 'test' };
    const enrolled = [];
    for (const _ of [1, 2]) {
      const decision = await fleet.authority.enroll({ ...word, request: await newRequest() });
      if (!decision.granted) throw new Error(decision.reason);
      enrolled.push(readCertificates(Buffer.from(decision.chain), 'chain')[0].der);
    }
    const [first, second] = await Promise.all(enrolled.map(async (der) => renew(der, await newRequest())));
    expect(first).toMatchObject({ granted: false, code: 'superseded', name: 'twin' });
    expect(second).toMatchObject({ granted: true, name: 'twin' });
  });

  it('gives one certificate when two hosts with the same pair renew at the same moment, and names the copied key', async () => {
    await issueCertificates({ directory: fleet.directory, profile: 'client', names: ['clone'] });
    const { der } = leafOf(fleet.directory, 'clone');
    const decisions = await Promise.all([1, 2].map(async () => renew(der, await newRequest())));
    expect(decisions.filter(({ granted }) => granted)).toHaveLength(1);
    expect(decisions.flatMap((each) => (each.granted ? [] : each.code))).toEqual(['renewed-twice']);
    expect(fleet.authority.tally.copied.map(({ name }) => name)).toEqual(['clone']);
  });
});
