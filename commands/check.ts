// `natspki check`: what is wrong with a configuration, before a server is started with it.
import { string } from '@oclif/core/args';
import { checkConfiguration } from '../src/broker/options/check.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import { findingLines } from '../src/cli/findings.ts';

export default class Check extends BaseCommand {
  static override summary = 'Find what is wrong with a configuration and the files it names.';
  static override usage = 'check CONFIG [--json]';
  static override description =
    'Reads the file as the bundled broker and nats-server do, and the certificates and keys it names. Lists everything with file:line:column: errors, where nats-server would refuse or ignore what stands there, and where best practices are left, each warning under a name of its own. Exits with 1 when there is an error. Relative paths start here, as they do for a server started here.';
  static override examples = [
    'Before a server is started\nnatspki check nats.conf',
    'For a script\nnatspki check nats.conf --json',
  ];
  static override args = {
    config: string({ description: 'A configuration file.', required: true, ignoreStdin: true }),
  };

  async run() {
    const { args } = await this.parse(Check);
    const problems = await checkConfiguration(args.config);
    const findings = problems.map(({ position: { file, line, column }, ...rest }) => ({
      file,
      line,
      column,
      ...rest,
    }));
    this.print(
      findingLines(
        findings.map((finding) => ({
          ...finding,
          place: `${finding.file}:${finding.line}:${finding.column}`,
        })),
        this.terminal,
      ),
    );
    const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
    const [errors, warnings] = [count('error'), count('warning')];
    this.log(
      errors + warnings === 0
        ? `${this.terminal.green('ok')}  ${args.config}: nothing wrong`
        : `${args.config}: ${plural(errors, 'error')}, ${plural(warnings, 'warning')}`,
    );
    if (errors > 0) process.exitCode = 1;
    return { config: args.config, errors, warnings, findings };
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
