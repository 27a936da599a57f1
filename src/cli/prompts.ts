// Asks questions on a terminal. The first question loads inquirer. A question rejects with `cancelled` on
// Ctrl-C and Ctrl-D.
import { NatspkiError } from '../errors.ts';
import { given } from '../given.ts';

/**
 * Returns the error for a question that the user leaves unanswered.
 * @param hint how to answer without a prompt
 */
export function cancelled(cause?: unknown, hint?: string): NatspkiError {
  const message = 'cancelled at the prompt, nothing was changed';
  return new NatspkiError('cancelled', message, { cause, ...given({ hint }) });
}

/** Tells whether a command may ask: stdin and stdout are terminals, and neither --yes nor --json is given. */
export function mayAsk(flags: { readonly yes?: boolean; readonly json?: boolean }): boolean {
  // The terminal checks come last because they are the slowest.
  return !flags.yes && !flags.json && process.stdout.isTTY === true && process.stdin.isTTY === true;
}

/**
 * Asks for a secret, and echoes asterisks.
 * @param flag the flag that answers the question without a prompt
 * @param validate returns what is wrong with the answer, to ask again
 */
export async function askSecret(
  message: string,
  flag: string,
  validate: (text: string) => true | string = () => true,
): Promise<string> {
  return ask({ type: 'password', message, mask: '*', validate }, `pass ${flag} FILE instead`);
}

/** Asks for one of several values, listed with a description of each. */
export async function askChoice<T extends string>(
  message: string,
  initial: T,
  values: readonly T[],
  describe: (value: T) => string = () => '',
): Promise<T> {
  const width = Math.max(...values.map((value) => value.length));
  return ask({
    type: 'select',
    message,
    default: initial,
    loop: false,
    pageSize: values.length,
    choices: values.map((value) => ({
      value,
      name: `${value.padEnd(width)}  ${describe(value)}`.trimEnd(),
      short: value,
    })),
  });
}

/**
 * Asks for words separated by spaces or commas, again while one of them is wrong.
 * @param check throws an error that says what is wrong with a word
 */
export async function askWords(
  message: string,
  initial: readonly string[],
  check: (word: string) => void,
): Promise<string[]> {
  const validate = (text: string) => {
    try {
      splitWords(text).forEach(check);
      return true;
    } catch (error) {
      return (error as Error).message;
    }
  };
  return splitWords(await ask({ type: 'input', message, default: initial.join(' '), validate }));
}

function splitWords(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

interface Question {
  readonly type: 'input' | 'password' | 'select';
  readonly message: string;
  readonly [option: string]: unknown;
}

async function ask<T extends string>(question: Question, hint?: string): Promise<T> {
  const { default: inquirer } = await import('inquirer');
  // On Ctrl-D inquirer closes its input and neither resolves nor rejects, so that the process ends silently.
  let abandon = () => {};
  const abandoned = new Promise<never>((_, reject) => {
    abandon = () => {
      process.stdout.write('\n');
      reject(cancelled(undefined, hint));
    };
  });
  process.once('beforeExit', abandon);
  try {
    const asked = inquirer.prompt<{ answer: string }>([{ ...question, name: 'answer' }]);
    return (await Promise.race([asked, abandoned])).answer as T;
  } catch (error) {
    if ((error as Error).name !== 'ExitPromptError') throw error;
    throw cancelled(error, hint);
  } finally {
    process.off('beforeExit', abandon);
  }
}
