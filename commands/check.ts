// `natspki check`: finds errors in a configuration before a server starts with it.
import * as Args from '@oclif/core/args';
import { checkConfiguration } from '../src/broker/options/check.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import { counted, findingLines, summaryLine } from '../src/cli/findings.ts';
import { holdsPem } from '../src/cli/input.ts';
import { UsageError } from '../src/errors.ts';
import { statsOf } from '../src/files/files.ts';

export default class Check extends BaseCommand {
  static override summary = 'Find errors in a configuration and the files it names.';
  static override usage = 'check CONFIG [--json]';
  static override description =
    'Reads the file as the bundled broker and nats-server do, with the certificates and keys it names. Lists every problem with file:line:column: errors, what nats-server would reject or ignore, and departures from best practice, where each warning has a name. Exits with 1 when there is an error. Relative paths start in the current folder, as for a server that starts there.';
  static override examples = [
    'Before a server starts\nnatspki check nats.conf',
    'For a script\nnatspki check nats.conf --json',
  ];
  static override args = {
    config: Args.string({ description: 'Configuration file.', required: true, ignoreStdin: true }),
  };

  async run() {
    const { args } = await this.parse(Check);
    await refuseCertificates(args.config);
    const problems = await checkConfiguration(args.config);
    const findings = problems.map(({ position: { file, line, column }, ...rest }) => ({
      file,
      line,
      column,
      ...rest,
    }));
    const errors = problems.filter(({ severity }) => severity === 'error').length;
    const warnings = problems.length - errors;
    const counts = problems.length === 0 ? [] : [counted(errors, 'error'), counted(warnings, 'warning')];
    this.print([...findingLines(problems, this.terminal), summaryLine(args.config, counts, this.terminal)]);
    if (errors > 0) process.exitCode = 1;
    return { config: args.config, errors, warnings, findings };
  }
}

/** Throws a UsageError for a certificate, a key, or a folder of them. */
async function refuseCertificates(file: string): Promise<void> {
  const isFolder = statsOf(file)?.isDirectory() ?? false;
  if (!isFolder && !(await holdsPem(file))) return;
  throw new UsageError(
    `"${file}" ${isFolder ? 'is a folder' : 'holds a certificate or key'}, expected the configuration of a server`,
    isFolder ? `natspki verify --dir ${file}` : `natspki inspect ${file}`,
  );
}
