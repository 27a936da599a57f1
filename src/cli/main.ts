// The entry of the command line: loads the one command that was asked for (oclif by itself would load them all), shows
// help and version, and lets no failure leave in another look.
import { readFileSync } from 'node:fs';
import type { Config } from '@oclif/core/config';
import { NatspkiError, UsageError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { packageFile } from '../package-files.ts';
import type { BaseCommand } from './base-command.ts';
import { commandConfig } from './command-config.ts';
import { failureOf, reportFailure } from './failure.ts';
import { normaliseNatsServerFlags } from './nats-server-flags.ts';

export interface CommandModule {
  readonly default: CommandClass;
}

/**
 * Runs one command line (without node and script) and sets the exit code.
 * @param load gives the code of a command
 */
export async function main(
  argv: readonly string[],
  load: (name: string) => Promise<CommandModule>,
): Promise<void> {
  // Before oclif's own listener, which throws.
  process.stdout.on('error', failToPrint);
  const json = argv.includes('--json');
  let ended = false;
  // Where nothing is left to wait for, Node ends with success. A question that nobody can answer any more says so first.
  const unfinished = () =>
    setImmediate(() => {
      if (!ended) reportFailure(failureOf(new Error('the work came to no end')), json);
    });
  process.once('beforeExit', unfinished);
  try {
    const manifest = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
    const summariesFile = packageFile(`${manifest.oclif.commands}/_commands.json`);
    const summaries = JSON.parse(readFileSync(summariesFile, 'utf8'));
    const commands = new Commands(summaries, load);
    const [name = '--help', ...given] = argv;
    const rest = name === 'broker' ? normaliseNatsServerFlags(given) : given;
    if (name === '--version' || name === '-v') process.stdout.write(`natspki ${manifest.version}\n`);
    else if (name === 'help' || wantsHelp([name, ...rest])) {
      const { commandHelp, rootHelp } = await import('./help.ts');
      const subject = [name, ...rest].find((word) => word !== 'help' && !word.startsWith('-'));
      const page =
        subject === undefined
          ? rootHelp(manifest.description, commands.summaries)
          : commandHelp(await commands.load(subject));
      process.stdout.write(await page);
    } else {
      const command = await commands.load(name);
      await command.start(rest, commandConfig(manifest.version));
    }
  } catch (thrown) {
    reportFailure(failureOf(thrown), json);
  } finally {
    ended = true;
    process.off('beforeExit', unfinished);
  }
}

/** Ends the program where nobody can read it; quietly where somebody has read enough. */
function failToPrint(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  reportFailure(new NatspkiError('output', `cannot print the result: ${error.message}`), false);
  process.exit();
}

function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end === -1 ? undefined : end).some((word) => word === '--help' || word === '-h');
}

type CommandClass = typeof BaseCommand & (new (argv: string[], config: Config) => BaseCommand);

/** The commands by their names, loaded when they are needed. */
class Commands {
  readonly summaries: Readonly<Record<string, string>>;
  readonly #load: (name: string) => Promise<CommandModule>;

  constructor(summaries: Readonly<Record<string, string>>, load: (name: string) => Promise<CommandModule>) {
    this.summaries = summaries;
    this.#load = load;
  }

  /** Throws a UsageError that names the nearest command when there is none of this name. */
  async load(name: string): Promise<CommandClass> {
    if (!Object.hasOwn(this.summaries, name)) {
      const near = nearest(name, Object.keys(this.summaries));
      const hint =
        near === undefined ? 'natspki --help lists the commands' : `did you mean "natspki ${near}"`;
      throw new UsageError(`unknown ${name.startsWith('-') ? 'flag' : 'command'} "${name}"`, hint);
    }
    const { default: command } = await this.#load(name);
    command.id = name;
    return command;
  }
}
