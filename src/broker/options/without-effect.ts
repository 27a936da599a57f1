// Accepts options of nats-server that have no effect here, because this broker lacks what they tune, and checks that their
// values are valid in nats-server. Warns of those that also have no effect in nats-server without JetStream.
import type { MapReader } from '../../conf/reader.ts';
import type { Value } from '../../conf/value.ts';

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

/** Options that tune JetStream, by the kind of their value in nats-server (opts.go). */
const jetStreamOptions = {
  store_dir: 'string',
  storedir: 'string',
  default_js_domain: 'map',
  feature_flags: 'map',
};

/** Reads the options that have no effect without JetStream, and warns of each. */
export function readJetStreamTuning(reader: MapReader): void {
  for (const [name, kind] of Object.entries(jetStreamOptions)) {
    const value = kind === 'map' ? reader.map(name) : reader.value(name);
    if (value === undefined) continue;
    if (kind === 'string' && reader.string(name) === undefined) continue;
    checkEntries(reader, name, value, name === 'feature_flags' ? 'boolean' : 'string');
    // OCSP answers are saved there.
    if (/^store_?dir$/.test(name) && reader.has('ocsp')) continue;
    reader.warning(
      value.position,
      `"${name}" has no effect: the bundled broker does not have JetStream`,
      'run this configuration on nats-server to use it',
      'unsupported',
    );
  }
}

function checkEntries(reader: MapReader, name: string, value: Value, kind: 'boolean' | 'string'): void {
  if (value.kind !== 'map') return;
  for (const entry of value.entries.values()) {
    if (entry.value.kind !== kind)
      reader.error(entry.value.position, `an entry of "${name}" must be a ${kind}`);
  }
}

/** Whether a value of `jetstream` turns it off (opts.go, parseJetStream). */
export function turnsJetStreamOff(value: Value | undefined): boolean {
  if (value?.kind === 'string') return /^disabled?$/i.test(value.value);
  if (value?.kind !== 'map') return false;
  return [...value.entries.values()].some(
    ({ key, value: set }) => /^enabled?$/i.test(key) && set.kind === 'boolean' && !set.value,
  );
}
