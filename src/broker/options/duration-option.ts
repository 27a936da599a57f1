// Reads options that are durations. A bare number counts seconds, which `nats-server -t` does not accept everywhere.
import type { MapReader } from '../../conf/reader.ts';
import { formatGoSpan } from '../../duration.ts';

/** Reads positive milliseconds; undefined for zero, which stands for the default, and for a reported error. */
export function readDurationOption(reader: MapReader, name: string): number | undefined {
  const milliseconds = reader.durationMs(name) ?? 0;
  if (milliseconds < 0) reader.error(reader.position(name), `"${name}" cannot be negative`);
  const kind = reader.value(name)?.kind;
  if (kind === 'integer' || kind === 'float') {
    reader.warning(
      reader.position(name),
      `nats-server rejects a bare number for "${name}"`,
      `write "${formatGoSpan(milliseconds)}" if nats-server reads this file too`,
      'nats-server-refuses',
    );
  }
  return milliseconds > 0 ? milliseconds : undefined;
}
