// `natspki verify`: finds everything that is wrong in a folder of certificates.
import { BaseCommand } from '../src/cli/base-command.ts';
import { counted, findingLines, summaryLine } from '../src/cli/findings.ts';
import { directoryFlag } from '../src/cli/flags.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { verifyDirectory } from '../src/pki/verify/verification.ts';

export default class Verify extends BaseCommand {
  static override summary = 'Check the chains, keys, usages, names, expiry and file modes in a folder.';
  static override usage = 'verify [--dir DIR] [--json]';
  static override description =
    'Lists every finding, and exits with 1 when there is one. It changes nothing. A missing key of the authority is only a warning.';
  static override examples = [
    'Check ./certs\nnatspki verify',
    'Check another folder, for a script\nnatspki verify --dir /etc/nats/certs --json',
  ];
  static override flags = { dir: directoryFlag() };

  async run() {
    const { flags } = await this.parse(Verify);
    const directory = new PkiDirectory(flags.dir);
    const findings = await verifyDirectory(directory);
    const notices = directory.takeRecoveryNotices();
    const wrong = findings.filter(({ severity }) => severity === undefined).length;
    const counts = wrong === 0 ? [] : [counted(wrong, 'finding')];
    this.print([
      ...notices,
      ...findingLines(findings, this.terminal),
      summaryLine(flags.dir, counts, this.terminal),
    ]);
    if (wrong > 0) process.exitCode = 1;
    return { directory: flags.dir, findings, notices };
  }
}
