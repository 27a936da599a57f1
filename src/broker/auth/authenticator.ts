// Identifies a client by its certificate or its CONNECT, and decides whether it stays the same user after a reload. Sends
// nothing and leaves the slow check of hashed passwords to the caller.
import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { quote } from '../../log.ts';
import { type PermissionRules, Permissions } from '../../subjects/permissions.ts';
import { mapPeer, type PeerCertificate } from '../../tls/peer.ts';
import { globalAccountName } from '../options/account-name.ts';
import type { AuthOptions } from '../options/auth-options.ts';
import { isSigned, readPublicKey, redactSeeds } from '../options/nkey.ts';
import { bcryptCost, isBcrypt, sameSecret } from '../options/password.ts';
import type { UserOptions } from '../options/user-options.ts';
import type { ConnectOptions } from './connect-options.ts';

/** An authenticated client. */
export interface AuthenticatedUser {
  readonly account: string;
  /** For the log: `user:alice`, `nkey:U…` or `token`; empty for an anonymous client. */
  readonly label: string;
  /** Undefined for an unrestricted client. */
  readonly permissions: Permissions | undefined;
}

/** A rejected client; the reason goes to the log and never to the client. */
export interface Rejection {
  readonly reason: string;
}

/**
 * A client whose result depends on whether its password matches a bcrypt hash; the caller checks that and concludes.
 */
export interface PasswordCheck {
  readonly hash: string;
  readonly password: string;
  conclude(right: boolean): AuthenticatedUser | Rejection;
}

export type AuthenticationResult = AuthenticatedUser | Rejection | PasswordCheck;

const anonymous: AuthenticatedUser = { account: globalAccountName, label: '', permissions: undefined };

const tokenLabel = 'token';

/** How a client connects, as `allowed_connection_types` names it. */
export type ConnectionType = 'STANDARD' | 'WEBSOCKET';

/** How client certificates name users (verify_and_map). */
export interface CertificateMapping {
  /** Whether a bare common name counts, which nats-server ignores. */
  readonly byCommonName: boolean;
  /** Called for each client whose user only its common name names. */
  readonly onCommonName?: (user: string) => void;
}

/** Authenticates clients by one configuration; a reload creates another. */
export class Authenticator {
  readonly #options: AuthOptions;
  readonly #connectionType: ConnectionType;
  readonly #mapping: CertificateMapping | undefined;
  /** Users with a name, by name. */
  readonly #users: ReadonlyMap<string, UserOptions>;
  /** Users with an nkey, by public key. */
  readonly #keys: ReadonlyMap<string, { readonly user: UserOptions; readonly key: KeyObject }>;
  /** The accounts of listed users, by label. */
  readonly #accounts: ReadonlyMap<string, string>;
  /** The users that a certificate may name. */
  readonly #names: ReadonlySet<string>;
  /** The hash to check passwords of rejected clients against, for equal timing; undefined if no password is hashed. */
  readonly #decoy: string | undefined;
  /** Users with the same default rules share their compiled form. */
  readonly #permissions = new Map<PermissionRules, Permissions>();

