// Reads where the events of an account's sampled messages go: a subject, or a block with `dest` and `sampling` (opts.go,
// parseAccountMsgTrace).
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import { isLiteral } from '../../subjects/subject.ts';
import { addError } from './problems.ts';

/** The subject, and the percentage of sampled messages that are traced, from 1 to 100. */
export interface TraceOptions {
  readonly destination: string;
  readonly sampling: number;
}

/** Returns undefined without a destination. @param where the path of the account */
export function readTraceOptions(
  account: MapReader,
  problems: ConfProblem[],
  where: string,
): TraceOptions | undefined {
  const value = account.value('msg_trace', 'trace_dest');
  if (value === undefined) return undefined;
  if (value.kind === 'string') return withDestination(value.value, 100);
  if (value.kind !== 'map') {
    const expected = 'must be a subject, or a block with "dest" and "sampling"';
    addError(problems, value.position, `"msg_trace" in ${where} ${expected}`);
    return undefined;
  }
  const block = new MapReader(value, problems, `${where}.msg_trace`);
  const destination = block.string('dest');
  const sampling = readSampling(block);
  block.finish();
  if (destination !== undefined) return withDestination(destination, sampling ?? 100);
  if (sampling !== undefined) {
    const message = `"sampling" in ${where}.msg_trace has no effect without "dest"`;
    block.warning(value.position, message, 'dest: "traces"', 'no-trace-destination');
  }
  return undefined;

  function withDestination(subject: string, percentage: number): TraceOptions | undefined {
    const bytes = Buffer.from(subject);
    if (!/\s/.test(subject) && isLiteral(bytes, 0, bytes.length)) {
      return { destination: subject, sampling: percentage };
    }
    const message = `"msg_trace" in ${where} is not a subject without wildcards`;
    addError(
      problems,
      (value as { position: ConfProblem['position'] }).position,
      message,
      'for example "traces"',
    );
    return undefined;
  }
}

/** Reads a percentage, as a number or as text such as "25%". */
function readSampling(block: MapReader): number | undefined {
  const value = block.value('sampling');
  if (value === undefined) return undefined;
  const digits = value.kind === 'string' ? /^\d+(?=%?$)/.exec(value.value)?.[0] : undefined;
  const sampling = value.kind === 'string' ? Number(digits ?? 0) : block.integer('sampling');
  if (sampling === undefined || (sampling >= 1 && sampling <= 100)) return sampling;
  block.error(value.position, '"sampling" must be a percentage from 1 to 100', 'for example "25%"');
  return undefined;
}
