// Reads lists of users, in authorization and in accounts: their credentials, permissions and connection types.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { Value } from '../../conf/value.ts';
import type { PermissionRules } from '../../subjects/permissions.ts';
import { isPublicKey } from './nkey.ts';
import { bcryptCost, isBcrypt } from './password.ts';
import { readPermissions } from './permission-options.ts';
import { addError } from './problems.ts';
import { reportUnsupported } from './unsupported.ts';

export interface UserOptions {
  /** The user's name, or the public key of an nkey user. */
  readonly name: string;
  readonly isNkey?: boolean;
  /** If undefined, the user logs in with an empty password. */
  readonly password: string | undefined;
  readonly account: string;
  /** Undefined for an unrestricted user. */
  readonly permissions: PermissionRules | undefined;
  /** In upper case; undefined for all types. */
  readonly connectionTypes?: readonly string[] | undefined;
}

/** nats-server's types (client.go, convertAllowedConnectionTypes); this broker accepts only STANDARD connections. */
const connectionTypes = ['STANDARD', 'WEBSOCKET', 'LEAFNODE', 'LEAFNODE_WS', 'MQTT', 'MQTT_WS', 'IN_PROCESS'];

const features = { proxy_required: 'proxies' };

/** Above this bcrypt cost, one login takes seconds. */
const highCost = 14;

/** What all users of one list have in common. */
interface UserDefaults {
  readonly account: string;
  /** The permissions of a user that has none of its own. */
  readonly defaults: PermissionRules | undefined;
}

/** Reads the user lists of one configuration, and reports a user that occurs twice in them. */
export class UserReader {
  readonly #problems: ConfProblem[];
  readonly #names = new Set<string>();

  constructor(problems: ConfProblem[]) {
    this.#problems = problems;
  }

  /** Reads `users` of a block; undefined if there is no such list. */
  list(reader: MapReader, where: string, common: UserDefaults): UserOptions[] | undefined {
    return reader.array('users')?.items.flatMap((item) => this.#user(item, where, common) ?? []);
  }

  /** Reads the permissions of a block. */
  permissions(
    reader: MapReader,
    where: string,
    ...names: [string, ...string[]]
  ): PermissionRules | undefined {
    const block = reader.map(...names);
    return block && readPermissions(block, this.#problems, `${where}.${names[0]}`);
  }

  /** Reads a password or a token; warns of a bcrypt hash that is malformed or takes seconds to check. */
  secret(reader: MapReader, ...names: [string, ...string[]]): string | undefined {
    const secret = reader.string(...names);
    if (secret === undefined || !isBcrypt(secret)) return secret;
    const cost = bcryptCost(secret);
    if (cost === undefined) {
      reader.warning(
        reader.position(...names),
        `"${names[0]}" starts like a bcrypt hash but is not a valid one: no password matches it`,
        'nats server passwd prints a valid one of 60 characters',
        'bcrypt-hash',
      );
    } else if (cost > highCost) {
      reader.warning(
        reader.position(...names),
        `"${names[0]}" is a bcrypt hash of cost ${cost}: each login takes seconds`,
        'hash it with a lower cost: 11 is usual',
        'bcrypt-hash',
      );
    }
    return secret;
  }

  #user(item: Value, where: string, { account, defaults }: UserDefaults): UserOptions | undefined {
    if (item.kind !== 'map') {
      addError(this.#problems, item.position, `an entry of ${where} must be a block such as {user: alice}`);
      return undefined;
    }
    const reader = new MapReader(item, this.#problems, where);
    reportUnsupported(reader, features);
    const nkey = reader.string('nkey') || undefined;
    const name = reader.string('user', 'username') || undefined;
    const password = this.secret(reader, 'password', 'pass');
    const own = this.permissions(reader, where, 'permissions', 'permission', 'authorization');
    const types = this.#connectionTypes(reader, where);
    reader.finish();
    const id = nkey ?? name;
    if (id === undefined) {
      addError(this.#problems, item.position, `an entry of ${where} needs "user" or "nkey"`);
      return undefined;
    }
    if (nkey !== undefined && (name ?? password) !== undefined) {
      addError(
        this.#problems,
        item.position,
        `an entry of ${where} has "nkey" together with "user" or "password": remove those`,
      );
    }
    if (nkey !== undefined && !isPublicKey(nkey, 'U')) {
      const seed = nkey.startsWith('S') ? ', but looks like a secret seed' : '';
      const message = `"nkey" in ${where} is not the public key of a user${seed}`;
      reader.error(
        reader.position('nkey'),
        message,
        'nk -gen user -pubout prints a key pair: the public key starts with U',
      );
      return undefined;
    }
    if (this.#names.has(id)) addError(this.#problems, item.position, `user "${id}" is defined twice`);
    this.#names.add(id);
    const common = { name: id, account, permissions: own ?? defaults, connectionTypes: types };
    return nkey === undefined ? { ...common, password } : { ...common, password: undefined, isNkey: true };
  }

  #connectionTypes(reader: MapReader, where: string): string[] | undefined {
    const names = ['allowed_connection_types', 'connection_types', 'clients'] as const;
    const given = reader.strings(...names)?.map((type) => type.toUpperCase());
    for (const type of given ?? []) {
      if (connectionTypes.includes(type)) continue;
      const message = `"${type}" in ${where}.${names[0]} is not a connection type`;
      reader.error(reader.position(...names), message, `use one of ${connectionTypes.join(', ')}`);
    }
    // An empty list counts as absent.
    return given === undefined || given.length === 0 ? undefined : given;
  }
}
