// Who a client is, by its certificate or by what CONNECT says, and whether it still is after a reload. Sends nothing, and
// hashes no password: that takes time, and is left to whoever asks.
import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { quote } from '../../log.ts';
import { type PermissionRules, Permissions } from '../../subjects/permissions.ts';
import { mapPeer, type PeerCertificate } from '../../tls/peer.ts';
import { globalAccountName } from '../options/account-name.ts';
import type { AuthOptions } from '../options/auth-options.ts';
import { isSigned, readPublicKey, withoutSeed } from '../options/nkey.ts';
import { bcryptCost, isBcrypt, sameSecret } from '../options/password.ts';
import type { UserOptions } from '../options/user-options.ts';
import type { ConnectOptions } from './connect-options.ts';

/** Somebody who may be here. */
export interface Identity {
  readonly account: string;
  /** For the log, `user:alice`, `nkey:U…` or `token`; empty for somebody without a name. */
  readonly label: string;
  /** What this one may do; undefined for everything. */
  readonly permissions: Permissions | undefined;
}

/** Somebody who may not; the reason is for the log and never for the client. */
export interface Refused {
  readonly refused: string;
}

/** Somebody of whom it depends on whether a password belongs to a bcrypt hash. */
export interface Unproven {
  readonly hash: string;
  readonly password: string;
  conclude(right: boolean): Identity | Refused;
}

export type Verdict = Identity | Refused | Unproven;

const anonymous: Identity = { account: globalAccountName, label: '', permissions: undefined };

const tokenLabel = 'token';

/** Judges clients by one configuration. */
export class Authenticator {
  readonly #options: AuthOptions;
  readonly #mapsCertificates: boolean;
  /** Those who log in with a name, and those who log in with a key. */
  readonly #users: ReadonlyMap<string, UserOptions>;
  readonly #keys: ReadonlyMap<string, { readonly user: UserOptions; readonly key: KeyObject }>;
  /** Where those in lists of users are, by their labels. */
  readonly #accounts: ReadonlyMap<string, string>;
  /** Those that a certificate may name. */
  readonly #names: ReadonlySet<string>;
  /** What the password of somebody is checked against who is refused anyway; undefined where no password is hashed. */
  readonly #decoy: string | undefined;
  /** Users that have their rules by default share what is made of them. */
  readonly #permissions = new Map<PermissionRules, Permissions>();

