// Where certificates say that peers can ask about them: kept in the authority's settings, read by openssl.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { readCertificates } from '../../../src/x509/certificate.ts';
import { faultOfAddress } from '../../../src/x509/status-addresses.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('addresses');
const ocsp = ['http://pki.example.com/ocsp'];
const crl = ['http://pki.example.com/ca.crl', 'http://two.example.com:8080/ca.crl'];
const none = { ocsp: [], crl: [] };
const made = () => madeDirectory(scratch, { addresses: { ocsp, crl } });
const issue = (directory: PkiDirectory, name: string) =>
  issueCertificates({ directory, profile: 'client', names: [name] });

describe('the addresses of the responder and the list', () => {
  it('are in every leaf of a new authority, where openssl finds them, and not in the authority', async () => {
    const directory = await madeDirectory(scratch, { addresses: { ocsp, crl }, intermediate: { days: 900 } });
    for (const name of ['server', 'route', 'client']) {
      expect(leafOf(directory, name).addresses, name).toEqual({ ocsp, crl });
    }
    const file = directory.certificateFile('client');
    expect(openssl('x509', '-in', file, '-noout', '-ocsp_uri').trim()).toBe(ocsp[0]);
    const text = openssl('x509', '-in', file, '-noout', '-ext', 'crlDistributionPoints');
    for (const url of crl) expect(text).toContain(`URI:${url}`);
    const above = [...(await directory.readBundle()), ...(await directory.readIntermediates())];
    expect(above.map(({ addresses }) => addresses)).toEqual([none, none]);
  });

  it('stay for later certificates, over a rotation and over a new authority', async () => {
    const directory = await made();
    await issue(directory, 'alice');
    expect(leafOf(directory, 'alice').addresses).toEqual({ ocsp, crl });
    await startRollover({ directory: new PkiDirectory(directory.path) });
    await rotateLeaves({ directory: new PkiDirectory(directory.path) });
    await finishRollover({ directory });
    expect(leafOf(directory, 'alice').addresses).toEqual({ ocsp, crl });
    expect(statSync(directory.settingsFile).mode & 0o777).toBe(0o600);
  });

  it('change with the command that gives others, and not when that command fails', async () => {
    const directory = await madeDirectory(scratch);
    expect(existsSync(directory.settingsFile)).toBe(false);
    const failing = new PkiDirectory(directory.path);
    failing.changeAddresses({ ocsp });
    await expect(issue(failing, 'client')).rejects.toMatchObject({ code: 'certificate-exists' });
    expect(await directory.addresses()).toEqual(none);
    directory.changeAddresses({ ocsp });
    await issue(directory, 'alice');
    expect(leafOf(directory, 'alice').addresses).toEqual({ ocsp, crl: [] });
    directory.changeAddresses({ crl });
    await rotateLeaves({ directory, due: true });
    expect(leafOf(directory, 'alice').addresses).toEqual({ ocsp, crl: [] });
    directory.changeAddresses({ ocsp: [] });
    await issue(directory, 'bob');
    expect(leafOf(directory, 'bob').addresses).toEqual({ ocsp: [], crl });
  });

  it.each(['{', '[]', '{"ocspUrls":["https://x"],"crlUrls":[]}', '{"ocspUrls":"http://x"}'])(
    'stop the issue of a certificate when the settings are %s',
    async (text) => {
      const directory = await made();
      writeFileSync(directory.settingsFile, text);
      await expect(issue(directory, 'alice')).rejects.toMatchObject({ code: 'damaged-settings' });
    },
  );

  it.each([
    ['http://pki.example.com', undefined],
    ['http://[::1]:8080/ocsp', undefined],
    ['https://pki.example.com/ocsp', 'it is https://, and peers ask over http:// only'],
    ['pki.example.com/ocsp', 'it is not a URL'],
    ['', 'it is not a URL'],
    ['http://', 'it is not a URL'],
    ['http://user:secret@host/', 'it has a user'],
    ['http://host/ocsp?x=1', 'it has a query or a fragment'],
    ['http://höst/', 'it has characters outside of visible ASCII'],
    ['http://host/a b', 'it has characters outside of visible ASCII'],
    [`http://host/${'x'.repeat(200)}`, 'it has 212 characters, at most 160 are allowed'],
  ])('judge the URL %s', (url, fault) => {
    expect(faultOfAddress(url)?.fault).toBe(fault);
  });

  it('are read of a certificate that openssl made', () => {
    const file = `${scratch}/foreign.pem`;
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'],
      ...['-keyout', `${scratch}/foreign.key`, '-out', file],
      ...['-addext', 'authorityInfoAccess=caIssuers;URI:http://i/,OCSP;URI:http://o/,OCSP;DNS:o'],
      ...['-addext', 'crlDistributionPoints=URI:http://c/1,URI:http://c/2'],
    );
    const [certificate] = readCertificates(Buffer.from(openssl('x509', '-in', file)), file);
    expect(certificate.addresses).toEqual({ ocsp: ['http://o/'], crl: ['http://c/1', 'http://c/2'] });
  });
});
