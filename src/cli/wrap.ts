// Wraps lines of prose for a terminal. Commands in backquotes, pins and paths never break, so that they can be copied.

/** Sequences that set colours take no room. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with ESC.
const colours = /\x1b\[[\d;]*m/g;

/** Returns the number of columns that a text takes. */
export function visibleLength(text: string): number {
  return text.replace(colours, '').length;
}

/**
 * Wraps a line between its words, with two more columns of indentation from the second line on. A line that fits, and one
 * that is a command (`  natspki list`), stays as it is.
 * @param columns the width of the terminal; undefined for a pipe, which gets the whole line
 */
export function wrapped(line: string, columns: number | undefined): string[] {
  if (columns === undefined || visibleLength(line) <= columns || isCommand(line)) return [line];
  const indent = /^ */.exec(line)?.[0] ?? '';
  const lines: string[] = [];
  let current = indent;
  let isEmpty = true;
  for (const word of line.trim().match(/(?:`[^`]*`|\S)+/g) ?? []) {
    if (!isEmpty && visibleLength(current) + 1 + visibleLength(word) > columns) {
      lines.push(current);
      current = `${indent}  `;
      isEmpty = true;
    }
    current += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, current];
}

function isCommand(line: string): boolean {
  return /^\s+(natspki|nats|nats-server|openssl|mv|sudo|chmod|systemctl) /.test(line);
}
