// Converts configuration values, without their positions, to plain JavaScript and to the JSON that nats-server
// digests.
import type { Value } from '../../src/conf/value.ts';

/** Converts a value to plain JavaScript: a block becomes an object, an integer a bigint. */
export function plain(value: Value): unknown {
  if (value.kind === 'array') return value.items.map(plain);
  if (value.kind !== 'map') return value.value;
  return Object.fromEntries(Array.from(value.entries.values(), (entry) => [entry.key, plain(entry.value)]));
}

/** Prints a value as Go's encoding/json prints what nats-server parsed: keys sorted by bytes, HTML escaped. */
export function goJson(value: Value): string {
  switch (value.kind) {
    case 'string':
      return goString(value.value);
    case 'datetime':
      return goString(value.value.toISOString().replace('.000Z', 'Z'));
    case 'array':
      return `[${value.items.map(goJson).join(',')}]`;
    case 'map': {
      const entries = [...value.entries.values()].sort((a, b) =>
        Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)),
      );
      return `{${entries.map((entry) => `${goString(entry.key)}:${goJson(entry.value)}`).join(',')}}`;
    }
    default:
      return Object.is(value.value, -0) ? '-0' : String(value.value);
  }
}

function goString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
