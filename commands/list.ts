// `natspki list`: prints the certificates of a folder as a table, for users, cron and monitoring.
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { certificateLines } from '../src/cli/certificate-table.ts';
import { directoryFlag, windowFlag } from '../src/cli/flags.ts';
import { formatDuration } from '../src/duration.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { listCertificates } from '../src/pki/store/listing.ts';

export default class List extends BaseCommand {
  static override summary = 'Show names, keys, expiry and pins of all certificates.';
  static override usage = 'list [--dir DIR] [--due WINDOW] [--fail-on-due] [--json]';
  static override description = 'An unreadable file is an error beside the table, and the exit code is 1.';
  static override examples = [
    'Everything in ./certs\nnatspki list',
    'From cron: exit with 1 when a certificate expires within 30 days\nnatspki list --due 30d --fail-on-due',
  ];
  static override flags = {
    dir: directoryFlag(),
    due: windowFlag({ description: 'Show only certificates that expire within this time: 30d, 2w, 12h.' }),
    'fail-on-due': Flags.boolean({
      description:
        'Exit with 1 when a certificate is due: within --due, by default in the last third of its life.',
    }),
  };

  async run() {
    const { flags } = await this.parse(List);
    const directory = new PkiDirectory(flags.dir);
    const listing = await listCertificates(directory, given({ dueMs: flags.due }));
    const isDue = listing.certificates.some(({ due }) => due);
    const certificates = listing.certificates.filter(({ due }) => due || flags.due === undefined);
    const notices = directory.takeRecoveryNotices();
    if (certificates.length > 0) this.print(certificateLines(certificates, this.terminal));
    else
      this.log(
        flags.due === undefined
          ? `no certificates in ${flags.dir}`
          : `nothing due within ${formatDuration(flags.due)}`,
      );
    this.print(notices);
    for (const { problem } of listing.damaged) this.report(problem);
    if (flags['fail-on-due'] && isDue) process.exitCode = 1;
    return {
      directory: flags.dir,
      certificates,
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
