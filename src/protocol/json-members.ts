// Lists the members of a JSON object as they are written, including repeated ones: Go's decoder sees them all, but a
// JavaScript object keeps only the last. It does not interpret names or types.

/** Maximum nesting of objects and arrays in Go's decoder (encoding/json, maxNestingDepth). */
const maxDepth = 10_000;

export interface JsonMember {
  readonly name: string;
  /** The JSON text of the value, without surrounding blanks. */
  readonly text: string;
}

/** Reads an object, or null as an empty one; throws a SyntaxError, which may quote the text, for anything else. */
export function readMembers(json: Buffer): JsonMember[] {
  const text = json.toString();
  const whole: unknown = JSON.parse(text);
  if (whole === null) return [];
  if (typeof whole !== 'object' || Array.isArray(whole)) throw new SyntaxError('not a JSON object');
  const members: JsonMember[] = [];
  let depth = 0;
  let start = 0;
  let colon = 0;
  // The text is valid JSON at this point, so outside of strings these characters are always syntax.
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
    } else if (character === '{' || character === '[') {
      depth++;
      if (depth === 1) start = at + 1;
      if (depth > maxDepth) throw new SyntaxError('JSON too deep');
    } else if (character === ':' && depth === 1) {
      colon = at;
    } else if (character === ',' || character === '}' || character === ']') {
      if (depth === 1 && colon > start) {
        members.push({ name: JSON.parse(text.slice(start, colon)), text: text.slice(colon + 1, at).trim() });
        start = at + 1;
      }
      if (character !== ',') depth--;
    }
  }
  return members;
}

/** Returns whether Go decodes a JSON number as an int: without fraction and exponent, and within 64 bits. */
export function isGoInteger(text: string): boolean {
  return /^-?\d+$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

function endOfString(text: string, at: number): number {
  do {
    at += text[at] === '\\' ? 2 : 1;
  } while (text[at] !== '"');
  return at;
}
