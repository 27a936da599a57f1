// Questions on a terminal. inquirer is loaded when the first one is asked, and at no other time.
// A question rejects with inquirer's ExitPromptError on Ctrl-C, with `cancelled` on Ctrl-D.
import { NatspkiError } from '../errors.ts';

/** Makes the error for whoever leaves a question without an answer. */
export function cancelled(cause?: unknown): NatspkiError {
  return new NatspkiError('cancelled', 'cancelled at the prompt, nothing was changed', { cause });
}

/** Tells whether questions may be asked: both ends are a terminal and neither --yes nor --json was given. */
export function mayAsk(flags: { readonly yes?: boolean; readonly json?: boolean }): boolean {
  // Last what takes longest to tell.
  return !flags.yes && !flags.json && process.stdout.isTTY === true && process.stdin.isTTY === true;
}

/** Asks for a secret, shown as stars. */
export async function askSecret(
  message: string,
  validate: (text: string) => true | string = () => true,
): Promise<string> {
  return ask({ type: 'password', message, mask: '*', validate });
}

/** Asks for one of several values, shown with a word about each. */
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
 * Asks for words separated by spaces or commas.
 * @param check throws what is wrong with a word
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

async function ask<T extends string>(question: Question): Promise<T> {
  const { default: inquirer } = await import('inquirer');
  // Ctrl-D closes the terminal for inquirer, which then waits for nothing and says nothing.
  let abandon = () => {};
  const abandoned = new Promise<never>((_, reject) => {
    abandon = () => {
      process.stdout.write('\n');
      reject(cancelled());
    };
  });
  process.once('beforeExit', abandon);
  try {
    const asked = inquirer.prompt<{ answer: string }>([{ ...question, name: 'answer' }]);
    return (await Promise.race([asked, abandoned])).answer as T;
  } finally {
    process.off('beforeExit', abandon);
  }
}
