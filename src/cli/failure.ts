// Reports every failure in one format: `natspki: error: …` and `natspki: hint: …` on stderr, or the same as a JSON
// document on stdout. Rewords oclif's own messages about wrong usage.

import { stripVTControlCharacters } from 'node:util';
import { NatspkiError, UsageError } from '../errors.ts';
import { statsOf } from '../files/files.ts';
import { escapeControls } from '../log.ts';
import { nearest } from '../suggest.ts';
import { hintOf } from './hints.ts';
import { type Terminal, terminalOf } from './terminal.ts';
import { wrapped } from './wrap.ts';

/** Converts what a command threw; an error that natspki does not expect keeps its message under the code `internal`. */
export function failureOf(thrown: unknown, command?: string): NatspkiError {
  if (thrown instanceof NatspkiError) return unwrapped(thrown);
  if (!(thrown instanceof Error)) return new NatspkiError('internal', `unexpected error: ${String(thrown)}`);
  if ('oclif' in thrown) return usageFailure(thrown, command);
  return new NatspkiError('internal', `unexpected error: ${thrown.message}`, {
    hint: 'this is a bug in natspki: run the command again with NATSPKI_DEBUG=1 and report what it prints',
    cause: thrown,
  });
}

/** Returns the error for an unknown command; its hint is the most similar command. */
export function unknownCommand(word: string, commands: readonly string[]): UsageError {
  const near = nearest(word, commands);
  const hint = near === undefined ? '`natspki --help` lists the commands' : `did you mean "natspki ${near}"`;
  return new UsageError(`unknown ${word.startsWith('-') ? 'flag' : 'command'} "${word}"`, hint);
}

/** Sets the exit code and prints the failure: lines on stderr, or `{error: {code, message, hint}}` on stdout. */
export function reportFailure(failure: NatspkiError, json: boolean, command?: string): void {
  process.exitCode = failure.exitCode;
  const { code, message } = failure;
  const hint = hintOf(failure, command);
  if (json) printDocument({ error: { code, message, hint } });
  else process.stderr.write(`${failureText(failure, hint, terminalOf(process.stderr))}\n`);
}

/** Prints the one document of --json. */
export function printDocument(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

function failureText(failure: NatspkiError, hint: string, { red, cyan, columns }: Terminal): string {
  const lines = failure.lines.flatMap((line) =>
    wrapped(`natspki: ${red('error:')} ${escapeControls(line)}`, columns),
  );
  // A hint that is a command alone stays in one line, to be copied.
  const said = `natspki: ${cyan('hint:')} ${escapeControls(hint)}`;
  lines.push(...(isTyped(hint) ? [said] : wrapped(said, columns)));
  if (process.env.NATSPKI_DEBUG === '1') {
    lines.push(String((failure.cause as Error | undefined)?.stack ?? failure.stack));
  }
  return lines.join('\n');
}

/** Returns whether a hint begins with the name of a program. */
function isTyped(hint: string): boolean {
  return /^(sudo )?(natspki|nats-server|openssl|chmod|chgrp|mv|tr|sed|kill|systemctl)\b/.test(hint);
}

/** The properties of oclif's parse errors; which of them an error has depends on its kind. */
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
  if (typeof argument === 'string') return unexpected(argument, command, error, help);
  if (argument !== undefined) return new UsageError(`missing argument ${argument.name.toUpperCase()}`, help);
  return reworded(error.message, help);
}

/** Names the flag that an argument is for: the configuration of a broker, the folder of the other commands. */
function unexpected(
  argument: string,
  command: string | undefined,
  error: ParseError,
  help: string,
): UsageError {
  const flags = error.parse?.input?.flags ?? {};
  const flag =
    command === 'broker' ? '-c' : 'dir' in flags && statsOf(argument)?.isDirectory() ? '--dir' : undefined;
  const hint = flag === undefined ? help : `natspki ${command} ${flag} ${argument}`;
  return new UsageError(`unexpected argument "${argument}"`, hint);
}

/** Restores the message of an error from a flag's own parser, which oclif wraps. */
function unwrapped(error: NatspkiError): NatspkiError {
  const [, message] = /^Parsing --\S+ \n\t(.*)\nSee more help with --help$/s.exec(error.message) ?? [];
  if (message !== undefined) error.message = message;
  return error;
}

/** Rewords the messages that oclif gives as text only; an unknown one passes with its first letter in lower case. */
function reworded(message: string, help: string): UsageError {
  const text = stripVTControlCharacters(message)
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
  const [, needs] = /^Missing required flag (?:--)?(\S+)$/.exec(text) ?? [];
  if (needs !== undefined) return new UsageError(`missing flag --${needs}`, help);
  const [, both, other] = /^(--[\w-]+)=.* cannot also be provided when using (--[\w-]+)$/.exec(text) ?? [];
  if (both !== undefined) return new UsageError(`${both} and ${other} are mutually exclusive`, help);
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
