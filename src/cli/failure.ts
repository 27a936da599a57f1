// Turns whatever a command threw into the one look of natspki's errors: `natspki: error: …`, `natspki: hint: …`,
// or the JSON document with the same. oclif's own wording of wrong usage is put into ours here.
import { NatspkiError, UsageError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { hintOf } from './hints.ts';
import { cancelled } from './prompts.ts';
import { printable, type Terminal, terminalOf } from './terminal.ts';

/** Returns the error as the user is told it; a defect of the program keeps its message under the code `internal`. */
export function failureOf(thrown: unknown, command?: string): NatspkiError {
  if (thrown instanceof NatspkiError) return unwrapped(thrown);
  if (!(thrown instanceof Error)) return new NatspkiError('internal', `unexpected: ${String(thrown)}`);
  if (thrown.name === 'ExitPromptError') {
    return cancelled(thrown);
  }
  if ('oclif' in thrown) return usageFailure(thrown, command);
  return new NatspkiError('internal', `unexpected: ${thrown.message}`, {
    hint: 'this is a defect of natspki, NATSPKI_DEBUG=1 shows where it happened',
    cause: thrown,
  });
}

/** Makes the error for a word that is no command; its hint is the nearest one. */
export function unknownCommand(word: string, commands: readonly string[]): UsageError {
  const near = nearest(word, commands);
  const hint = near === undefined ? 'natspki --help lists the commands' : `did you mean "natspki ${near}"`;
  return new UsageError(`unknown ${word.startsWith('-') ? 'flag' : 'command'} "${word}"`, hint);
}

/** Tells the user and sets the exit code: lines on stderr, or the document `{error: {code, message, hint}}` on stdout. */
export function reportFailure(failure: NatspkiError, json: boolean, command?: string): void {
  process.exitCode = failure.exitCode;
  const { code, message } = failure;
  const hint = hintOf(failure, command);
  if (json) printDocument({ error: { code, message, hint } });
  else process.stderr.write(`${failureText(failure, hint, terminalOf(process.stderr))}\n`);
}

/** Prints what --json promises: one document, nothing else. */
export function printDocument(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

function failureText(failure: NatspkiError, hint: string, { red, cyan }: Terminal): string {
  const lines = failure.lines.map((line) => `natspki: ${red('error:')} ${printable(line)}`);
  lines.push(`natspki: ${cyan('hint:')} ${printable(hint)}`);
  if (process.env.NATSPKI_DEBUG === '1') {
    lines.push(String((failure.cause as Error | undefined)?.stack ?? failure.stack));
  }
  return lines.join('\n');
}

/** What oclif's parse errors carry beside their message, by kind. */
interface ParseError extends Error {
  flags?: readonly string[];
  args?: readonly ({ readonly name: string } | string)[];
  parse?: { readonly input?: { readonly flags?: Record<string, unknown> } };
}

function usageFailure(error: ParseError, command: string | undefined): UsageError {
  const help = command === undefined ? 'natspki --help' : `natspki ${command} --help`;
  const [flag] = error.flags ?? [];
  if (flag !== undefined) {
    const name = flag.replace(/=.*/, '');
    const known = Object.keys(error.parse?.input?.flags ?? {}).map((each) => `--${each}`);
    const near = nearest(name, known);
    return new UsageError(`unknown flag "${name}"`, near === undefined ? help : `did you mean "${near}"`);
  }
  const [argument] = error.args ?? [];
  if (typeof argument === 'string') return new UsageError(`unexpected argument "${argument}"`, help);
  if (argument !== undefined) return new UsageError(`missing argument ${argument.name.toUpperCase()}`, help);
  return reworded(error.message, help);
}

/** Takes off what oclif puts around the message of an error that the parser of a flag's value threw. */
function unwrapped(error: NatspkiError): NatspkiError {
  const [, message] = /^Parsing --\S+ \n\t(.*)\nSee more help with --help$/s.exec(error.message) ?? [];
  if (message !== undefined) error.message = message;
  return error;
}

/** oclif's remaining messages come as text only; what is not recognised passes with its first letter lowered. */
function reworded(message: string, help: string): UsageError {
  const text = message
    .replace(/\nSee more help with --help/g, '')
    .replace(/^The following errors? occurred:\s*/, '');
  const [, flag, found = '', options = ''] =
    /^Expected (?:(--[\w-]+)=)?(.*) to be one of: (.*)$/s.exec(text) ?? [];
  if (options !== '') {
    const near = nearest(found, options.split(', '));
    return new UsageError(
      `${flag === undefined ? '' : `${flag} is `}"${found}", expected one of ${options}`,
      near === undefined ? help : `did you mean "${near}"`,
    );
  }
  const [, both, other] = /^(--[\w-]+)=.* cannot also be provided when using (--[\w-]+)$/.exec(text) ?? [];
  if (both !== undefined) return new UsageError(`${both} and ${other} exclude each other`, help);
  const [, user, needed] =
    /^(?:All|One) of the following must be provided when using (--[\w-]+): (.*)$/.exec(text) ?? [];
  if (user !== undefined) {
    const words = text.startsWith('One') ? needed?.replaceAll(', ', ' or ') : needed;
    return new UsageError(`${user} needs ${words}`, help);
  }
  const first = text
    .split('\n')
    .map((line) => line.trim())
    .join(', ');
  return new UsageError(first.charAt(0).toLowerCase() + first.slice(1), help);
}
