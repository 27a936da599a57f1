// Rewrites nats-server's flags, as Go's flag package reads them (one dash or two, `-ms 8443`, `--logtime=false`), to the
// one spelling that oclif parses. It does not interpret the flags.
import { UsageError } from '../errors.ts';
import { nearest } from '../suggest.ts';

interface Spelling {
  /** Other names of the same flag. */
  readonly also?: readonly string[];
  /** A boolean takes no value, or `=true` and `=false`. */
  readonly boolean?: true;
  /** The values of a boolean beside true and false. */
  readonly values?: readonly string[];
  /** The hint for a flag that the bundled broker does not support: such a flag is rejected, never ignored silently. */
  readonly instead?: string;
  /** The feature without which the flag has no effect: such a flag is taken, with a warning. */
  readonly without?: string;
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
  test_reload: {},
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
  // The bundled broker traces the system account too, which nats-server does with -VV only.
  trace: { also: ['V', 'VV'], boolean: true },
  DV: { also: ['DVV'], boolean: true },
  jetstream: { also: ['js'], boolean: true, instead: onNatsServer },
  store_dir: { also: ['sd'], without: 'JetStream' },
  user: {},
  pass: {},
  auth: {},
  tls: { boolean: true },
  tlscert: {},
  tlskey: {},
  tlsverify: { boolean: true, values: ['optional'] },
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
export const takenFlags = Object.keys(spellings).filter((name) => {
  const { instead, without } = spellings[name] ?? {};
  return instead === undefined && without === undefined;
});

const names = new Map(
  Object.entries(spellings).flatMap(([name, { also = [] }]) => [name, ...also].map((each) => [each, name])),
);

/**
 * Whether the environment asks for warnings instead of errors about what only nats-server supports: programs that start
 * nats-server choose its flags and its configuration themselves.
 */
export function ignoresUnsupported(environment: NodeJS.ProcessEnv = process.env): boolean {
  return environment.NATSPKI_IGNORE_UNSUPPORTED === '1';
}

/** The words that nats-server accepts as flags without a dash. */
const commands = new Map(['help', 'version'].map((word) => [word, `--${word}`]));

/**
 * Rewrites nats-server's spellings to `--name`, `--no-name` and `--name=value` with the longest name, and keeps all other
 * words. The last one of a repeated flag counts, so that a wrapper can append its own. Throws a UsageError for a flag
 * without its value, for a boolean that is neither true nor false, and for a flag that the bundled broker does not support.
 * @param ignoreUnsupported warn of such a flag instead: it becomes `--ignored=REASON`, as does a flag without effect
 */
export function normaliseNatsServerFlags(
  argv: readonly string[],
  ignoreUnsupported = argv.includes('--ignore-unsupported'),
): string[] {
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
    const { boolean, values = [], instead, without } = spellings[name ?? ''] ?? {};
    const shown = word.replace(/=.*/s, '');
    if (name === undefined) {
      // oclif would parse `-nosuch` as `-n osuch`.
      if (/^-[^-]/.test(word)) throw unknownFlag(word);
      result.push(commands.get(word) ?? word);
    } else if (boolean && instead === undefined) {
      const other = values.find((each) => each === value?.toLowerCase());
      if (values.length > 0) put(name, `--${name}=${other ?? truth(word, value)}`);
      else put(name, `--${truth(word, value) ? '' : 'no-'}${name}`);
    } else if (boolean && !truth(word, value)) {
      // Turns off what the bundled broker does not have.
    } else if (instead !== undefined && !ignoreUnsupported) {
      throw new UsageError(`the bundled broker does not support ${shown}`, instead);
    } else {
      const taken = boolean ? '' : (value ?? words.shift());
      if (taken === undefined) throw new UsageError(`${word} expects a value`, 'natspki broker --help');
      if (without !== undefined) {
        put(name, `--ignored=${shown} has no effect: the bundled broker does not have ${without}`);
      } else if (instead !== undefined) {
        put(name, `--ignored=${shown} is ignored: the bundled broker does not support it`);
      } else put(name, `--${name}=${taken}`);
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
