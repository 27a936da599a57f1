// Wraps lines of prose for a terminal. Commands in backquotes, pins and paths never break, so that they can be copied.

/** Sequences that set colours take no room. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with ESC.
const colours = /\x1b\[[\d;]*m/g;

/** Returns the number of columns that a text takes. */
export function visibleLength(text: string): number {
  return text.replace(colours, '').length;
}

/**
 * Wraps a line between its words, with two more columns of indentation from the second line on. A command of its own
 * (`  natspki list`) continues after a backslash, so that it can still be copied.
 * @param columns the width of the terminal; undefined for a pipe, which gets the whole line
 */
export function wrapped(line: string, columns: number | undefined): string[] {
  if (columns === undefined || visibleLength(line) <= columns) return [line];
  const continued = isCommand(line) ? ' \\' : '';
  const indent = /^ */.exec(line)?.[0] ?? '';
  const lines: string[] = [];
  let current = '';
  for (const part of line.match(continued === '' ? words : flags) ?? []) {
    const room = columns - continued.length;
    if (current.trim() !== '' && visibleLength(current + part.trimEnd()) > room) {
      lines.push(current.trimEnd() + continued);
      current = `${indent}  ${part.trimStart()}`;
    } else {
      current += part;
    }
  }
  return [...lines, current.trimEnd()];
}

/** A word with the spaces after it; text in backquotes is one word. */
const words = /^ +|(?:`[^`]*`|\S)+ */g;
/** A flag with its value, or a word. */
const flags = /^ +|--\S+ +[^\s-]\S* *|(?:'[^']*'|\S)+ */g;

function isCommand(line: string): boolean {
  return /^\s+(natspki|nats|nats-server|openssl|mv|sudo|chmod|systemctl) /.test(line);
}
