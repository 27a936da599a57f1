// Reads the compression option of a cluster block, so that one file serves both this broker and nats-server. This
// broker never compresses its routes, and nats-server agrees to that on each route.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import { parseGoDuration } from '../../duration.ts';

/** Modes without compression, as on this broker (nats-server's server.go, validateAndNormalizeCompressionOption). */
const without = ['not supported', 'not_supported', 'disabled', 'off', 'false', 'accept', ''];
const automatic = ['auto', 's2_auto'];
const others = ['on', 'enabled', 'true', 'fast', 's2_fast', 'better', 's2_better', 'best', 's2_best'];

/** Reads `compression`: a mode, a boolean, or a block with a mode. */
export function readCompression(cluster: MapReader, problems: ConfProblem[]): void {
  const value = cluster.value('compression');
  if (value === undefined) return;
  let mode: string | undefined;
  if (value.kind === 'boolean') mode = String(value.value);
  else if (value.kind === 'string') mode = value.value;
  else if (value.kind === 'map') {
    const reader = new MapReader(value, problems, 'cluster.compression');
    mode = reader.string('mode') ?? '';
    readThresholds(reader, mode.toLowerCase());
    reader.finish();
  } else {
    cluster.error(value.position, '"compression" in cluster must be a mode, true, false or a block');
    return;
  }
  mode = mode.toLowerCase();
  if (without.includes(mode)) return;
  if (![...automatic, ...others].includes(mode)) {
    cluster.error(
      value.position,
      '"compression" in cluster is not a compression mode of nats-server',
      'use "off" or "accept"; between nats-servers also "s2_auto", "s2_fast", "s2_better" or "s2_best"',
    );
    return;
  }
  cluster.warning(
    value.position,
    '"compression" is ignored: the bundled broker does not compress routes',
    'nats-servers still compress the routes between them',
    'unsupported',
  );
}

function readThresholds(reader: MapReader, mode: string): void {
  const names = ['rtt_thresholds', 'thresholds', 'rtts', 'rtt'] as const;
  const items = reader.array(...names)?.items ?? [];
  const times = items.map((item) => (item.kind === 'string' ? parseGoDuration(item.value) : undefined));
  if (times.includes(undefined)) {
    reader.error(
      reader.position(...names),
      'an entry of "rtt_thresholds" is not a duration',
      'for example "10ms"',
    );
  } else if (automatic.includes(mode) && !areValidThresholds(times as number[], items.length > 0)) {
    reader.error(
      reader.position(...names),
      '"rtt_thresholds" takes one to four durations in ascending order',
    );
  }
}

/** A threshold of zero or less marks a level that is not used. */
function areValidThresholds(times: readonly number[], given: boolean): boolean {
  if (!given) return true;
  const used = times.slice(0, times.findLastIndex((time) => time > 0) + 1).map((time) => Math.max(0, time));
  const ascending = used.filter((time) => time > 0);
  return (
    used.length > 0 &&
    used.length <= 4 &&
    ascending.every((time, index) => time >= (ascending[index - 1] ?? 0))
  );
}