  /** @param mapsCertificates whether users come from client certificates (verify_and_map) */
  constructor(options: AuthOptions, mapsCertificates: boolean) {
    const users = options.users ?? [];
    const named = users.filter(({ isNkey }) => !isNkey);
    this.#options = options;
    this.#users = new Map(named.map((user) => [user.name, user]));
    this.#keys = new Map(
      users
        .filter(({ isNkey }) => isNkey)
        .map((user) => [user.name, { user, key: readPublicKey(user.name) }]),
    );
    this.#accounts = new Map(users.map((user) => [labelOf(user.name, user.isNkey), user.account]));
    this.#names = new Set(named.filter(mayConnect).map(({ name }) => name));
    this.#mapsCertificates = mapsCertificates && (this.#users.size > 0 || options.admitsSilent);
    this.#decoy = decoyFor([options.single, ...named].map((user) => user?.password ?? ''));
  }

  /** Whether a client must say who it is before anything else. */
  get isRequired(): boolean {
    const { single, token, users } = this.#options;
    return single !== undefined || token !== undefined || users !== undefined;
  }

  /** Whether clients get a nonce to sign. */
  get needsNonce(): boolean {
    return this.#keys.size > 0;
  }

  /** Whether somebody who says nothing is let in as no_auth_user. */
  get hasDefaultUser(): boolean {
    return this.#options.noAuthUser !== undefined;
  }

  /** Whether that counts for somebody who does not even say CONNECT: not where it is a key (parser.go). */
  get hasSilentUser(): boolean {
    return this.#options.admitsSilent || this.#users.has(this.#options.noAuthUser ?? '');
  }

  /**
   * @param peer asked for only where certificates name the users
   * @param nonce what the client was given to sign; empty for nothing
   */
  authenticate(connect: ConnectOptions, peer: () => PeerCertificate | undefined, nonce = ''): Verdict {
    const { single, token, users } = this.#options;
    if (!this.isRequired) return anonymous;
    if (this.#keys.size > 0) {
      const byDefault = this.#isDefault(connect) ? this.#options.noAuthUser : undefined;
      const nkey = connect.nkey || (byDefault !== undefined && this.#keys.has(byDefault) ? byDefault : '');
      if (nkey !== '') return this.#byKey(nkey, connect.sig, nonce);
    }
    if (this.#mapsCertificates) return this.#byCertificate(connect, peer());
    if (users !== undefined) return this.#byName(connect);
    if (token !== undefined) {
      return prove(token, connect.auth_token, (right) =>
        right ? { ...anonymous, label: tokenLabel } : { refused: 'wrong token' },
      );
    }
    return this.#bySingleUser(single?.user ?? '', single?.password ?? '', connect);
  }

  /**
   * Returns who somebody let in under an earlier configuration is under this one; undefined where this one does not
   * let them in as the same, or lets somebody without a name in elsewhere. It is the same object where what they may do
   * is the same too.
   */
  renew(identity: Identity, verdict: Identity | Refused): Identity | undefined {
    if ('refused' in verdict || verdict.account !== identity.account) return undefined;
    const isSame = verdict.label === identity.label;
    if (!isSame && hasName(identity)) return undefined;
    return isSame && isDeepStrictEqual(verdict.permissions?.rules, identity.permissions?.rules)
      ? identity
      : verdict;
  }

  /**
   * Whether somebody who was let in has a name that is in no list of users any more, or in another account: told
   * nothing, for they may come back (reload.go, clientHasMovedToDifferentAccount).
   */
  hasMoved(identity: Identity, { nkey, user }: ConnectOptions): boolean {
    const claimed = nkey === '' ? user : nkey;
    const label = hasName(identity) ? identity.label : claimed && labelOf(claimed, nkey !== '');
    return label !== '' && this.#accounts.get(label) !== identity.account;
  }

  #bySingleUser(user: string, password: string, connect: ConnectOptions): Verdict {
    // The comparison is made for other names too: the time must not tell them apart.
    return prove(password, connect.pass, (right) =>
      right && user === connect.user ? { ...anonymous, label: labelOf(user) } : wrongUser(connect.user),
    );
  }

  #byKey(nkey: string, signature: string, nonce: string): Identity | Refused {
    const known = this.#keys.get(nkey);
    if (known === undefined || !mayConnect(known.user))
      return { refused: `unknown nkey ${quote(withoutSeed(nkey))}` };
    if (nkey !== this.#options.noAuthUser && !isSigned(nonce, signature, known.key)) {
      return { refused: `wrong signature for nkey ${quote(nkey)}` };
    }
    return this.#identify(known.user);
  }

  #byCertificate(connect: ConnectOptions, peer: PeerCertificate | undefined): Verdict {
    const mapped = mapPeer(peer, this.#names);
    if (mapped.user === undefined) return { refused: mapped.reason };
    const user = this.#users.get(mapped.user) as UserOptions;
    // The password counts beside the certificate, the absent one too (auth.go, processClientOrLeafAuthentication).
    return prove(user.password ?? '', connect.pass, (right) =>
      right
        ? this.#identify(user)
        : { refused: `wrong password for user ${quote(user.name)} of the certificate` },
    );
  }

  #byName(connect: ConnectOptions): Verdict {
    const { noAuthUser, admitsSilent } = this.#options;
    const { user: name, pass } = connect;
    const refused = wrongUser(name);
    if (this.#isDefault(connect)) {
      if (admitsSilent) return anonymous;
      const user = this.#users.get(noAuthUser ?? '');
      if (user === undefined || !mayConnect(user)) return refused;
      // Where the password is hashed nobody can say it for the client; nats-server tries, in vain.
      return isBcrypt(user.password ?? '') ? refused : this.#identify(user);
    }
    const user = this.#users.get(name);
    // The comparison is made for unknown users too, and refusing takes as long whoever it is: the time must not tell them
    // apart.
    const verdict = prove(user?.password ?? '', pass, (right) =>
      user !== undefined && right && mayConnect(user) ? this.#identify(user) : refused,
    );
    if (!('refused' in verdict) || this.#decoy === undefined) return verdict;
    return { hash: this.#decoy, password: pass, conclude: () => refused };
  }

  #isDefault({ user, pass, auth_token: token, nkey }: ConnectOptions): boolean {
    const { noAuthUser, admitsSilent } = this.#options;
    if (noAuthUser === undefined && !admitsSilent) return false;
    return user === '' && pass === '' && token === '' && (nkey === '' || this.#keys.size === 0);
  }

  #identify({ account, name, isNkey, permissions: rules }: UserOptions): Identity {
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

function wrongUser(name: string): Refused {
  return { refused: `wrong user or password for user ${quote(withoutSeed(name))}` };
}

function labelOf(name: string, isNkey = false): string {
  return `${isNkey ? 'nkey' : 'user'}:${name}`;
}

function hasName({ label }: Identity): boolean {
  return label !== anonymous.label && label !== tokenLabel;
}

/** Whether the user may come over plain NATS, the only way there is here. */
function mayConnect({ connectionTypes }: UserOptions): boolean {
  return connectionTypes === undefined || connectionTypes.includes('STANDARD');
}

/** Compares a secret at once, or hands the work on where it is hashed. */
function prove(secret: string, given: string, conclude: Unproven['conclude']): Verdict {
  if (isBcrypt(secret)) return { hash: secret, password: given, conclude };
  return conclude(sameSecret(secret, given));
}

/** A hash of the highest cost among the hashed passwords. */
function decoyFor(passwords: readonly string[]): string | undefined {
  const cost = Math.max(...passwords.filter(isBcrypt).map((hash) => bcryptCost(hash) ?? 0));
  return cost > 0 ? `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}` : undefined;
}
