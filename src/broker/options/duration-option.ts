// Reads the options that are a time. A bare number counts seconds, which nats-server -t does not take everywhere.
import type { MapReader } from '../../conf/reader.ts';
import { formatGoSpan } from '../../duration.ts';

/** Reads milliseconds above zero; undefined for zero, which stands for the default, and for what is reported. */
export function readTimeOption(reader: MapReader, name: string): number | undefined {
  const milliseconds = reader.durationMs(name) ?? 0;
  if (milliseconds < 0) reader.error(reader.position(name), `"${name}" cannot be negative`);
  const kind = reader.value(name)?.kind;
  if (kind === 'integer' || kind === 'float') {
    reader.warning(
      reader.position(name),
      `nats-server refuses a bare number for "${name}"`,
      `write "${formatGoSpan(milliseconds)}" where nats-server reads this file too`,
      'nats-server-refuses',
    );
  }
  return milliseconds > 0 ? milliseconds : undefined;
}
