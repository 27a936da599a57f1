// Reads the `latency` option of an exported service: which requests are measured, and where the results are published.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { Position, Value } from '../../conf/value.ts';
import { isLiteral, matches } from '../../subjects/subject.ts';

/** How a service is measured. */
export interface LatencyOptions {
  /** The subject that results are published to, in the account of the service. */
  readonly subject: string;
  /** Percentage of requests to measure; 0 measures only requests whose headers ask for it. */
  readonly sampling: number;
}

/** Reads `latency` of an exported service; undefined if it is absent or invalid. */
export function readLatency(
  reader: MapReader,
  problems: ConfProblem[],
  service: string | undefined,
): LatencyOptions | undefined {
  const value = reader.value('latency');
  if (value === undefined) return undefined;
  if (value.kind === 'string') {
    checkResultSubject(value.value, service, value.position, reader);
    return { subject: value.value, sampling: 100 };
  }
  if (value.kind !== 'map') {
    reader.error(value.position, '"latency" must be a subject or a block');
    return undefined;
  }
  const latency = new MapReader(value, problems, 'latency');
  const given = latency.value('sampling');
  const sampling = given === undefined ? 100 : parseSampling(given);
  if (sampling === undefined) {
    latency.error(latency.position('sampling'), '"sampling" must be from 1 to 100 percent, or "headers"');
  }
  const subject = latency.string('subject');
  if (subject !== undefined) checkResultSubject(subject, service, latency.position('subject'), latency);
  else if (!latency.has('subject')) latency.error(value.position, '"latency" needs "subject"');
  latency.finish();
  return subject === undefined || sampling === undefined ? undefined : { subject, sampling };
}

/**
 * Requires a subject that can be published to and is not the service's own (nats-server, accounts.go,
 * TrackServiceExportWithSampling).
 */
function checkResultSubject(
  subject: string,
  service: string | undefined,
  position: Position,
  reader: MapReader,
): void {
  const bytes = Buffer.from(subject);
  if (!isLiteral(bytes, 0, bytes.length) || /\s/.test(subject)) {
    reader.error(position, '"latency" needs a subject without wildcards to publish to');
  } else if (service !== undefined && matches(Buffer.from(service), bytes, 0, bytes.length)) {
    reader.error(position, '"latency" cannot publish to the service itself');
  }
}

function parseSampling(value: Value): number | undefined {
  if (value.kind === 'string' && value.value.trim().toLowerCase() === 'headers') return 0;
  const percent = value.kind === 'string' ? /^(\d+)%?$/.exec(value.value)?.[1] : undefined;
  const number = value.kind === 'integer' ? Number(value.value) : Number(percent ?? 0);
  return number >= 1 && number <= 100 ? number : undefined;
}
