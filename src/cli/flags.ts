// The flags that several commands share, so that they read and fail alike everywhere.
import * as Flags from '@oclif/core/flags';
import { maximumDays, parseDuration } from '../duration.ts';
import { UsageError } from '../errors.ts';
import { keyTypes } from '../x509/key.ts';

/** Makes a flag that takes the path of a file or folder; refuses an empty one, which a script's unset variable gives. */
export const pathFlag = Flags.custom<string>({
  parse: async (text, _context, { name }) => {
    if (text !== '') return text;
    throw new UsageError(`--${name} is empty, expected a path`);
  },
});

type NumberRange = {
  readonly minimum: number;
  readonly maximum: number;
  /** For the hint. */
  readonly example: number;
};

/** Makes a flag that takes a whole number; refuses others with what was found and what is possible. */
export const numberFlag = Flags.custom<number, NumberRange>({
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
    description,
    helpValue: 'DAYS',
    default: usual,
    minimum: 1,
    maximum: maximumDays,
    example: usual,
  });

/** Makes a flag that takes a time from now on, `30d`, in milliseconds. */
export const windowFlag = Flags.custom<number>({
  helpValue: 'WINDOW',
  parse: async (text, _context, { name }) => parseWindow(text, name),
});

/** Reads a time from now on, `30d`, in milliseconds; refuses one that is past. */
export function parseWindow(text: string, flag: string): number {
  const window = parseDuration(text);
  if (window >= 0) return window;
  throw new UsageError(`--${flag} is "${text}", expected a time from now on`, `--${flag} 30d`);
}

/** Makes `--dir`. */
export const directoryFlag = () =>
  pathFlag({
    description: 'Folder of the certificates.',
    helpValue: 'DIR',
    default: './certs',
  });

/** Makes `--passphrase-file`. */
export const passphraseFileFlag = (purpose = 'asked for on a terminal') =>
  pathFlag({
    description: `File with the passphrase of the authority's key in its first line; ${purpose}.`,
    helpValue: 'FILE',
  });

/** Makes `--key-type`; the default is not filled in. */
export const keyTypeFlag = () =>
  Flags.option({
    description: `Type of new keys: ${keyTypes.join(', ')}.`,
    helpValue: 'TYPE',
    options: keyTypes,
    defaultHelp: async () => keyTypes[0],
  })();

/** Makes `--config`, for configurations that are edited. */
export const configurationFlag = (description: string) =>
  pathFlag({
    char: 'c',
    description,
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
    defaultHelp: async () => './nats.conf and ./nats-*.conf, where there are any',
  });

/** Makes `--reload`. */
export const reloadFlag = (description: string) => Flags.string({ description, helpValue: 'PID|PIDFILE' });

/** Makes `--config`, `--reload` and `--verify`: who is told of new certificates. */
export const rolloutFlags = ({ exclusive = [] as string[] } = {}) => ({
  config: configurationFlag('Configuration whose pins are kept true; repeatable.'),
  reload: reloadFlag('Afterwards, and after new pins, send SIGHUP to this nats-server.'),
  verify: Flags.string({
    description:
      'Afterwards connect to each address of this server and see that it serves a current certificate.',
    helpValue: 'URL',
    exclusive,
  }),
});

/** Makes `--prune-pins`. */
export const prunePinsFlag = ({ exclusive = [] as string[] } = {}) =>
  Flags.boolean({
    description: 'Afterwards remove the pins of certificates that are no longer in the folder.',
    exclusive,
  });

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
