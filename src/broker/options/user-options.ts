// Reads lists of users, wherever they stand: who may connect, by which proof and from what kind of connection.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { Value } from '../../conf/value.ts';
import type { PermissionRules } from '../../subjects/permissions.ts';
import { isPublicKey } from './nkey.ts';
import { bcryptCost, isBcrypt } from './password.ts';
import { readPermissions } from './permission-options.ts';
import { refuseUnsupported } from './unsupported.ts';

export interface UserOptions {
  /** The public key of one who signs a nonce. */
  readonly name: string;
  readonly isNkey?: boolean;
  /** Undefined where none is configured: an empty one logs in. */
  readonly password: string | undefined;
  readonly account: string;
  /** Undefined for one who may do everything. */
  readonly permissions: PermissionRules | undefined;
  /** In capitals; undefined for all. */
  readonly connectionTypes?: readonly string[] | undefined;
}

/** Those of nats-server (client.go, convertAllowedConnectionTypes); only STANDARD ones come here. */
const connectionTypes = ['STANDARD', 'WEBSOCKET', 'LEAFNODE', 'LEAFNODE_WS', 'MQTT', 'MQTT_WS', 'IN_PROCESS'];

const features = { proxy_required: 'proxies' };

/** Beyond this a login takes seconds. */
const highCost = 14;

/** What is said of the users of one list as a whole. */
interface Membership {
  readonly account: string;
  /** What a user may do of whom nothing is said. */
  readonly defaults: PermissionRules | undefined;
}

/** Reads the lists of a configuration, in which no user comes twice. */
export class UserReader {
  readonly #problems: ConfProblem[];
  readonly #names = new Set<string>();

  constructor(problems: ConfProblem[]) {
    this.#problems = problems;
  }

  /** Reads `users` of a block; undefined where there is no such list. */
  list(reader: MapReader, where: string, membership: Membership): UserOptions[] | undefined {
    return reader.array('users')?.items.flatMap((item) => this.#user(item, where, membership) ?? []);
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

  /** Reads a password or a token; warns of a hash that does not do what a hash is for. */
  secret(reader: MapReader, ...names: [string, ...string[]]): string | undefined {
    const secret = reader.string(...names);
    if (secret === undefined || !isBcrypt(secret)) return secret;
    const cost = bcryptCost(secret);
    if (cost === undefined) {
      reader.warning(
        reader.position(...names),
        `"${names[0]}" begins like a bcrypt hash and is none: nothing matches it`,
        'nats server passwd makes one, of 60 characters',
        'bcrypt-hash',
      );
    } else if (cost > highCost) {
      reader.warning(
        reader.position(...names),
        `"${names[0]}" is a bcrypt hash of cost ${cost}: each login takes seconds`,
        'a cost of 11 is usual',
        'bcrypt-hash',
      );
    }
    return secret;
  }

  #user(item: Value, where: string, { account, defaults }: Membership): UserOptions | undefined {
    if (item.kind !== 'map') {
      this.#error(item, `an entry of ${where} must be a block such as {user: alice}`);
      return undefined;
    }
    const reader = new MapReader(item, this.#problems, where);
    refuseUnsupported(reader, features);
    const nkey = reader.string('nkey') || undefined;
    const name = reader.string('user', 'username') || undefined;
    const password = this.secret(reader, 'password', 'pass');
    const own = this.permissions(reader, where, 'permissions', 'permission', 'authorization');
    const types = this.#connectionTypes(reader, where);
    reader.finish();
    const id = nkey ?? name;
    if (id === undefined) {
      this.#error(item, `an entry of ${where} needs "user" or "nkey"`);
      return undefined;
    }
    if (nkey !== undefined && (name ?? password) !== undefined) {
      this.#error(item, `an entry of ${where} has "nkey" beside "user" or "password": a key is proof enough`);
    }
    if (nkey !== undefined && !isPublicKey(nkey, 'U')) {
      const seed = nkey.startsWith('S') ? ', and looks like a secret seed' : '';
      const message = `"nkey" in ${where} is not the public key of a user${seed}`;
      reader.error(
        reader.position('nkey'),
        message,
        'nk -gen user -pubout makes a pair: the public key begins with U',
      );
      return undefined;
    }
    if (this.#names.has(id)) this.#error(item, `user "${id}" is there twice`);
    this.#names.add(id);
    const common = { name: id, account, permissions: own ?? defaults, connectionTypes: types };
    return nkey === undefined ? { ...common, password } : { ...common, password: undefined, isNkey: true };
  }

  #connectionTypes(reader: MapReader, where: string): string[] | undefined {
    const names = ['allowed_connection_types', 'connection_types', 'clients'] as const;
    const given = reader.strings(...names)?.map((type) => type.toUpperCase());
    for (const type of given ?? []) {
      if (connectionTypes.includes(type)) continue;
      const message = `"${type}" in ${where}.${names[0]} is not a type of connection`;
      reader.error(reader.position(...names), message, `there are ${connectionTypes.join(', ')}`);
    }
    // An empty list is as if there were none.
    return given === undefined || given.length === 0 ? undefined : given;
  }

  #error({ position }: Value, message: string): void {
    this.#problems.push({ severity: 'error', position, message });
  }
}
