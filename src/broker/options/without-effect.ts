// Accepts options of nats-server that have no effect here, because this broker lacks what they tune. Silently ignores
// them if their values are valid in nats-server.
import type { MapReader } from '../../conf/reader.ts';

/** Checks only the types; a wrong type is an error, as in nats-server. */
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
