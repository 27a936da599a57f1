// What every command is: flags that all have, results as one JSON document with --json, failures in one look and
// with one exit code. It knows nothing of certificates.
import { Command } from '@oclif/core/command';
import { boolean } from '@oclif/core/flags';
import type { NatspkiError } from '../errors.ts';
import { failureOf, printDocument, reportFailure } from './failure.ts';
import { type Terminal, terminalOf } from './terminal.ts';

/** Makes `--yes`. */
export const yesFlag = ({ hidden = false } = {}) =>
  boolean({ char: 'y', description: 'Ask nothing, take the defaults.', hidden });

/**
 * The class every command extends. `run` prints for people with `log` and `print` (silent with --json) and returns the
 * document that `--json` prints.
 */
export abstract class BaseCommand extends Command {
  static override readonly enableJsonFlag = true;
  static override readonly baseFlags = {
    json: boolean({
      description: 'Print one JSON document on stdout, errors included.',
      helpGroup: 'GLOBAL',
    }),
    // Few commands ask, but a script need not know which.
    yes: yesFlag({ hidden: true }),
  };

  protected readonly terminal: Terminal = terminalOf(process.stdout);

  /** Prints lines for people. */
  protected print(lines: Iterable<string>): void {
    const text = [...lines].map((line) => `${line}\n`).join('');
    if (text !== '' && !this.jsonEnabled()) process.stdout.write(text);
  }

  /** Prints a line for people; oclif's own way to a stream takes 2 ms the first time. */
  override log(line = ''): void {
    this.print([line]);
  }

  /** Tells of what failed beside what was done: on stderr, or by the command itself in its document. Ends with 1. */
  protected report(failure: NatspkiError): void {
    if (this.jsonEnabled()) process.exitCode = failure.exitCode;
    else reportFailure(failure, false, this.id);
  }

  override logJson(document: unknown): void {
    printDocument(document);
  }

  protected override async catch(thrown: unknown): Promise<void> {
    // Else oclif warns of an unparsed command where NODE_ENV is `test` or `development`.
    this.parsed = true;
    reportFailure(failureOf(thrown, this.id), this.jsonEnabled(), this.id);
  }
}
