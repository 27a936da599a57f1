// Reads the authorization and accounts blocks: which clients may connect, and what each may do. Rejects the options in
// them that this broker does not support: a restriction that is not enforced would be worse than none.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue, Position, Value } from '../../conf/value.ts';
import { type AccountLimits, readAccountLimits } from './account-limits.ts';
import { type AccountDeclaration, type AccountLinks, linkAccounts, noLinks } from './account-links.ts';
import { globalAccountName } from './account-name.ts';
import { type ExportOptions, LinkReader } from './account-options.ts';
import { isPublicKey } from './nkey.ts';
import { isBcrypt } from './password.ts';
import { addError } from './problems.ts';
import { readTraceOptions, type TraceOptions } from './trace-options.ts';
import { reportUnsupported } from './unsupported.ts';
import { type UserOptions, UserReader } from './user-options.ts';

export interface AccountOptions {
  readonly name: string;
  readonly exports: readonly ExportOptions[];
  /** Where the events of sampled messages go; undefined for nowhere. */
  readonly tracing?: TraceOptions | undefined;
}

/** At most one of `single`, `token` and `users` is set; if none is, every client may connect. */
export interface AuthOptions {
  readonly single: { readonly user: string; readonly password: string | undefined } | undefined;
  readonly token: string | undefined;
  readonly users: readonly UserOptions[] | undefined;
  /** The user of a client that sends no credentials. */
  readonly noAuthUser: string | undefined;
  /** Whether a client without credentials joins the global account when `noAuthUser` is undefined. */
  readonly allowsAnonymous: boolean;
  /** Time limit for CONNECT, in milliseconds; undefined for the default. */
  readonly timeoutMs: number | undefined;
  /** The accounts that the configuration defines, with their exports. */
  readonly accounts: readonly AccountOptions[];
  /** The imports of all accounts. */
  readonly links: AccountLinks;
  /** By account name; undefined for an account without limits. */
  readonly limits: Readonly<Record<string, AccountLimits>>;
}

export const noAuthentication: AuthOptions = {
  single: undefined,
  token: undefined,
  users: undefined,
  noAuthUser: undefined,
  allowsAnonymous: false,
  timeoutMs: undefined,
  accounts: [],
  links: noLinks,
  limits: {},
};

/** Overrides from the command line. */
export interface AuthFlags {
  readonly user?: string | undefined;
  readonly pass?: string | undefined;
  readonly auth?: string | undefined;
}

const authorizationFeatures = {
  auth_callout: 'the authorization callout',
  auth_hook: 'the authorization callout',
  proxy_required: 'proxies',
};

const accountFeatures = {
  jetstream: 'JetStream',
  mappings: 'subject mappings',
  maps: 'subject mappings',
};

/** Reads `authorization`, `accounts` and `no_auth_user` from the top level. */
export function readAuthOptions(root: MapReader, problems: ConfProblem[], flags: AuthFlags): AuthOptions {
  const read = new AuthReader(problems);
  const block = root.map('authorization');
  const authorization = block === undefined ? undefined : read.authorization(block);
  const accountUsers = read.accounts(root.value('accounts'));
  const users =
    authorization?.users === undefined && accountUsers === undefined
      ? undefined
      : [...(authorization?.users ?? []), ...(accountUsers ?? [])];
  const login = { user: flags.user ?? authorization?.user, token: flags.auth ?? authorization?.token };
  // An empty user or token counts as absent beside another login; alone it stays, and `check` reports it.
  const user = login.user === '' && (login.token || users !== undefined) ? undefined : login.user;
  const token = login.token === '' && (login.user || users !== undefined) ? undefined : login.token;
  if (user === undefined && flags.pass !== undefined) {
    root.error(
      root.position('authorization'),
      'a password needs a user: without one, no client is asked for the password',
      '--user NAME --pass PASSWORD',
    );
  }
  const options: AuthOptions = {
    single: user === undefined ? undefined : { user, password: flags.pass ?? authorization?.password },
    token,
    users,
    noAuthUser: root.string('no_auth_user') || undefined,
    allowsAnonymous: false,
    timeoutMs: authorization?.timeoutMs,
    accounts: read.accountOptions,
    links: read.links(),
    limits: read.limits,
  };
  read.check(options, root.position('no_auth_user'), root.position('authorization', 'accounts'));
  return options;
}

/** Admits only the clients that the options name; if they name none, no client may connect. */
export function rejectUnlistedClients(options: AuthOptions): AuthOptions {
  const { single, token, users } = options;
  return single === undefined && token === undefined && users === undefined
    ? { ...options, users: [] }
    : options;
}

/**
 * Opens the global account to clients without credentials if the system account is the only configured account and
 * no other option restricts logins (nats-server's server.go, configureAccounts).
 */
export function allowAnonymousBesideSystemAccount(
  options: AuthOptions,
  systemAccount: string | undefined,
  root: MapReader,
): AuthOptions {
  const { single, token, users = [], accounts, noAuthUser } = options;
  const isUnrestricted = !root.has('authorization') && (single ?? token ?? noAuthUser) === undefined;
  const isAlone = accounts.length === 1 && accounts[0]?.name === systemAccount;
  return isUnrestricted && isAlone ? { ...options, users, allowsAnonymous: true } : options;
}

/** Reads milliseconds; zero stands for the default, as in nats-server. */
function readTimeout(reader: MapReader): number | undefined {
  const timeoutMs = reader.durationMs('timeout');
  if (timeoutMs !== undefined && timeoutMs < 0) {
    reader.error(reader.position('timeout'), '"timeout" cannot be negative');
  }
  return timeoutMs === 0 ? undefined : timeoutMs;
}

