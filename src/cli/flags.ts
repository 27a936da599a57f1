// The flags that several commands share, so that they read and fail alike everywhere.
import { boolean, custom, option } from '@oclif/core/flags';
import { maximumDays, parseDuration } from '../duration.ts';
import { UsageError } from '../errors.ts';

/** Makes a flag that takes the path of a file or folder; refuses an empty one, which a script's unset variable gives. */
export const pathFlag = custom<string>({
  parse: async (text, _context, { name }) => {
    if (text !== '') return text;
    throw new UsageError(`--${name} is empty, expected a path`);
  },
});

/** Makes `--dir`. */
export const directoryFlag = () =>
  pathFlag({
    description: 'Folder of the certificates.',
    helpValue: 'DIR',
    default: './certs',
  });

/** Makes `--yes`. */
export const yesFlag = ({ hidden = false } = {}) =>
  boolean({ char: 'y', description: 'Ask nothing, take the defaults.', hidden });

/** Makes `--passphrase-file`. */
export const passphraseFileFlag = (purpose: string) =>
  pathFlag({
    description: `File with the passphrase of the authority's key in its first line; ${purpose}.`,
    helpValue: 'FILE',
  });

/** Makes `--key-type`; the first of the types is the default, which is not filled in. */
export const keyTypeFlag = <K extends string>(keyTypes: readonly K[]) =>
  option({
    description: `Type of new keys: ${keyTypes.join(', ')}.`,
    helpValue: 'TYPE',
    options: keyTypes,
    defaultHelp: async () => keyTypes[0] as K,
  })();

type NumberRange = {
  readonly minimum: number;
  readonly maximum: number;
  /** For the hint. */
  readonly example: number;
};

/** Makes a flag that takes a whole number; refuses others with what was found and what is possible. */
export const numberFlag = custom<number, NumberRange>({
  parse: async (text, _context, { name, minimum, maximum, example }) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new UsageError(
      `--${name} is "${text}", expected a whole number from ${minimum} to ${maximum}`,
      `--${name} ${example}`,
    );
  },
});

/** Makes a flag that takes days, up to a hundred years. */
export const daysFlag = (description: string, usual: number) =>
  numberFlag({
    ...{ description, helpValue: 'DAYS', default: usual },
    ...{ minimum: 1, maximum: maximumDays, example: usual },
  });

/** Reads a time from now on, `30d`, in milliseconds; refuses one that is past. */
export function parseWindow(text: string, flag = 'due'): number {
  const window = parseDuration(text);
  if (window >= 0) return window;
  throw new UsageError(`--${flag} is "${text}", expected a time from now on`, `--${flag} 30d`);
}

/** Leaves out what is undefined, so that optional properties may take flags that were not given. */
export function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Gives a flag its value where that may be left out, which oclif knows no way for. */
export function withOptionalValue(
  argv: readonly string[],
  flag: string,
  looksLikeValue: RegExp,
  value: string,
): string[] {
  return argv.map((word, index) =>
    word === flag && !looksLikeValue.test(argv[index + 1] ?? '') ? `${flag}=${value}` : word,
  );
}
