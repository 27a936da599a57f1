// What the stream a command prints on can show: its width, colours, block characters; and how text from strangers
// (subjects, file names) is made harmless before it gets there.

/** Puts one attribute around a text, or nothing where the stream shows no colours. */
export type Style = (text: string) => string;

export interface Terminal {
  /** Columns of the terminal; undefined for a pipe or a file, where nothing is cut to fit. */
  readonly columns: number | undefined;
  /** Whether characters beyond ASCII may be drawn. */
  readonly unicode: boolean;
  readonly bold: Style;
  readonly dim: Style;
  readonly red: Style;
  readonly green: Style;
  readonly yellow: Style;
  readonly cyan: Style;
}

/** Describes a stream: colours only on a terminal, never with NO_COLOR set or TERM=dumb. */
export function terminalOf(
  stream: { isTTY?: boolean; columns?: number },
  environment: NodeJS.ProcessEnv = process.env,
): Terminal {
  const isTerminal = stream.isTTY === true;
  const colours = isTerminal && !environment.NO_COLOR && environment.TERM !== 'dumb';
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || '';
  const style =
    (open: number, close: number): Style =>
    (text) =>
      colours && text !== '' ? `\x1b[${open}m${text}\x1b[${close}m` : text;
  return {
    columns: isTerminal ? stream.columns || 80 : undefined,
    unicode: isTerminal && (/utf-?8/i.test(locale) || process.platform === 'win32'),
    bold: style(1, 22),
    dim: style(2, 22),
    red: style(31, 39),
    green: style(32, 39),
    yellow: style(33, 39),
    cyan: style(36, 39),
  };
}

/** Replaces control characters and those that turn the reading direction by `\xHH` or `\u{H}`: a subject must not move the cursor. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0) as number;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
