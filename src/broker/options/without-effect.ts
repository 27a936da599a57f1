// Options of nats-server that change nothing about this broker, because what they tune is not there: taken without a
// word when their values are what nats-server takes.
import type { MapReader } from '../../conf/reader.ts';

/** Reads each for its type alone; a wrong one is a problem as in nats-server. */
export function readWithoutEffect(reader: MapReader): void {
  for (const name of ['disable_sublist_cache', 'no_sublist_cache']) reader.boolean(name);
  for (const name of ['connect_error_reports', 'reconnect_error_reports', 'max_closed_clients']) {
    reader.integer(name);
  }
  reader.strings('server_tags');
  const metadata = reader.map('server_metadata');
  for (const { value } of metadata?.entries.values() ?? []) {
    if (value.kind !== 'string')
      reader.error(value.position, 'an entry of "server_metadata" must be a string');
  }
}
