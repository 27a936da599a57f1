// Converts offsets in a text to lines and columns.

import type { Position } from './value.ts';

/** Returns the position of an offset. */
export type Locate = (offset: number) => Position;

/** Creates the function for one text; `file` is its name in messages. */
export function locateIn(text: string, file: string): Locate {
  let lineStarts: number[] | undefined;
  return (offset) => {
    lineStarts ??= findLineStarts(text);
    let [low, high] = [0, lineStarts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((lineStarts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: offset - (lineStarts[low] as number) + 1, offset };
  };
}

function findLineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
