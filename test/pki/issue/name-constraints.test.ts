// Authorities with name constraints: what they sign, what they refuse, and what their successors keep.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { importAuthority } from '../../../src/pki/import/import.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { replaceIntermediate } from '../../../src/pki/rotate/intermediate-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { formatSan, parseSan } from '../../../src/x509/name.ts';
import { describeConstraints, parseConstraint } from '../../../src/x509/name-constraints.ts';
import { makeLeaf, openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory, newDirectory } from '../../support/pki.ts';

const scratch = testFolder('name-constraints');
const permitted = ['dns:.internal', 'ip:10.0.0.0/8'].map((text) => parseConstraint(text));
const inside = { permitted, hosts: ['n1.internal', '10.0.0.1'], clients: ['alice'] };
const listed = ['permitted dns:.internal', 'permitted ip:10.0.0.0/8'];

it('signs no name outside, in init, issue or a request, and says what it may sign', async () => {
  await expect(madeDirectory(scratch, { permitted })).rejects.toMatchObject({
    code: 'name-not-permitted',
    message: expect.stringContaining('dns:localhost'),
    hint: expect.stringContaining('--permit dns:localhost'),
  });
  const directory = await madeDirectory(scratch, inside);
  const issue = (san: string) =>
    issueCertificates({ directory, profile: 'server', names: ['web'], sans: [parseSan(san)], force: true });
  for (const san of ['dns:www.example.com', 'dns:internal', 'dns:*.example.com', 'ip:11.0.0.1']) {
    await expect(issue(san)).rejects.toMatchObject({
      code: 'name-not-permitted',
      hint: expect.stringContaining('dns:.internal'),
    });
  }
  for (const san of ['dns:www.internal', 'dns:*.internal.internal', 'ip:10.255.0.1']) await issue(san);
  const { key } = makeLeaf(scratch, 'requested', undefined);
  const bytes = Buffer.from(
    openssl('req', '-new', '-key', key, '-subj', '/CN=r', '-addext', 'subjectAltName=DNS:r.example.com'),
  );
  await expect(
    issueCertificates({ directory, profile: 'server', names: ['r'], request: { bytes, file: 'r.csr' } }),
  ).rejects.toMatchObject({ code: 'name-not-permitted' });
  expect(await verifyDirectory(directory)).toEqual([]);
});

it('leaves out the name that maps a client to its user where it is outside', async () => {
  const directory = await madeDirectory(scratch, inside);
  const { notices } = await issueCertificates({ directory, profile: 'client', names: ['bob'] });
  expect(notices.join('\n')).toContain("as the user 'CN=bob'");
  expect(leafOf(directory, 'bob').sans).toEqual([]);
  await issueCertificates({ directory, profile: 'client', names: ['carol.internal'] });
  expect(leafOf(directory, 'carol.internal').sans.map(formatSan)).toEqual(['dns:carol.internal']);
});

it('passes them on to the next root and to intermediates, critical as they are', async () => {
  const directory = await madeDirectory(scratch, { ...inside, intermediate: { days: 100 } });
  await replaceIntermediate({ directory });
  await startRollover({ directory });
  await rotateLeaves({ directory });
  const authorities = [
    ...(await directory.readBundle()),
    ...(await directory.readIntermediates()),
    ...(await directory.readCrossSigned()),
  ];
  expect(authorities.length).toBe(4);
  for (const { nameConstraints, nameConstraintsExtension } of authorities) {
    expect(describeConstraints(nameConstraints)).toEqual(listed);
    expect(nameConstraintsExtension?.critical).toBe(true);
  }
  const leaf = directory.certificateFile('server');
  openssl('verify', '-CAfile', directory.authorityFile, '-untrusted', leaf, leaf);
  expect(await verifyDirectory(directory)).toEqual([]);
});

it('finds and refuses to renew an imported certificate outside the constraints of its authority', async () => {
  const folder = join(scratch, 'foreign');

  mkdirSync(folder);
  const ca = { cert: join(folder, 'ca.pem'), key: join(folder, 'ca.key') };
  openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-keyout', ca.key, '-out', ca.cert, '-subj', '/CN=L', '-days', '30'],
    ...['-addext', 'nameConstraints=critical,permitted;DNS:.internal,excluded;DNS:secret.internal'],
  );
  makeLeaf(folder, 'outside', ca, { usage: 'serverAuth', hosts: ['www.example.com'] });
  const directory = newDirectory(scratch);
  await importAuthority({ directory, sources: [folder] });
  const findings = await verifyDirectory(directory);
  expect(findings.map(({ code }) => code)).toEqual(['name-not-permitted']);
  await expect(rotateLeaves({ directory })).rejects.toMatchObject({ code: 'name-not-permitted' });
  await expect(
    issueCertificates({ directory, profile: 'server', names: ['secret.internal'] }),
  ).rejects.toMatchObject({ message: expect.stringContaining('excluded by dns:secret.internal') });
});
