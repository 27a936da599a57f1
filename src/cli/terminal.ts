// What an output stream can show: its width, colours and block characters.

/** Gives a text an attribute; returns it unchanged if the stream shows no colours. */
export type Style = (text: string) => string;

export interface Terminal {
  /** Width in columns; undefined for a pipe or a file, where nothing is cut. */
  readonly columns: number | undefined;
  /** Whether it shows characters beyond ASCII. */
  readonly unicode: boolean;
  readonly bold: Style;
  readonly dim: Style;
  readonly red: Style;
  readonly green: Style;
  readonly yellow: Style;
  readonly cyan: Style;
}

/** Describes a stream: colours only on a terminal, and never with NO_COLOR or TERM=dumb. */
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