class AuthReader {
  /** By account name, as far as accounts have been read. */
  readonly limits: Record<string, AccountLimits> = Object.create(null);
  readonly #problems: ConfProblem[];
  readonly #users: UserReader;
  readonly #links: LinkReader;
  readonly #declared: AccountDeclaration[] = [];
  readonly #tracing = new Map<string, TraceOptions>();

  constructor(problems: ConfProblem[]) {
    this.#problems = problems;
    this.#users = new UserReader(problems);
    this.#links = new LinkReader(problems);
  }

  authorization(map: MapValue) {
    const reader = new MapReader(map, this.#problems, 'authorization');
    reportUnsupported(reader, authorizationFeatures);
    const names = ['default_permissions', 'default_permission', 'permissions'] as const;
    const defaults = this.#users.permissions(reader, 'authorization', ...names);
    const found = {
      user: reader.string('user', 'username'),
      password: this.#users.secret(reader, 'password', 'pass'),
      token: this.#users.secret(reader, 'token'),
      timeoutMs: readTimeout(reader),
      users: this.#users.list(reader, 'authorization.users', { account: globalAccountName, defaults }),
    };
    if (defaults !== undefined && found.users === undefined) {
      // nats-server ignores them: a single user, a client with the token or any client stays unrestricted.
      reader.error(
        reader.position(...names),
        'permissions in authorization apply to "users", and there is no such list',
        'add the list: users: [{user: alice, password: …}]',
      );
    }
    if (found.user === undefined && found.password) {
      reader.error(reader.position('password', 'pass'), '"password" in authorization needs "user"');
    }
    reader.finish();
    return found;
  }

  /** Returns the users of all accounts; undefined if no account has a list of users. */
  accounts(value: Value | undefined): UserOptions[] | undefined {
    if (value === undefined) return undefined;
    if (value.kind === 'array') {
      for (const item of value.items) this.#namedAccount(item);
      return undefined;
    }
    if (value.kind !== 'map') {
      addError(this.#problems, value.position, 'accounts must be a block, or an array of names');
      return undefined;
    }
    let users: UserOptions[] | undefined;
    for (const entry of value.entries.values()) {
      if (entry.referenced) continue;
      this.#accountName(entry.key, entry.keyPosition);
      if (entry.value.kind !== 'map') {
        addError(this.#problems, entry.value.position, `account "${entry.key}" must be a block`);
        continue;
      }
      const where = `accounts.${entry.key}`;
      const reader = new MapReader(entry.value, this.#problems, where);
      reportUnsupported(reader, accountFeatures);
      const nkey = reader.string('nkey');
      if (nkey !== undefined && !isPublicKey(nkey, 'A')) {
        reader.error(reader.position('nkey'), `"nkey" in ${where} is not the public key of an account`);
      }
      const defaults = this.#users.permissions(reader, where, 'default_permissions');
      const members = this.#users.list(reader, `${where}.users`, { account: entry.key, defaults });
      const limits = reader.map('limits');
      if (limits !== undefined) {
        this.limits[entry.key] = readAccountLimits(limits, this.#problems, `${where}.limits`);
      }
      const tracing = readTraceOptions(reader, this.#problems, where);
      if (tracing !== undefined) this.#tracing.set(entry.key, tracing);
      const exports = this.#links.exports(reader, where, entry.key);
      const imports = this.#links.imports(reader, where, entry.key);
      this.#declared.push({ name: entry.key, exports, imports });
      reader.finish();
      if (members !== undefined) users = [...(users ?? []), ...members];
    }
    return users;
  }

  /** Adds an account that is given by name alone. */
  #namedAccount(item: Value): void {
    if (item.kind !== 'string') {
      addError(this.#problems, item.position, 'an entry of accounts must be a name');
      return;
    }
    this.#accountName(item.value, item.position);
    if (this.#declared.some(({ name }) => name === item.value)) {
      addError(this.#problems, item.position, `account "${item.value}" is defined twice`);
    }
    this.#declared.push({ name: item.value, exports: [], imports: [] });
  }

  get accountOptions(): AccountOptions[] {
    return this.#declared.map(({ name, exports }) => ({
      name,
      exports: exports.map(({ options }) => options),
      tracing: this.#tracing.get(name),
    }));
  }

  /** Links the accounts that have been read. */
  links(): AccountLinks {
    return linkAccounts(this.#declared, this.#problems);
  }

  /** Reports options that contradict each other (nats-server's opts.go and auth.go, validateNoAuthUser). */
  check(options: AuthOptions, noAuthUserPosition: Position, position: Position): void {
    const { single, token, users, noAuthUser } = options;
    const methods = [
      ...(single === undefined ? [] : ['a single user']),
      ...(token === undefined ? [] : ['a token']),
      ...(users === undefined ? [] : ['a list of users']),
    ];
    if (token === '') addError(this.#problems, position, 'the token is empty: every client could connect');
    if (single?.user === '')
      addError(this.#problems, position, 'the user is empty: every client could connect');
    if (methods.length > 1) addError(this.#problems, position, `${methods.join(' and ')} cannot be combined`);
    const byDefault = users?.find(({ name }) => name === noAuthUser);
    if (noAuthUser !== undefined && byDefault === undefined) {
      addError(this.#problems, noAuthUserPosition, `no_auth_user "${noAuthUser}" is not among the users`);
    }
    if (isBcrypt(byDefault?.password ?? '')) {
      this.#problems.push({
        severity: 'warning',
        position: noAuthUserPosition,
        message: `no_auth_user "${noAuthUser}" has a hashed password: clients without credentials are rejected`,
        hint: 'remove the password of that user',
        code: 'no-auth-user',
      });
    }
  }

  #accountName(name: string, position: Position): void {
    if (name === globalAccountName) addError(this.#problems, position, `account name "${name}" is reserved`);
  }
}
