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

/** Options that have an effect only beside one of the others (nats-server's opts.go, ocsp.go). */
const dependent: readonly { readonly options: readonly string[]; readonly need: readonly string[] }[] = [
  {
    options: [
      ...['resolver', 'account_resolver', 'accounts_resolver', 'resolver_tls'],
      ...['resolver_preload', 'resolver_pinned_accounts'],
    ],
    need: [
      ...['operator', 'operators', 'root', 'roots', 'root_operator', 'root_operators'],
      ...['trusted', 'trusted_keys'],
    ],
  },
  { options: ['prof_block_rate'], need: ['prof_port'] },
  { options: ['logfile_max_num', 'log_max_num'], need: ['logfile_size_limit', 'log_size_limit'] },
  { options: ['logfile_size_limit', 'log_size_limit'], need: ['log_file', 'logfile'] },
  {
    options: ['ocsp', 'ocsp_cache'],
    need: ['tls', 'cluster', 'leafnodes', 'leaf', 'gateway', 'websocket', 'ws', 'mqtt'],
  },
];

/**
 * Warns of options that have no effect because another one is absent.
 * @param features the names of options that the broker does not support
 * @returns the names of the options without effect, and of the features whose value leaves them off
 */
export function readIdle(reader: MapReader, features: readonly string[]): Set<string> {
  const idle = new Set(features.filter((name) => setsNothing(reader.value(name))));
  for (const { options, need } of dependent) {
    if (need.some((name) => reader.has(name))) continue;
    for (const name of options.filter((each) => reader.has(each) && !idle.has(each))) {
      idle.add(name);
      const value = reader.value(name);
      if (value === undefined || (value.kind === 'boolean' && !value.value)) continue;
      const message = `"${name}" has no effect without "${need[0]}"`;
      reader.warning(value.position, message, 'remove it', 'no-effect');
    }
  }
  return idle;
}

/** Whether the value of a top-level option leaves its feature off, in nats-server too. */
function setsNothing(value: Value | undefined): boolean {
  switch (value?.kind) {
    case 'boolean':
      return !value.value;
    case 'integer':
      return Number(value.value) === 0;
    case 'array':
      return value.items.length === 0;
    case 'map':
      return value.entries.size === 0;
    default:
      return false;
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
