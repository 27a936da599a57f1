// Who a client is, by its certificate or by what CONNECT says, and whether it still is after a reload. Sends nothing.
import { createHash, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { quote } from '../log.ts';
import { type PermissionRules, Permissions } from '../subjects/permissions.ts';
import { mapPeer, type PeerCertificate } from '../tls/peer.ts';
import { globalAccountName } from './account.ts';
import type { AuthOptions, UserOptions } from './auth-options.ts';
import type { ConnectOptions } from './connect-options.ts';

/** Somebody who may be here. */
export interface Identity {
  readonly account: string;
  /** For the log, `user:alice` or `token`; empty for somebody without a name. */
  readonly label: string;
  /** What this one may do; undefined for everything. */
  readonly permissions: Permissions | undefined;
}

/** Somebody who may not; the reason is for the log and never for the client. */
export interface Refused {
  readonly refused: string;
}

const anonymous: Identity = { account: globalAccountName, label: '', permissions: undefined };

/** Judges clients by one configuration. */
export class Authenticator {
  readonly #options: AuthOptions;
  readonly #mapsCertificates: boolean;
  readonly #users: ReadonlyMap<string, UserOptions>;
  readonly #names: ReadonlySet<string>;
  /** Users that have their rules by default share what is made of them. */
  readonly #permissions = new Map<PermissionRules, Permissions>();

  /** @param mapsCertificates whether users come from client certificates (verify_and_map) */
  constructor(options: AuthOptions, mapsCertificates: boolean) {
    this.#options = options;
    this.#users = new Map(options.users?.map((user) => [user.name, user]));
    this.#names = new Set(this.#users.keys());
    this.#mapsCertificates = mapsCertificates && this.#users.size > 0;
  }

  /** Whether a client must say who it is before anything else. */
  get isRequired(): boolean {
    const { single, token, users } = this.#options;
    return single !== undefined || token !== undefined || users !== undefined;
  }

  /** Whether somebody who says nothing is let in as no_auth_user. */
  get hasDefaultUser(): boolean {
    return this.#options.noAuthUser !== undefined;
  }

  /** @param peer asked for only where certificates name the users */
  authenticate(connect: ConnectOptions, peer: () => PeerCertificate | undefined): Identity | Refused {
    const { single, token, users } = this.#options;
    if (!this.isRequired) return anonymous;
    if (this.#mapsCertificates) return this.#byCertificate(connect, peer());
    if (users !== undefined) return this.#byName(connect);
    if (token !== undefined) {
      if (!sameSecret(token, connect.auth_token)) return { refused: 'wrong token' };
      return { ...anonymous, label: 'token' };
    }
    const right = sameSecret(single?.password ?? '', connect.pass);
    if (single === undefined || single.user !== connect.user || !right) {
      return { refused: `wrong user or password for user ${quote(connect.user)}` };
    }
    return { ...anonymous, label: labelOf(single.user) };
  }

  /**
   * Returns who somebody let in under an earlier configuration is under this one; undefined where this one does not
   * let them in as the same. It is the same object where what they may do is the same too.
   */
  renew(
    identity: Identity,
    connect: ConnectOptions,
    peer: () => PeerCertificate | undefined,
  ): Identity | undefined {
    if (!this.isRequired) return identity;
    const verdict = this.authenticate(connect, peer);
    if ('refused' in verdict) return undefined;
    if (verdict.account !== identity.account || verdict.label !== identity.label) return undefined;
    const same = isDeepStrictEqual(verdict.permissions?.rules, identity.permissions?.rules);
    return same ? identity : verdict;
  }

  #byCertificate(connect: ConnectOptions, peer: PeerCertificate | undefined): Identity | Refused {
    const mapped = mapPeer(peer, this.#names);
    if (mapped.user === undefined) return { refused: mapped.reason };
    const user = this.#users.get(mapped.user) as UserOptions;
    // The password counts beside the certificate, the absent one too (auth.go, processClientOrLeafAuthentication).
    if (!sameSecret(user.password ?? '', connect.pass)) {
      return { refused: `wrong password for user ${quote(user.name)} of the certificate` };
    }
    return this.#identify(user);
  }

  #byName(connect: ConnectOptions): Identity | Refused {
    const { noAuthUser } = this.#options;
    const { user: name, pass, auth_token: token } = connect;
    if (noAuthUser !== undefined && name === '' && pass === '' && token === '') {
      return this.#identify(this.#users.get(noAuthUser) as UserOptions);
    }
    const user = this.#users.get(name);
    // The comparison is made for unknown users too: the time must not tell them apart.
    const right = sameSecret(user?.password ?? '', pass);
    if (user === undefined || !right) {
      return { refused: `wrong user or password for user ${quote(name)}` };
    }
    return this.#identify(user);
  }

  #identify({ account, name, permissions: rules }: UserOptions): Identity {
    return { account, label: labelOf(name), permissions: rules && this.#compile(rules) };
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

function labelOf(user: string): string {
  return `user:${user}`;
}

/** Compares in a time that depends on neither. */
function sameSecret(expected: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}
