// Prints blocks and values of nats-server's configuration language so that nats-server reads the same back.

/** A value to print. */
export type PrintValue = string | number | bigint | boolean | readonly PrintValue[] | Fields;

/** The fields of a block, printed in their order; an undefined field is omitted. */
export interface Fields {
  readonly [key: string]: PrintValue | undefined;
}

const INDENT = '  ';
const MAX_ARRAY_WIDTH = 80;

/** Prints `NAME {`, one field per line and `}`, indented by two spaces, without a newline at the end. */
export function printBlock(name: string, fields: Fields): string {
  return `${printKey(name)} ${printFields(fields, '')}`;
}

/** Prints a value; an array that is long or contains blocks has one line per item. */
export function printValue(value: PrintValue): string {
  return print(value, '');
}

/** Prints a key, with quotes if it would not parse back otherwise; throws RangeError when neither kind of quote works. */
export function printKey(key: string): string {
  if (/^[A-Za-z_][\w.-]*$/.test(key) && key.toLowerCase() !== 'include') return key;
  const quote = key.includes('"') ? "'" : '"';
  // Quoted keys have no escapes.
  if (key.includes(quote) || key.includes('\0'))
    throw new RangeError('a key cannot contain both kinds of quotes, or a NUL');
  return quote + key + quote;
}

function print(value: PrintValue, indent: string): string {
  switch (typeof value) {
    case 'string':
      return printString(value);
    case 'number':
      return printNumber(value);
    case 'bigint':
    case 'boolean':
      return String(value);
  }
  return isArray(value) ? printArray(value, indent) : printFields(value, indent);
}

function printString(value: string): string {
  const named: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r' };
  const escaped = value.replace(/["\\]/g, '\\$&').replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to escape
    /[\x00-\x1f\x7f]/g,
    (control) => named[control] ?? `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}

function printNumber(value: number): string {
  const text = String(value);
  // The language has no exponents.
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new RangeError(`${text} cannot be written in a configuration`);
  return text;
}

function printFields(fields: Fields, indent: string): string {
  const inner = indent + INDENT;
  let text = '{\n';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const separator = typeof value === 'object' && !isArray(value) ? ' ' : ': ';
    text += `${inner}${printKey(key)}${separator}${print(value, inner)}\n`;
  }
  return `${text}${indent}}`;
}

function printArray(items: readonly PrintValue[], indent: string): string {
  const inner = indent + INDENT;
  const printed = items.map((item) => print(item, inner));
  const line = `[${printed.join(', ')}]`;
  // nats-server parses a number directly before a bracket as a string.
  const endsInNumber = /[0-9]\]$/.test(line);
  if (line.length <= MAX_ARRAY_WIDTH && !line.includes('\n') && !endsInNumber) return line;
  return `[\n${printed.map((item) => `${inner}${item}\n`).join('')}${indent}]`;
}

// Array.isArray does not narrow a readonly array.
function isArray(value: readonly PrintValue[] | Fields): value is readonly PrintValue[] {
  return Array.isArray(value);
}
