// The one error that is meant for users: what went wrong, a stable code, and what to type next.
// Any other exception is a defect of the program.
import { given } from './given.ts';

/** A failure the user can act on. Prints as `natspki: error: MESSAGE` and `natspki: hint: HINT`. */
export class NatspkiError extends Error {
  override readonly name: string = 'NatspkiError';
  /** Stable, lower-case, hyphenated; carried by `--json`. */
  readonly code: string;
  readonly hint: string | undefined;
  /** 1 for a failure, 2 for wrong usage. */
  readonly exitCode: 1 | 2;
  readonly #lines: readonly string[] | undefined;

  /**
   * @param message one lower-case line without a full stop, naming the object, what was found and what was expected;
   *   never the content of a file that may hold a secret. Several problems are an array with one line each.
   */
  constructor(
    code: string,
    message: string | readonly string[],
    options: { hint?: string; cause?: unknown; exitCode?: 1 | 2 } = {},
  ) {
    const whole = typeof message === 'string' ? message : message.join('\n');
    super(whole, given({ cause: options.cause }));
    this.#lines = typeof message === 'string' ? undefined : message;
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? 1;
  }

  /** The problems, one per item. A line break inside an item is untrusted input and must not start an output line. */
  get lines(): readonly string[] {
    return this.#lines ?? [this.message];
  }
}

/** Wrong usage of the command line: exit code 2. */
export class UsageError extends NatspkiError {
  override readonly name = 'UsageError';

  constructor(message: string, hint?: string) {
    super('usage', message, hint === undefined ? { exitCode: 2 } : { hint, exitCode: 2 });
  }
}

/** What the log shows of a defect: any exception that is not a NatspkiError. */
export function stackOf(error: unknown): string {
  return String(error instanceof Error ? error.stack : error);
}
