// Writes log lines in nats-server's format, to stderr or to a file that can be reopened for rotation.
// Control characters are escaped, so that no text, whatever its source, can start a line of its own.
import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, writeSync } from 'node:fs';
import { NatspkiError } from './errors.ts';

/** The logger that a component gets as a parameter; there is no global one. */
export interface Logger {
  /** Check this before building an expensive debug or trace text. */
  readonly debugging: boolean;
  readonly tracing: boolean;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  fatal(text: string): void;
  debug(text: string): void;
  trace(text: string): void;
}

export interface LineLoggerOptions {
  debug?: boolean;
  trace?: boolean;
  /** Starts each line with the date and the time, including microseconds; default true. */
  timestamps?: boolean;
  /** Prints times in UTC instead of the local time zone. */
  utc?: boolean;
  /** Prints levels in colour, for a terminal. */
  colors?: boolean;
  pid?: number;
  now?: () => Date;
}

const levels = {
  INF: '32',
  DBG: '36',
  WRN: '0;93',
  ERR: '31',
  FTL: '31',
  TRC: '33',
} as const;

type Level = keyof typeof levels;

/** Writes lines in nats-server's format, `[pid] 2026/11/23 18:14:29.123456 [INF] text`. */
export class LineLogger implements Logger {
  debugging: boolean;
  tracing: boolean;
  timestamps: boolean;
  utc: boolean;
  colors: boolean;
  readonly #write: (line: string) => void;
  readonly #prefix: string;
  readonly #now: () => Date;

  /** @param write receives one whole line, including its newline */
  constructor(write: (line: string) => void, options: LineLoggerOptions = {}) {
    this.#write = write;
    this.debugging = options.debug ?? false;
    this.tracing = options.trace ?? false;
    this.timestamps = options.timestamps ?? true;
    this.utc = options.utc ?? false;
    this.colors = options.colors ?? false;
    this.#prefix = `[${options.pid ?? process.pid}] `;
    this.#now = options.now ?? (() => new Date());
  }

  info(text: string): void {
    this.#line('INF', text);
  }

  warn(text: string): void {
    this.#line('WRN', text);
  }

  error(text: string): void {
    this.#line('ERR', text);
  }

  fatal(text: string): void {
    this.#line('FTL', text);
  }

  debug(text: string): void {
    if (this.debugging) this.#line('DBG', text);
  }

  trace(text: string): void {
    if (this.tracing) this.#line('TRC', text);
  }

  #line(level: Level, text: string): void {
    const label = this.colors ? `\x1b[${levels[level]}m${level}\x1b[0m` : level;
    const time = this.timestamps ? `${timestamp(this.#now(), this.utc)} ` : '';
    this.#write(`${this.#prefix}${time}[${label}] ${escapeControls(text)}\n`);
  }
}

/** Starts every line with a label, such as that of a connection. */
export class LabelledLogger implements Logger {
  label: string;
  readonly #logger: Logger;

  constructor(logger: Logger, label: string) {
    this.#logger = logger;
    this.label = label;
  }

  get debugging(): boolean {
    return this.#logger.debugging;
  }

  get tracing(): boolean {
    return this.#logger.tracing;
  }

  info(text: string): void {
    this.#logger.info(`${this.label} - ${text}`);
  }

  warn(text: string): void {
    this.#logger.warn(`${this.label} - ${text}`);
  }

  error(text: string): void {
    this.#logger.error(`${this.label} - ${text}`);
  }

  fatal(text: string): void {
    this.#logger.fatal(`${this.label} - ${text}`);
  }

  debug(text: string): void {
    if (this.debugging) this.#logger.debug(`${this.label} - ${text}`);
  }

  trace(text: string): void {
    if (this.tracing) this.#logger.trace(`${this.label} - ${text}`);
  }
}

/** A log file; call `reopen` after a rotation has moved it away. */
export class LogFile {
  readonly path: string;
  #descriptor: number;

  /** Opens for appending; throws a NatspkiError that names the file. */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = this.#open();
  }

  /** Drops the line when it cannot be written, such as on a full disk: logging must not end the process. */
  write(line: string): void {
    try {
      writeSync(this.#descriptor, line);
    } catch {
      // There is no other place to report it.
    }
  }

  /** Opens the path again; on failure throws and keeps the current file in use. */
  reopen(): void {
    const previous = this.#descriptor;
    this.#descriptor = this.#open();
    closeSync(previous);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #open(): number {
    try {
      return openSync(this.path, 'a', 0o640);
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
      throw new NatspkiError('log-file', `cannot open log file "${this.path}": ${reason}`, {
        hint: 'check that its folder exists and is writable',
        cause,
      });
    }
  }
}

/** Quotes untrusted text with Go's escapes (strconv.Quote), as nats-server does with %q. */
export function quote(text: string): string {
  return `"${escapeAll(text)}"`;
}

/** Quotes bytes that should be UTF-8; if they are not, escapes each byte above ASCII. */
export function quoteBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return quote(bytes.toString());
  const escaped = bytes
    .toString('latin1')
    .replace(/[\0-\x7f]+|[\x80-\xff]/g, (part) =>
      part < '\x80' ? escapeAll(part) : `\\x${hex(part.charCodeAt(0), 2)}`,
    );
  return `"${escaped}"`;
}

function escapeAll(text: string): string {
  return escapeControls(text.replace(/[\\"]/g, '\\$&'));
}

const shortEscapes: Record<string, string> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** Escapes the characters of untrusted text that would move a cursor, start a line or change the direction of text. */
export function escapeControls(text: string): string {
  // Besides C0 and C1: line separators, and marks that change the direction of the text.
  return text.replace(/[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const short = shortEscapes[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0) as number;
    return code < 0x80 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

function hex(code: number, width: number): string {
  return code.toString(16).padStart(width, '0');
}

function timestamp(now: Date, utc: boolean): string {
  const local = utc ? now : new Date(now.getTime() - now.getTimezoneOffset() * 60_000);
  const iso = local.toISOString();
  // A Date has milliseconds only; nats-server's format has six digits.
  return `${iso.slice(0, 10).replaceAll('-', '/')} ${iso.slice(11, 23)}000`;
}
