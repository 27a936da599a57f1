// The entry of the command line: finds the command, shows help and version, and lets no failure leave in another look.
import type { Command } from '@oclif/core/command';
import { Config } from '@oclif/core/config';
import { UsageError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { failureDocument, failureOf, failureText } from './failure.ts';
import { normaliseNatsServerFlags } from './nats-server-flags.ts';
import { terminalOf } from './terminal.ts';

/**
 * Runs one command line (without node and script) and sets the exit code.
 * @param root a file URL inside the package
 */
export async function main(argv: readonly string[], root: string): Promise<void> {
  try {
    const config = await Config.load(root);
    const [name = '--help', ...given] = argv;
    const rest = name === 'broker' ? normaliseNatsServerFlags(given) : given;
    if (name === '--version' || name === '-v') process.stdout.write(`${config.bin} ${config.version}\n`);
    else if (name === 'help' || wantsHelp([name, ...rest])) await showHelp(config, [name, ...rest]);
    else await config.runCommand(name, rest, findCommand(config, name));
  } catch (thrown) {
    const failure = failureOf(thrown);
    process.exitCode = failure.exitCode;
    if (argv.includes('--json'))
      process.stdout.write(`${JSON.stringify(failureDocument(failure), null, 2)}\n`);
    else process.stderr.write(`${failureText(failure, terminalOf(process.stderr))}\n`);
  }
}

function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end === -1 ? undefined : end).some((word) => word === '--help' || word === '-h');
}

async function showHelp(config: Config, argv: readonly string[]): Promise<void> {
  const { commandHelp, rootHelp } = await import('./help.ts');
  const terminal = terminalOf(process.stdout);
  const name = argv.find((word) => word !== 'help' && !word.startsWith('-'));
  process.stdout.write(
    name === undefined
      ? rootHelp(config, terminal)
      : commandHelp(config.bin, findCommand(config, name), terminal),
  );
}

function findCommand(config: Config, name: string): Command.Loadable {
  const command = config.findCommand(name);
  if (command !== undefined) return command;
  const near = nearest(name, config.commandIDs);
  throw new UsageError(
    `unknown command "${name}"`,
    near === undefined ? 'natspki --help lists the commands' : `did you mean "natspki ${near}"`,
  );
}
