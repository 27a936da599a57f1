// Rewrites nats-server's flags, as Go's flag package reads them (one dash or two, `-ms 8443`, `--logtime=false`), to the
// one spelling that oclif parses. It does not interpret the flags.
import { UsageError } from '../errors.ts';
import { nearest } from '../suggest.ts';

interface Spelling {
  /** Other names of the same flag. */
  readonly also?: readonly string[];
  /** A boolean takes no value, or `=true` and `=false`. */
  readonly boolean?: true;
  /** The hint for a flag that the bundled broker does not support: such a flag is rejected, never ignored. */
  readonly instead?: string;
}

const onNatsServer = 'run nats-server with this flag, on the same configuration';

/** nats-server's flags by their longest name (server/opts.go, ConfigureOptions). */
const spellings: Readonly<Record<string, Spelling>> = {
  addr: { also: ['a', 'net'] },
  port: { also: ['p'] },
  server_name: { also: ['n', 'name'] },
  pid: { also: ['P'] },
  http_port: { also: ['m'] },
  https_port: { also: ['ms'] },
  config: { also: ['c'] },
  t: { boolean: true },
  signal: { also: ['sl'] },
  client_advertise: {},
  ports_file_dir: {},
  log: { also: ['l'] },
  logtime: { also: ['T'], boolean: true },
  logtime_utc: { boolean: true },
  log_size_limit: { instead: 'rotate the file with logrotate and `natspki broker --signal reopen=PIDFILE`' },
  max_traced_msg_len: {},
  syslog: { also: ['s'], boolean: true, instead: 'pipe stderr into logger(1), or log to a file with --log' },
  remote_syslog: { also: ['r'], instead: 'pipe stderr into logger(1), or log to a file with --log' },
  debug: { also: ['D'], boolean: true },
  trace: { also: ['V'], boolean: true },
  DV: { boolean: true },
  VV: { boolean: true, instead: 'use --trace: the bundled broker does not trace the system account' },
  DVV: { boolean: true, instead: 'use -DV: the bundled broker does not trace the system account' },
  jetstream: { also: ['js'], boolean: true, instead: onNatsServer },
  store_dir: { also: ['sd'], instead: onNatsServer },
  user: {},
  pass: {},
  auth: {},
  tls: { boolean: true },
  tlscert: {},
  tlskey: {},
  tlsverify: { boolean: true },
  tlscacert: {},
  cluster: { also: ['cluster_listen'] },
  cluster_name: {},
  cluster_advertise: {},
  routes: {},
  no_advertise: { boolean: true },
  connect_retries: {},
  profile: { instead: 'node --cpu-prof "$(which natspki)" broker' },
  help: { also: ['h'], boolean: true },
  version: { also: ['v'], boolean: true },
  help_tls: { boolean: true },
};

/** The flags that the bundled broker supports, by their longest names. */
export const takenFlags = Object.keys(spellings).filter((name) => spellings[name]?.instead === undefined);

const names = new Map(
  Object.entries(spellings).flatMap(([name, { also = [] }]) => [name, ...also].map((each) => [each, name])),
);

/** The words that nats-server accepts as flags without a dash. */
const commands = new Map(['help', 'version'].map((word) => [word, `--${word}`]));

/**
 * Rewrites nats-server's spellings to `--name`, `--no-name` and `--name=value` with the longest name, and keeps all other
 * words. The last one of a repeated flag counts, so that a wrapper can append its own. Throws a UsageError for a flag
 * without its value, for a boolean that is neither true nor false, and for a flag that the bundled broker does not support.
 */
export function normaliseNatsServerFlags(argv: readonly string[]): string[] {
  const words = [...argv];
  const result: string[] = [];
  const indices = new Map<string, number>();
  const put = (name: string, flag: string) => {
    const earlier = indices.get(name);
    if (earlier === undefined) indices.set(name, result.push(flag) - 1);
    else result[earlier] = flag;
  };
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--') return [...result, word, ...words];
    const [, given = '', value] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const name = names.get(given);
    const { boolean, instead } = spellings[name ?? ''] ?? {};
    if (name === undefined) {
      // oclif would parse `-nosuch` as `-n osuch`.
      if (/^-[^-]/.test(word)) throw unknownFlag(word);
      result.push(commands.get(word) ?? word);
    } else if (instead !== undefined) {
      throw new UsageError(`the bundled broker does not support ${word.replace(/=.*/s, '')}`, instead);
    } else if (boolean) put(name, `--${truth(word, value) ? '' : 'no-'}${name}`);
    else {
      const taken = value ?? words.shift();
      if (taken === undefined) throw new UsageError(`${word} expects a value`, 'natspki broker --help');
      put(name, `--${name}=${taken}`);
    }
  }
  return result;
}

function unknownFlag(word: string): UsageError {
  const name = word.replace(/=.*/s, '');
  const near = nearest(name.slice(1), names.keys());
  return new UsageError(
    `unknown flag "${name}"`,
    near === undefined ? 'natspki broker --help' : `did you mean "-${near}"`,
  );
}

/** Parses a boolean as Go's strconv.ParseBool does. */
function truth(word: string, value: string | undefined): boolean {
  if (value === undefined || /^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw new UsageError(`${word} is neither true nor false`, word.replace(/=.*/s, '=false'));
}
