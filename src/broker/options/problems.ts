// Reports the problems of options that are found outside a MapReader.
import { type ConfProblem, confProblem } from '../../conf/error.ts';
import type { Position } from '../../conf/value.ts';

export function addError(problems: ConfProblem[], position: Position, message: string, hint?: string): void {
  problems.push(confProblem('error', position, message, hint));
}
