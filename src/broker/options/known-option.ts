// Distinguishes options from the other entries of a configuration: definitions that a `$NAME` refers to.
import type { ConfProblem } from '../../conf/error.ts';
import type { Entry, MapValue } from '../../conf/value.ts';
import { readBrokerOptions } from './options.ts';

/** Blocks that only nats-server reads: none of their entries counts as a known option. */
const unread = ['gateway', 'leafnodes', 'mqtt'];

/** Whether an entry, at the top level or in a top-level block, is an option even if no `$NAME` refers to it. */
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