  /**
   * @param mapping given if users come from client certificates
   * @param connectionType how its clients connect
   */
  constructor(
    options: AuthOptions,
    mapping?: CertificateMapping,
    connectionType: ConnectionType = 'STANDARD',
  ) {
    const users = options.users ?? [];
    const named = users.filter(({ isNkey }) => !isNkey);
    this.#options = options;
    this.#connectionType = connectionType;
    this.#users = new Map(named.map((user) => [user.name, user]));
    this.#keys = new Map(
      users
        .filter(({ isNkey }) => isNkey)
        .map((user) => [user.name, { user, key: readPublicKey(user.name) }]),
    );
    this.#accounts = new Map(users.map((user) => [labelOf(user.name, user.isNkey), user.account]));
    this.#names = new Set(named.filter((user) => this.#mayConnect(user)).map(({ name }) => name));
    this.#mapping = this.#users.size > 0 || options.allowsAnonymous ? mapping : undefined;
    this.#decoy = decoyFor([options.single, ...named].map((user) => user?.password ?? ''));
  }

  /** Whether a client must authenticate before it may do anything else. */
  get isRequired(): boolean {
    const { single, token, users } = this.#options;
    return single !== undefined || token !== undefined || users !== undefined;
  }

  /** Whether INFO carries a nonce for clients to sign. */
  get needsNonce(): boolean {
    return this.#keys.size > 0;
  }

  /** Whether a client without credentials is accepted as no_auth_user. */
  get hasDefaultUser(): boolean {
    return this.#options.noAuthUser !== undefined;
  }

  /** Whether a client that sends no CONNECT is accepted too: not if no_auth_user is an nkey (parser.go). */
  get acceptsWithoutConnect(): boolean {
    return this.#options.allowsAnonymous || this.#users.has(this.#options.noAuthUser ?? '');
  }

  /**
   * @param peer called only if certificates name the users
   * @param nonce the nonce that the client was to sign; empty for none
   */
  authenticate(
    connect: ConnectOptions,
    peer: () => PeerCertificate | undefined,
    nonce = '',
  ): AuthenticationResult {
    const { single, token, users } = this.#options;
    if (!this.isRequired) return anonymous;
    if (this.#keys.size > 0) {
      const byDefault = this.#isDefault(connect) ? this.#options.noAuthUser : undefined;
      const nkey = connect.nkey || (byDefault !== undefined && this.#keys.has(byDefault) ? byDefault : '');
      if (nkey !== '') return this.#byKey(nkey, connect.sig, nonce);
    }
    if (this.#mapping !== undefined) return this.#byCertificate(connect, peer(), this.#mapping);
    if (users !== undefined) return this.#byName(connect);
    if (token !== undefined) {
      return checkSecret(token, connect.auth_token, (right) =>
        right ? { ...anonymous, label: tokenLabel } : { reason: 'wrong token' },
      );
    }
    return this.#bySingleUser(single?.user ?? '', single?.password ?? '', connect);
  }

  /**
   * Returns the user under this configuration of a client that an earlier one accepted; the same object if nothing
   * changed. Undefined if this configuration rejects the client, moves it to another account or replaces its user.
   * @param result the result of authenticating the client again
   */
  reauthenticate(
    user: AuthenticatedUser,
    result: AuthenticatedUser | Rejection,
  ): AuthenticatedUser | undefined {
    if ('reason' in result || result.account !== user.account) return undefined;
    const isSame = result.label === user.label;
    if (!isSame && hasName(user)) return undefined;
    return isSame && isDeepStrictEqual(result.permissions?.rules, user.permissions?.rules) ? user : result;
  }

  /**
   * Whether the user of an accepted client was removed from the lists of users or moved to another account. Such a
   * client gets no error, since it may reconnect (reload.go, clientHasMovedToDifferentAccount).
   */
  hasMoved(accepted: AuthenticatedUser, { nkey, user }: ConnectOptions): boolean {
    const claimed = nkey === '' ? user : nkey;
    const label = hasName(accepted) ? accepted.label : claimed && labelOf(claimed, nkey !== '');
    return label !== '' && this.#accounts.get(label) !== accepted.account;
  }

  #bySingleUser(user: string, password: string, connect: ConnectOptions): AuthenticationResult {
    // Compare the password for other names too: the timing must not reveal whether the name is right.
    return checkSecret(password, connect.pass, (right) =>
      right && user === connect.user ? { ...anonymous, label: labelOf(user) } : wrongUser(connect.user),
    );
  }

  #byKey(nkey: string, signature: string, nonce: string): AuthenticatedUser | Rejection {
    const known = this.#keys.get(nkey);
    if (known === undefined || !this.#mayConnect(known.user))
      return { reason: `unknown nkey ${quote(redactSeeds(nkey))}` };
    if (nkey !== this.#options.noAuthUser && !isSigned(nonce, signature, known.key)) {
      return { reason: `wrong signature for nkey ${quote(nkey)}` };
    }
    return this.#identify(known.user);
  }

  #byCertificate(
    connect: ConnectOptions,
    peer: PeerCertificate | undefined,
    mapping: CertificateMapping,
  ): AuthenticationResult {
    const mapped = mapPeer(peer, this.#names, mapping.byCommonName);
    if (mapped.user === undefined) return { reason: mapped.reason };
    if (mapped.by === 'common-name') mapping.onCommonName?.(mapped.user);
    const user = this.#users.get(mapped.user) as UserOptions;
    // The client must also send the user's password, or none if none is set (auth.go,
    // processClientOrLeafAuthentication).
    return checkSecret(user.password ?? '', connect.pass, (right) =>
      right
        ? this.#identify(user)
        : { reason: `wrong password for user ${quote(user.name)} of the certificate` },
    );
  }

  #byName(connect: ConnectOptions): AuthenticationResult {
    const { noAuthUser, allowsAnonymous } = this.#options;
    const { user: name, pass } = connect;
    const rejection = wrongUser(name);
    if (this.#isDefault(connect)) {
      if (allowsAnonymous) return anonymous;
      const user = this.#users.get(noAuthUser ?? '');
      if (user === undefined || !this.#mayConnect(user)) return rejection;
      // The broker cannot supply a hashed password for the client; nats-server tries and fails.
      return isBcrypt(user.password ?? '') ? rejection : this.#identify(user);
    }
    const user = this.#users.get(name);
    // Compare the password for unknown users too, and take as long for any rejection: the timing must not reveal which
    // users exist.
    const result = checkSecret(user?.password ?? '', pass, (right) =>
      user !== undefined && right && this.#mayConnect(user) ? this.#identify(user) : rejection,
    );
    if (!('reason' in result) || this.#decoy === undefined) return result;
    return { hash: this.#decoy, password: pass, conclude: () => rejection };
  }

  #mayConnect({ connectionTypes }: UserOptions): boolean {
    return connectionTypes === undefined || connectionTypes.includes(this.#connectionType);
  }

  #isDefault({ user, pass, auth_token: token, nkey }: ConnectOptions): boolean {
    const { noAuthUser, allowsAnonymous } = this.#options;
    if (noAuthUser === undefined && !allowsAnonymous) return false;
    return user === '' && pass === '' && token === '' && (nkey === '' || this.#keys.size === 0);
  }

  #identify({ account, name, isNkey, permissions: rules }: UserOptions): AuthenticatedUser {
    return { account, label: labelOf(name, isNkey), permissions: rules && this.#compile(rules) };
  }

  #compile(rules: PermissionRules): Permissions {
    let permissions = this.#permissions.get(rules);
    if (permissions === undefined) {
      permissions = new Permissions(rules);
      this.#permissions.set(rules, permissions);
    }
    return permissions;
  }
}

function wrongUser(name: string): Rejection {
  return { reason: `wrong user or password for user ${quote(redactSeeds(name))}` };
}

function labelOf(name: string, isNkey = false): string {
  return `${isNkey ? 'nkey' : 'user'}:${name}`;
}

function hasName({ label }: AuthenticatedUser): boolean {
  return label !== anonymous.label && label !== tokenLabel;
}

/** Compares a plain secret at once, or leaves a hashed one to the caller. */
function checkSecret(
  secret: string,
  given: string,
  conclude: PasswordCheck['conclude'],
): AuthenticationResult {
  if (isBcrypt(secret)) return { hash: secret, password: given, conclude };
  return conclude(sameSecret(secret, given));
}

/** Returns a hash that nothing matches, of the highest cost among the hashed passwords. */
function decoyFor(passwords: readonly string[]): string | undefined {
  const cost = Math.max(...passwords.filter(isBcrypt).map((hash) => bcryptCost(hash) ?? 0));
  return cost > 0 ? `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}` : undefined;
}
