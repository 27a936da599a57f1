// The output on narrow terminals, such as a pane of a split screen.
import { describe, expect, it } from 'vitest';
import { certificateLines } from '../../src/cli/certificate-table.ts';
import { terminalOf } from '../../src/cli/terminal.ts';
import type { ListedCertificate } from '../../src/pki/store/listing.ts';
import type { Pin } from '../../src/x509/pin.ts';
import { natspki } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('narrow');

const terminal = (columns: number) =>
  terminalOf({ isTTY: true, columns }, { NO_COLOR: '1', LANG: 'C.UTF-8' });

const row: ListedCertificate = {
  name: 'a-server-of-a-cluster',
  profile: 'retired-authority',
  sans: ['dns:n1.example.com', 'ip:10.0.0.1'],
  keyType: 'p256',
  issuer: 'natspki CA',
  notAfter: new Date('2027-01-01T00:00:00Z'),
  daysLeft: 364,
  lifeLeft: 1,
  due: false,
  ocspUrls: [],
  crlUrls: [],
  serial: '01',
  notBefore: new Date('2026-01-01T00:00:00Z'),
  certificateFile: 'certs/a-server-of-a-cluster-cert.pem',
  pin: 'ab'.repeat(32) as Pin,
};

describe('the width of the output', () => {
  it.each([30, 40, 48, 60, 80, 120])(
    'prints no line of the certificate table wider than %i columns',
    (columns) => {
      const lines = certificateLines([row], terminal(columns));
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      expect(lines[1]).toMatch(/^a-server-of.* 364d/);
      if (columns >= 80) expect(lines[1]).toContain('retired-authority');
    },
  );

  it('draws the remaining life as a bar, which a pipe does not get', () => {
    expect(certificateLines([row], terminal(120))[1]).toContain(' ████████ 364d ');
    const [header, line] = certificateLines([row], terminalOf({}, {}));
    expect(header).toMatch(/ NOT AFTER {3}LEFT {2}PIN$/);
    expect(line).toMatch(/ 2027-01-01 {2}364d {2}(ab){32}$/);
  });

  it('wraps the indented lines of help', async () => {
    const columns = 60;
    const environment = { OCLIF_COLUMNS: String(columns) };
    for (const args of [['--help'], ['rotate', '--help']]) {
      const { stdout } = await natspki(folder, args, { environment });
      expect(stdout).toContain('USAGE\n');
      for (const line of stdout.match(/^ .*$/gm) ?? []) expect(line.length).toBeLessThanOrEqual(columns);
    }
  });
});
