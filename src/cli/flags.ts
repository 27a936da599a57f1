// The flags that several commands share, so that they have the same help and the same errors everywhere.
import * as Flags from '@oclif/core/flags';
import type * as Interfaces from '@oclif/core/interfaces';
import { maximumDays, parseDuration } from '../duration.ts';
import { UsageError } from '../errors.ts';
import { type HostPort, parseHostPort } from '../net/host-port.ts';
import type { SubjectAttributes } from '../x509/distinguished-name.ts';
import { keyTypes } from '../x509/key.ts';
import { parseSan, type San } from '../x509/name.ts';

/** A flag for a path; throws a UsageError for an empty one, which an unset variable of a script yields. */
export const pathFlag = Flags.custom<string>({
  parse: async (text, _context, { name }) => {
    if (text !== '') return text;
    throw new UsageError(`--${name} is empty, expected a path`);
  },
});

type NumberRange = {
  readonly minimum: number;
  readonly maximum: number;
  /** A valid value, for the hint. */
  readonly example: number;
};

/** A flag for a whole number; throws a UsageError that names the range. */
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

const dayMs = 86_400_000;
/** In days; an authority signs nothing shorter than a minute. */
const shortestLife = 60_000 / dayMs;

/** A flag for the life of a certificate, in days: `365`, `30d`, `12h`; up to a hundred years. */
export const daysFlag = Flags.custom<number, { readonly usual: number }>({
  helpValue: 'DAYS|12h',
  defaultHelp: async ({ options }) => String((options as { usual?: number }).usual),
  parse: async (text, _context, { name, usual }) => {
    const days = /^\d{1,15}$/.test(text) ? Number(text) : parseDuration(text) / dayMs;
    if (days >= shortestLife && days <= maximumDays) return days;
    throw new UsageError(
      `--${name} is "${text}", expected a life between 1 minute and ${maximumDays} days`,
      `--${name} ${usual}`,
    );
  },
});

/** `--san`, repeatable. */
export const sanFlag = () =>
  Flags.custom<San>({ parse: async (text) => parseSan(text) })({
    description: 'Subject alternative name: dns:X, ip:X, email:X or uri:X. Repeatable.',
    helpValue: 'KIND:VALUE',
    multiple: true,
    multipleNonGreedy: true,
  });

/** `--crl-days`; undefined, not the default, when it is not given. */
export const crlDaysFlag = () =>
  numberFlag({
    description: 'Days until the revocation lists need to be written anew.',
    helpValue: 'DAYS',
    minimum: 1,
    maximum: maximumDays,
    example: 7,
    defaultHelp: async () => 'as in the previous list, or 7',
  });

/** A flag for a duration from now or a date, in milliseconds from now. */
export const windowFlag = Flags.custom<number>({
  helpValue: 'WINDOW',
  parse: async (text, _context, { name }) => parseWindow(text, name),
});

/** Parses a duration from now, `30d`, or a date, `2027-01-31`, to milliseconds; throws a UsageError for a past one. */
export function parseWindow(text: string, flag: string): number {
  const isDate = /^\d{4}-\d\d-\d\d(T\S+)?$/.test(text) && !Number.isNaN(Date.parse(text));
  const window = isDate ? Date.parse(text) - Date.now() : parseDuration(text);
  if (window >= 0) return window;
  const expected = isDate ? 'a date in the future' : 'a duration that is not negative';
  throw new UsageError(`--${flag} is "${text}", expected ${expected}`, `--${flag} 30d`);
}

/** `--dir` */
export const directoryFlag = () =>
  pathFlag({
    description: 'Folder with the certificates.',
    helpValue: 'DIR',
    default: './certs',
  });

/** `--passphrase-file` */
export const passphraseFileFlag = (purpose = 'without it, the command asks on a terminal') =>
  pathFlag({
    description: `File whose first line is the passphrase for the authority's key; ${purpose}.`,
    helpValue: 'FILE',
  });

const subjectNames = {
  'subject-c': ['C', 'Country of the subject, two letters.'],
  'subject-st': ['ST', 'State or province of the subject.'],
  'subject-l': ['L', 'Locality of the subject.'],
  'subject-o': ['O', 'Organisation of the subject.'],
  'subject-ou': ['OU', 'Organisational unit of the subject.'],
} as const;
type SubjectFlag = keyof typeof subjectNames;

/** `--subject-c`, `--subject-st`, `--subject-l`, `--subject-o` and `--subject-ou`. */
export const subjectFlags = () =>
  Object.fromEntries(
    Object.entries(subjectNames).map(([name, [, description]]) => [
      name,
      Flags.string({ description, helpValue: 'TEXT' }),
    ]),
  ) as Record<SubjectFlag, Interfaces.OptionFlag<string | undefined>>;

/** Returns the attributes of the subject that flags give; undefined without any. */
export function subjectOf(
  flags: Readonly<Partial<Record<SubjectFlag, string | undefined>>>,
): SubjectAttributes | undefined {
  const given = Object.entries(subjectNames).flatMap(([name, [type]]) => {
    const value = flags[name as SubjectFlag];
    return value === undefined ? [] : [[type, value] as const];
  });
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

/** `--key-type`; undefined, not the default, when it is not given. */
export const keyTypeFlag = () =>
  Flags.option({
    description: `Type of new keys: ${keyTypes.join(', ')}.`,
    helpValue: 'TYPE',
    options: keyTypes,
    defaultHelp: async () => keyTypes[0],
  })();

/** `--config`, for configurations that the command edits. */
export const configurationFlag = (description: string) =>
  pathFlag({
    char: 'c',
    description,
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
    defaultHelp: async () => './nats.conf and ./nats-*.conf, if they exist',
  });

/** `--reload` */
export const reloadFlag = (description: string) =>
  Flags.string({ description, helpValue: 'PID|PIDFILE', multiple: true, multipleNonGreedy: true });

/** A flag for an address to listen on: `HOST:PORT`, `:PORT` or a port, on all interfaces without a host. */
export const addressFlag = Flags.custom<HostPort>({
  helpValue: 'HOST:PORT',
  parse: async (text, _context, { name }) => {
    const parsed = parseHostPort(/^\d+$/.test(text) ? `:${text}` : text);
    if (parsed !== undefined && parsed.port >= 0) return { ...parsed, host: parsed.host || '0.0.0.0' };
    throw new UsageError(`--${name} is "${text}", expected HOST:PORT`, `--${name} localhost:8443`);
  },
});

/** `--config`, `--reload` and `--verify`: the configurations and servers that must follow a change of certificates. */
export const rolloutFlags = ({ exclusive = [] as string[] } = {}) => ({
  config: configurationFlag('Configuration whose pins to update; repeatable.'),
  reload: reloadFlag(
    'Send SIGHUP to this nats-server after every change of its pins and certificates; repeatable.',
  ),
  verify: Flags.string({
    description:
      'After the change, connect to every address of this server and check that it serves a current certificate.',
    helpValue: 'URL',
    exclusive,
  }),
});

/** `--prune-pins` */
export const prunePinsFlag = ({ exclusive = [] as string[] } = {}) =>
  Flags.boolean({
    description: 'After the change, remove the pins of certificates that are no longer in the folder.',
    exclusive,
  });

/**
 * Inserts the value of a flag that stands alone, for flags whose value is optional: oclif has no such flags.
 * @param looksLikeValue tells a value from the next argument
 */
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
