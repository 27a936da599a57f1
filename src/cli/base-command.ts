// The base class of the commands: the flags that all of them have, one JSON document with --json, and one format and exit
// code for failures. Nothing here is about certificates.
import { Command } from '@oclif/core/command';
import * as Flags from '@oclif/core/flags';
import type { NatspkiError } from '../errors.ts';
import { failureOf, printDocument, reportFailure } from './failure.ts';
import { type Terminal, terminalOf } from './terminal.ts';
import { wrapped } from './wrap.ts';

/** `--yes` */
export const yesFlag = ({ hidden = false } = {}) =>
  Flags.boolean({ char: 'y', description: 'Ask no questions and accept the defaults.', hidden });

/**
 * `run` prints text with `log` and `print`, which are silent with --json, and returns the document that --json prints.
 */
export abstract class BaseCommand extends Command {
  static override readonly enableJsonFlag = true;
  static override readonly baseFlags = {
    json: Flags.boolean({
      description: 'Print one JSON document on stdout, errors included.',
      helpGroup: 'GLOBAL',
    }),
    // Every command accepts it, so that a script can pass it without knowing which commands ask.
    yes: yesFlag({ hidden: true }),
  };

  protected readonly terminal: Terminal = terminalOf(process.stdout);

  /** Prints lines of text, wrapped to the width of a terminal unless `columns` says otherwise; nothing with --json. */
  protected print(lines: Iterable<string>, { columns } = this.terminal): void {
    const text = [...lines].flatMap((line) => wrapped(line, columns).map((each) => `${each}\n`)).join('');
    if (text !== '' && !this.jsonEnabled()) process.stdout.write(text);
  }

  /** Prints a line of text; oclif's own implementation takes 2 ms to open the stream. */
  override log(line = ''): void {
    this.print([line]);
  }

  /**
   * Reports a failure beside a result: sets the exit code and prints to stderr. With --json, the document that `run`
   * returns has to contain it.
   */
  protected report(failure: NatspkiError): void {
    if (this.jsonEnabled()) process.exitCode = failure.exitCode;
    else reportFailure(failure, false, this.id);
  }

  override logJson(document: unknown): void {
    printDocument(document);
  }

  protected override async catch(thrown: unknown): Promise<void> {
    // Without it, oclif warns that the command was not parsed when NODE_ENV is `test` or `development`.
    this.parsed = true;
    reportFailure(failureOf(thrown, this.id), this.jsonEnabled(), this.id);
  }
}
