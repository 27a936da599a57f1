// The warning of `natspki check` about certificates that name no OCSP responder although a server would ask it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkConfiguration } from '../../../src/broker/options/check.ts';
import { testFolder } from '../../support/folder.ts';
import { madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('ocsp-address');

describe('natspki check with ocsp_peer', () => {
  it('warns where the certificates of the authority name no responder, and names the command that adds one', async () => {
    const without = await madeDirectory(scratch);
    const named = await madeDirectory(scratch, { addresses: { ocsp: ['http://127.0.0.1/ocsp'], crl: [] } });
    const found = async ({ path }: { path: string }, option: string) => {
      const file = join(path, 'nats.conf');
      const files = `cert_file: "${path}/server-cert.pem", key_file: "${path}/server-key.pem", ca_file: "${path}/ca.pem"`;
      writeFileSync(file, `tls { ${files}, verify: true, ${option} }\n`);
      const problems = await checkConfiguration(file);
      return problems.filter(({ code }) => code === 'no-ocsp-address');
    };
    for (const option of ['ocsp_peer: true', 'ocsp_peer { verify: true, warn_only: true }']) {
      expect(await found(without, option), option).toMatchObject([
        { severity: 'warning', hint: 'natspki rotate --ocsp-url http://HOST:PORT/ocsp' },
      ]);
      expect(await found(named, option), option).toEqual([]);
    }
    for (const option of ['ocsp_peer: false', 'ocsp_peer {}', 'timeout: 2']) {
      expect(await found(without, option), option).toEqual([]);
    }
  });
});
