// nats-server's flags as Go's flag package reads them (one dash or two, `-ms 8443`, `--logtime=false`), put into the
// one spelling that oclif can parse. What a flag means is the business of the broker.
import { UsageError } from '../errors.ts';
import { nearest } from '../nearest.ts';

interface Spelling {
  /** Other names of the same flag. */
  readonly also?: readonly string[];
  /** A boolean takes no value, or `=true` and `=false`. */
  readonly boolean?: true;
  /** Flags that the bundled broker has no use for are refused with what to do instead, never swallowed. */
  readonly refused?: string;
}

const onNatsServer = 'run nats-server with it, on the same configuration file';

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
  log_size_limit: { refused: 'rotate the file with logrotate and `natspki broker --signal reopen=PIDFILE`' },
  max_traced_msg_len: {},
  syslog: { also: ['s'], boolean: true, refused: 'pipe stderr into logger(1), or write a file with --log' },
  remote_syslog: { also: ['r'], refused: 'pipe stderr into logger(1), or write a file with --log' },
  debug: { also: ['D'], boolean: true },
  trace: { also: ['V'], boolean: true },
  DV: { boolean: true },
  VV: { boolean: true, refused: 'use --trace, there is no system account to trace' },
  DVV: { boolean: true, refused: 'use -DV, there is no system account to trace' },
  jetstream: { also: ['js'], boolean: true, refused: onNatsServer },
  store_dir: { also: ['sd'], refused: onNatsServer },
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
  profile: { refused: 'node --cpu-prof "$(which natspki)" broker' },
  help: { also: ['h'], boolean: true },
  version: { also: ['v'], boolean: true },
  help_tls: { boolean: true },
};

/** Lists the flags that the bundled broker takes, by their longest names. */
export const takenFlags = Object.keys(spellings).filter((name) => spellings[name]?.refused === undefined);

const names = new Map(
  Object.entries(spellings).flatMap(([name, { also = [] }]) => [name, ...also].map((each) => [each, name])),
);

/** What nats-server takes for flags without any dash. */
const commands = new Map(['help', 'version'].map((word) => [word, `--${word}`]));

/**
 * Rewrites nats-server's spellings to `--name`, `--no-name` and `--name=value` with the longest name; other words stay.
 * Of a flag that is given again, as by those who add theirs to a line that has it, the last one counts. Throws a UsageError for a flag without its value, for a boolean that is neither true nor false, and for a flag that
 * the bundled broker does not have.
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
    const { boolean, refused } = spellings[name ?? ''] ?? {};
    if (name === undefined) {
      // oclif would take `-nosuch` for `-n osuch`.
      if (/^-[^-]/.test(word)) throw unknownFlag(word);
      result.push(commands.get(word) ?? word);
    } else if (refused !== undefined) {
      throw new UsageError(`the bundled broker has no ${word.replace(/=.*/s, '')}`, refused);
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

/** As strconv.ParseBool reads it. */
function truth(word: string, value: string | undefined): boolean {
  if (value === undefined || /^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw new UsageError(`${word} is neither true nor false`, word.replace(/=.*/s, '=false'));
}
