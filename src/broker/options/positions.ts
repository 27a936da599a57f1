// Finds the position in a parsed configuration that a finding refers to.
import { MapReader } from '../../conf/reader.ts';
import type { MapValue, Position, Value } from '../../conf/value.ts';

/** Finds the innermost block on a path of keys; the map itself if the first key has no block. */
export function blockAt(map: MapValue, ...path: string[]): MapValue {
  const [name, ...rest] = path;
  for (const { key, value } of map.entries.values()) {
    if (key.toLowerCase() === name && value.kind === 'map') return blockAt(value, ...rest);
  }
  return map;
}

/** Finds the value of an option by its names; the block if the option is absent. */
export function positionOfOption(map: MapValue, ...names: [string, ...string[]]): Position {
  return new MapReader(map, [], '').position(...names);
}

/** Finds the first string in a block that fits; the block if none does. */
export function positionOfString(map: MapValue, fits: (text: string) => boolean): Position {
  const find = (value: Value): Position | undefined => {
    if (value.kind === 'string') return fits(value.value) ? value.position : undefined;
    if (value.kind === 'array') return value.items.map(find).find((position) => position !== undefined);
    if (value.kind !== 'map') return undefined;
    return [...value.entries.values()]
      .map((entry) => find(entry.value))
      .find((position) => position !== undefined);
  };
  return find(map) ?? map.position;
}
