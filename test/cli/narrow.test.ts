// What is printed on a terminal that is narrower than usual, such as a pane of a split screen.
import { describe, expect, it } from 'vitest';
import { type CertificateRow, certificateLines } from '../../src/cli/certificate-table.ts';
import { rootHelp } from '../../src/cli/help.ts';
import { terminalOf } from '../../src/cli/terminal.ts';

const terminal = (columns: number) =>
  terminalOf({ isTTY: true, columns }, { NO_COLOR: '1', LANG: 'C.UTF-8' });

const row: CertificateRow = {
  name: 'a-server-of-a-cluster',
  profile: 'retired-authority',
  sans: ['dns:n1.example.com', 'ip:10.0.0.1'],
  keyType: 'p256',
  issuer: 'natspki CA',
  notAfter: new Date('2027-01-01T00:00:00Z'),
  daysLeft: 364,
  lifeLeft: 1,
  due: false,
  pin: 'ab'.repeat(32),
};

describe('on a narrow terminal', () => {
  it.each([30, 40, 48, 60, 80, 120])('the table of certificates keeps to %i columns', (columns) => {
    const lines = certificateLines([row], terminal(columns));
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    expect(lines[1]).toMatch(/^a-server-of.* 364d/);
    if (columns >= 80) expect(lines[1]).toContain('retired-authority');
  });

  it('help has explanations below what they explain', () => {
    const page = rootHelp('Certificates', {}, terminal(40));
    expect(page).toContain('  --json\n    One JSON document on stdout, errors\n    included.\n');
    expect(rootHelp('Certificates', {}, terminal(50))).toMatch(/^ {2}--json +One JSON document/m);
    for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(40);
  });
});
