// The problems of a configuration file and their positions: collected, then thrown or shown together.

import { NatspkiError } from '../errors.ts';
import { given } from '../given.ts';
import type { Position } from './value.ts';

/** One finding; its message never contains a value, which may be a secret. */
export interface ConfProblem {
  readonly position: Position;
  readonly message: string;
  readonly hint?: string;
  readonly severity: 'error' | 'warning';
  /** The line at which nats-server stops reading a text with this error of syntax; undefined for other problems. */
  readonly parseErrorLine?: number;
  /** A stable name such as `weak-cipher`, by which a script can select or ignore the finding. */
  readonly code?: string;
}

/** Creates a problem, without the members `hint` and `code` when they are undefined. */
export function confProblem(
  severity: ConfProblem['severity'],
  position: Position,
  message: string,
  hint?: string,
  code?: string,
): ConfProblem {
  return {
    severity,
    position,
    message,
    ...given({ hint, code }),
  };
}

/** Prints a problem as `nats.conf:12:5: message`, without its hint. */
export function formatProblem({ position, message }: ConfProblem): string {
  return `${position.file}:${position.line}:${position.column}: ${message}`;
}

/** Compares positions: by file, then from the top of the file. */
export function byPlace(a: Position, b: Position): number {
  return a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1;
}

/** A configuration that cannot be used. Its message has one line per error; a single error also provides the hint. */
export class ConfErrors extends NatspkiError {
  override readonly name = 'ConfErrors';
  /** Errors and warnings in the order they were found; at least one error. */
  readonly problems: readonly ConfProblem[];

  constructor(problems: readonly ConfProblem[]) {
    const errors = problems
      .filter((problem) => problem.severity === 'error')
      .sort((a, b) => byPlace(a.position, b.position));
    const [first, ...others] = errors;
    if (first === undefined) throw new Error('ConfErrors needs an error');
    if (others.length === 0) {
      super('invalid-configuration', formatProblem(first), given({ hint: first.hint }));
    } else {
      super('invalid-configuration', errors.map(formatWithHint));
    }
    this.problems = problems;
  }
}

/**
 * Returns the first error of syntax in nats-server's words, which programs that start it search for (conf/parse.go); undefined
 * if there is none.
 */
export function natsServerParseError({ problems }: ConfErrors): string | undefined {
  const found = problems.find(({ parseErrorLine }) => parseErrorLine !== undefined);
  return found && `Parse error on line ${found.parseErrorLine}: '${found.message}'`;
}

/** Throws a {@link ConfErrors} of all problems when one of them is an error. */
export function throwOnErrors(problems: readonly ConfProblem[]): void {
  if (problems.some((problem) => problem.severity === 'error')) throw new ConfErrors(problems);
}

function formatWithHint(problem: ConfProblem): string {
  return problem.hint === undefined ? formatProblem(problem) : `${formatProblem(problem)} (${problem.hint})`;
}
