// The entry of the command line: what happens before and around oclif's `execute`. No failure leaves in another look
// than ours.
import { fileURLToPath } from 'node:url';
import { execute } from '@oclif/core/execute';
import type { Hook } from '@oclif/core/hooks';
import { settings } from '@oclif/core/settings';
import { NatspkiError } from '../errors.ts';
import { packageFile } from '../package-files.ts';
import { failureOf, reportFailure, unknownCommand } from './failure.ts';
import { normaliseNatsServerFlags } from './nats-server-flags.ts';

/** Runs one command line (without node and script) and sets the exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  // Before oclif's own listener, which throws.
  process.stdout.on('error', failToPrint);
  const json = argv.includes('--json');
  let ended = false;
  // Node exits with 0 when nothing is left to wait for, even if a command still awaits a promise. A prompt that lost its
  // terminal reports that first.
  const unfinished = () =>
    setImmediate(() => {
      if (!ended) reportFailure(failureOf(new Error('the command did not finish')), json);
    });
  process.once('beforeExit', unfinished);
  // In a checkout, oclif would otherwise look for TypeScript sources.
  settings.enableAutoTranspile = false;
  try {
    await execute({
      args: programArguments(argv),
      // No plugin that a folder of the user names: whoever can write there would run code here.
      loadOptions: {
        root: fileURLToPath(packageFile('package.json')),
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

/** Rewrites what oclif cannot parse: nats-server's flags of `broker`, and the flags that stand for `version`. */
function programArguments(argv: readonly string[]): string[] {
  const [name, ...rest] = argv;
  if (name === 'broker') return [name, ...normaliseNatsServerFlags(rest)];
  if (name === '--version' || name === '-v') return ['version', ...rest];
  return [...argv];
}

/**
 * oclif's hook for a command it does not know. oclif joins words behind a command without arguments to its name with a
 * colon: such a command is run, and rejects its argument by itself.
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

/** oclif's hook for the end of a command: reports what a plugin's command throws in our look instead of oclif's. */
export const reportThrown: Hook<'finally'> = async ({ error, id, argv }) => {
  if (error === undefined) return;
  const failure = failureOf(error, id);
  reportFailure(failure, argv.includes('--json'), id);
  Object.assign(error, { skipOclifErrorHandling: true, oclif: { exit: failure.exitCode } });
};

/** Ends the program when stdout cannot be written; quietly when the reader closed the pipe. */
function failToPrint(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  reportFailure(new NatspkiError('output', `cannot print the result: ${error.message}`), false);
  process.exit();
}
