// `natspki list`: prints the certificates of a folder as a table, for users, cron and monitoring.
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { certificateLines, elsewhereLines, revokedLines } from '../src/cli/certificate-table.ts';
import { directoryFlag, windowFlag } from '../src/cli/flags.ts';
import { formatDuration } from '../src/duration.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import {
  type ListedCertificate,
  listCertificates,
  listElsewhere,
  listRevoked,
} from '../src/pki/store/listing.ts';

export default class List extends BaseCommand {
  static override summary = 'Show names, keys, expiry and pins of all certificates.';
  static override usage = 'list [--due WINDOW] [--fail-on-due] [--sort ORDER] [--wide] [--revoked] [--json]';
  static override description = 'An unreadable file is an error beside the table, and the exit code is 1.';
  static override examples = [
    'Everything in ./certs\nnatspki list',
    'What expires first\nnatspki list --sort expiry',
    'Revoked certificates, with the time and the reason\nnatspki list --revoked',
    'From cron: exit with 1 when a certificate expires within 30 days\nnatspki list --due 30d --fail-on-due',
  ];
  static override flags = {
    dir: directoryFlag(),
    due: windowFlag({
      description: 'Show only certificates that expire within this time: 30d, 12h, 1y, or a date.',
    }),
    sort: Flags.option({
      description: 'Order of the table: authorities first, then by name; or by expiry or profile.',
      helpValue: 'ORDER',
      options: ['name', 'expiry', 'profile'] as const,
      exclusive: ['revoked'],
    })(),
    wide: Flags.boolean({ description: 'Show every column in full, and the file of each certificate.' }),
    revoked: Flags.boolean({
      description: 'Show instead the revoked certificates, with the time and the reason.',
      exclusive: ['due', 'fail-on-due'],
    }),
    'fail-on-due': Flags.boolean({
      description:
        'Exit with 1 when a certificate is due: within --due, by default in the last third of its life.',
    }),
  };

  async run() {
    const { flags } = await this.parse(List);
    const directory = new PkiDirectory(flags.dir);
    const terminal = flags.wide ? { ...this.terminal, columns: undefined } : this.terminal;
    if (flags.revoked) {
      const revoked = await listRevoked(directory);
      if (revoked.length === 0) this.log(`no revoked certificates in ${flags.dir}`);
      else this.print(revokedLines(revoked, terminal), terminal);
      return { directory: flags.dir, revoked };
    }
    const listing = await listCertificates(directory, given({ dueMs: flags.due }));
    const isDue = listing.certificates.some(({ due }) => due);
    const certificates = sorted(
      listing.certificates.filter(({ due }) => due || flags.due === undefined),
      flags.sort,
    );
    const notices = directory.takeRecoveryNotices();
    if (certificates.length > 0)
      this.print(certificateLines(certificates, terminal, { files: flags.wide }), terminal);
    else
      this.log(
        flags.due === undefined
          ? `no certificates in ${flags.dir}`
          : `nothing due within ${formatDuration(roundedUp(flags.due))}`,
      );
    const elsewhere = (await listElsewhere(directory, given({ dueMs: flags.due }))).filter(
      ({ due }) => due || flags.due === undefined,
    );
    if (elsewhere.length > 0)
      this.print(['', 'In other folders:', ...elsewhereLines(elsewhere, terminal)], terminal);
    this.print(notices);
    for (const { problem } of listing.damaged) this.report(problem);
    const isAnyDue = isDue || elsewhere.some(({ due }) => due);
    if (flags['fail-on-due'] && isAnyDue) process.exitCode = 1;
    return {
      directory: flags.dir,
      certificates,
      elsewhere,
      notices,
      damaged: listing.damaged.map(({ name, problem: { code, message, hint } }) => ({
        name,
        code,
        message,
        hint,
      })),
    };
  }
}

/** Returns the rows in another order; rows with equal keys keep theirs. */
function sorted(
  rows: readonly ListedCertificate[],
  order: 'name' | 'expiry' | 'profile' | undefined,
): readonly ListedCertificate[] {
  const keys = {
    name: ({ name }: ListedCertificate) => name,
    expiry: ({ notAfter }: ListedCertificate) => notAfter.toISOString(),
    profile: ({ profile }: ListedCertificate) => profile,
  };
  if (order === undefined) return rows;
  const key = keys[order];
  return rows.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** Rounds a window up to whole days, which a date leads to; a short one stays as it is. */
function roundedUp(windowMs: number): number {
  const dayMs = 86_400_000;
  return windowMs < dayMs ? windowMs : Math.ceil(windowMs / dayMs) * dayMs;
}
