// The flags that several commands share, so that they read and fail alike everywhere.
import { boolean, custom, option, string } from '@oclif/core/flags';
import { UsageError } from '../errors.ts';

/** Makes `--dir`. */
export const directoryFlag = () =>
  string({
    description: 'Folder of the certificates.',
    helpValue: 'DIR',
    default: './certs',
  });

/** Makes `--yes`. */
export const yesFlag = () => boolean({ char: 'y', description: 'Ask nothing, take the defaults.' });

/** Makes `--passphrase-file`. */
export const passphraseFileFlag = (purpose: string) =>
  string({
    description: `File with the passphrase of the authority's key in its first line; ${purpose}.`,
    helpValue: 'FILE',
  });

/** Makes `--key-type`; the first of the types is the default, which is not filled in. */
export const keyTypeFlag = <K extends string>(keyTypes: readonly K[]) =>
  option({
    description: 'Type of new keys.',
    helpValue: 'TYPE',
    options: keyTypes,
    defaultHelp: async () => keyTypes[0] as K,
  })();

/** Makes a flag that takes whole days, at least one. */
export const daysFlag = custom<number>({
  helpValue: 'DAYS',
  parse: async (text, _context, flag) => wholeNumber(text, `--${flag.name}`, 1, 36_500),
});

/** Reads a whole number of a flag; throws a UsageError that says what was found and what is possible. */
export function wholeNumber(text: string, flag: string, minimum: number, maximum: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw new UsageError(
    `${flag} is "${text}", expected a whole number from ${minimum} to ${maximum}`,
    `${flag} ${Math.max(minimum, Math.min(maximum, 365))}`,
  );
}

/** Leaves out what is undefined, so that optional properties may take flags that were not given. */
export function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
