// Tells options from what else stands in a configuration: definitions, for a `$NAME` to refer to.
import type { ConfProblem } from '../../conf/error.ts';
import type { Entry, MapValue } from '../../conf/value.ts';
import { readBrokerOptions } from './options.ts';

/** What stands in blocks that only nats-server reads cannot be told apart: it counts as no option. */
const unread = ['gateway', 'leafnodes', 'websocket', 'mqtt'];

/** Tells whether an entry, at the top level or in a block there, would mean something if nothing referred to it. */
export function isKnownOption(root: MapValue, entry: Entry): boolean {
  const inUnread = [...root.entries.values()].some(
    ({ key, value }) =>
      unread.includes(key.toLowerCase()) &&
      value.kind === 'map' &&
      [...value.entries.values()].includes(entry),
  );
  if (inUnread) return false;
  const problems: ConfProblem[] = [];
  readBrokerOptions(root, problems, { ignoreUnsupported: true });
  return !problems.some(
    ({ position, severity, message }) =>
      severity === 'error' && position === entry.keyPosition && message.startsWith('unknown field'),
  );
}
