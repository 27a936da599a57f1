// The entry point: what happens before and around oclif's `execute`. Every failure is reported in natspki's own format.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execute } from '@oclif/core/execute';
import type { Hook } from '@oclif/core/hooks';
import type { PJSON } from '@oclif/core/interfaces';
import { settings } from '@oclif/core/settings';
import { NatspkiError } from '../errors.ts';
import { packageFile } from '../files/package-files.ts';
import { failureOf, reportFailure, unknownCommand } from './failure.ts';
import { ignoresUnsupported, normaliseNatsServerFlags } from './nats-server-flags.ts';

/** Runs one command line (without `node` and the script) and sets the exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  // Must precede oclif's own listener, which throws.
  process.stdout.on('error', failToPrint);
  const json = argv.includes('--json');
  let ended = false;
  // Node exits with 0 when its event loop is empty, even if a command still awaits a promise. setImmediate lets a prompt
  // that lost its terminal report that first.
  const unfinished = () =>
    setImmediate(() => {
      if (!ended) reportFailure(failureOf(new Error('the command did not finish')), json);
    });
  process.once('beforeExit', unfinished);
  // Keeps oclif from looking for TypeScript sources in a checkout.
  settings.enableAutoTranspile = false;
  try {
    await execute({
      args: programArguments(argv),
      // Plugins from a folder of the user stay off: anyone who can write there could run code here.
      loadOptions: {
        root: fileURLToPath(packageFile('.')),
        pjson: packageDescription(argv[0]),
        userPlugins: false,
        devPlugins: false,
      },
    });
  } catch (thrown) {
    reportFailure(failureOf(thrown), json);
  } finally {
    ended = true;
    process.off('beforeExit', unfinished);
  }
}

/**
 * Reads package.json for oclif. Without the plugins when the command is one of natspki's own: to discover them takes longer than
 * most commands.
 */
function packageDescription(command: string | undefined): PJSON {
  const description: PJSON = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  const { commands } = description.oclif;
  const folder = typeof commands === 'object' ? commands.target : commands;
  const own =
    command !== undefined && /^\w+$/.test(command) && existsSync(packageFile(`${folder}/${command}.cjs`));
  if (own) description.oclif.plugins = [];
  return description;
}

/** Rewrites what oclif cannot parse: nats-server's spellings of the flags of `broker`, and the version flags. */
function programArguments(argv: readonly string[]): string[] {
  const [name, ...rest] = argv;
  if (name === 'broker') {
    const asked = ignoresUnsupported() ? ['--ignore-unsupported'] : [];
    return [name, ...normaliseNatsServerFlags([...asked, ...rest])];
  }
  if (name === '--version' || name === '-v') return ['version', ...rest];
  return [...argv];
}

/**
 * oclif's hook for an unknown command. oclif joins the words after a command without arguments to its name with colons: run
 * that command, which rejects the argument itself.
 */
export const commandNotFound: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const [name = '', ...words] = id.split(':');
  if (words.length > 0 && config.findCommand(name) !== undefined) {
    await config.runCommand(name, [...words, ...argv]);
    return;
  }
  const [word] = [id, ...argv];
  reportFailure(unknownCommand(word ?? '', config.commandIDs), argv.includes('--json'));
};

/** oclif's hook for the end of a command: reports in natspki's format what the command of a plugin throws. */
export const reportThrown: Hook<'finally'> = async ({ error, id, argv }) => {
  if (error === undefined) return;
  const failure = failureOf(error, id);
  reportFailure(failure, argv.includes('--json'), id);
  Object.assign(error, { skipOclifErrorHandling: true, oclif: { exit: failure.exitCode } });
};

/** Ends the program when stdout fails; a reader that closes the pipe is no failure. */
function failToPrint(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  reportFailure(new NatspkiError('output', `cannot print the result: ${error.message}`), false);
  process.exit();
}
