// Which clients the broker accepts, by password, token and certificate, and which stay connected after a reload.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type AuthenticatedUser,
  type AuthenticationResult,
  Authenticator,
  type Rejection,
} from '../../../src/broker/auth/authenticator.ts';
import { type ConnectOptions, defaultConnectOptions } from '../../../src/broker/auth/connect-options.ts';
import { type AuthOptions, noAuthentication } from '../../../src/broker/options/auth-options.ts';
import { type PeerCertificate, readPeer } from '../../../src/tls/peer.ts';
import { makeLeaf } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';

const folder = testFolder('auth');

const users: AuthOptions = {
  ...noAuthentication,
  users: [
    { name: 'alice', password: 'a', account: 'APP', permissions: undefined },
    { name: 'bob', password: undefined, account: 'APP', permissions: undefined },
  ],
};

const mapping = { byCommonName: true };

/** Returns a result that must not depend on a hashed password. */
function immediate(result: AuthenticationResult): AuthenticatedUser | Rejection {
  if ('hash' in result) throw new Error('the result depends on a hashed password');
  return result;
}

function loginResult(
  options: AuthOptions,
  connect: Partial<ConnectOptions>,
  { maps = false, peer }: { maps?: boolean; peer?: PeerCertificate } = {},
) {
  const given = { ...defaultConnectOptions, ...connect };
  const result = immediate(
    new Authenticator(options, maps ? mapping : undefined).authenticate(given, () => peer),
  );
  return 'reason' in result ? 'rejected' : `${result.account}/${result.label}`;
}

function renewed(authenticator: Authenticator, user: AuthenticatedUser, connect: ConnectOptions) {
  return authenticator.reauthenticate(user, immediate(authenticator.authenticate(connect, () => undefined)));
}

function certificateOf(commonName: string): PeerCertificate {
  const { cert } = makeLeaf(folder, commonName, undefined, { hosts: ['client.invalid'] });
  return readPeer(new X509Certificate(readFileSync(cert)).raw);
}

describe('Authenticator', () => {
  it('accepts every client if no login is configured', () => {
    expect(loginResult(noAuthentication, { user: 'x', pass: 'y' })).toBe('$G/');
    expect(new Authenticator(noAuthentication).isRequired).toBe(false);
  });

  it('accepts a single user only with its name and password', () => {
    const options = { ...noAuthentication, single: { user: 'u', password: 'p' } };
    expect(loginResult(options, { user: 'u', pass: 'p' })).toBe('$G/user:u');
    for (const wrong of [
      {},
      { user: 'u' },
      { user: 'u', pass: 'P' },
      { user: 'x', pass: 'p' },
      { pass: 'p' },
    ]) {
      expect(loginResult(options, wrong)).toBe('rejected');
    }
  });

  it('accepts a client only with the configured token', () => {
    const options = { ...noAuthentication, token: 't' };
    expect(loginResult(options, { auth_token: 't' })).toBe('$G/token');
    for (const wrong of [{}, { auth_token: 'T' }, { user: 't' }])
      expect(loginResult(options, wrong)).toBe('rejected');
  });

  it('assigns listed users to their accounts, and rejects other names and passwords', () => {
    expect(loginResult(users, { user: 'alice', pass: 'a' })).toBe('APP/user:alice');
    expect(loginResult(users, { user: 'bob' })).toBe('APP/user:bob');
    for (const wrong of [{}, { user: 'alice' }, { user: 'bob', pass: 'x' }, { user: '__proto__' }]) {
      expect(loginResult(users, wrong)).toBe('rejected');
    }
  });

  it('rejects every client if the list of users is empty', () => {
    expect(loginResult({ ...noAuthentication, users: [] }, {})).toBe('rejected');
    expect(
      loginResult({ ...noAuthentication, users: [] }, {}, { maps: true, peer: certificateOf('x') }),
    ).toBe('rejected');
  });

  it('accepts a client as no_auth_user only if it sends no credentials', () => {
    const options = { ...users, noAuthUser: 'alice' };
    expect(loginResult(options, {})).toBe('APP/user:alice');
    expect(loginResult(options, { user: 'alice' })).toBe('rejected');
    expect(loginResult(options, { pass: 'x' })).toBe('rejected');
    expect(loginResult(options, { auth_token: 'x' })).toBe('rejected');
  });

  it('takes the user from the certificate and ignores the user in CONNECT', () => {
    const byCertificate = { maps: true, peer: certificateOf('bob') };
    expect(loginResult(users, {}, byCertificate)).toBe('APP/user:bob');
    expect(loginResult(users, { user: 'alice', pass: '' }, byCertificate)).toBe('APP/user:bob');
    expect(loginResult(users, {}, { maps: true, peer: certificateOf('eve') })).toBe('rejected');
    expect(loginResult(users, { user: 'alice', pass: 'a' }, { maps: true })).toBe('rejected');
  });

  it('also requires the password of a user mapped from a certificate, if one is configured', () => {
    const alice = { maps: true, peer: certificateOf('alice') };
    expect(loginResult(users, {}, alice)).toBe('rejected');
    expect(loginResult(users, { pass: 'a' }, alice)).toBe('APP/user:alice');
  });

  it('checks a hash before any rejection if some user has a hashed password, so that all take equally long', () => {
    const hash = `$2b$11$${'x'.repeat(53)}`;
    const hashed = {
      ...noAuthentication,
      users: [
        { name: 'hashed', password: hash, account: 'APP', permissions: undefined },
        { name: 'plain', password: 'p', account: 'APP', permissions: undefined },
        { name: 'web', password: 'p', account: 'APP', permissions: undefined, connectionTypes: ['MQTT'] },
      ],
    };
    const ask = (user: string, pass: string) =>
      new Authenticator(hashed).authenticate({ ...defaultConnectOptions, user, pass }, () => undefined);
    for (const [user, pass] of [
      ['plain', 'x'],
      ['web', 'p'],
      ['nobody', 'p'],
      ['', ''],
    ] as const) {
      const result = ask(user, pass);
      if (!('hash' in result)) throw new Error(`${user} is rejected without the check of a hash`);
      expect(result.hash).toMatch(/^\$2b\$11\$.{53}$/);
      expect(result.conclude(true)).toHaveProperty('reason');
    }
    expect(ask('hashed', 'x')).toMatchObject({ hash, password: 'x' });
    expect(ask('plain', 'p')).toMatchObject({ label: 'user:plain' });
  });

  it('does not read the client certificate if no user can be mapped from it', () => {
    const authenticator = new Authenticator({ ...noAuthentication, token: 't' }, mapping);
    const connect = { ...defaultConnectOptions, auth_token: 't' };
    const result = authenticator.authenticate(connect, () => {
      throw new Error('the certificate was read');
    });
    expect(result).toMatchObject({ label: 'token' });
  });

  it('keeps a client after a reload if the new configuration accepts it under the same identity', () => {
    const accepted = (options: AuthOptions, given: Partial<ConnectOptions>) => {
      const connect = { ...defaultConnectOptions, ...given };
      const user = immediate(new Authenticator(options).authenticate(connect, () => undefined));
      if ('reason' in user) throw new Error(user.reason);
      return { user, connect };
    };
    const isKept = (options: AuthOptions, { user, connect }: ReturnType<typeof accepted>) =>
      renewed(new Authenticator(options), user, connect) === user;
    const alice = accepted(users, { user: 'alice', pass: 'a' });
    const single = { ...noAuthentication, single: { user: 'alice', password: 'a' } };
    const changed = (change: object) => ({
      ...noAuthentication,
      users: [{ name: 'alice', password: 'a', account: 'APP', permissions: undefined, ...change }],
    });
    expect(isKept(users, alice)).toBe(true);
    expect(isKept(changed({}), alice)).toBe(true);
    expect(isKept(changed({ password: 'b' }), alice)).toBe(false);
    expect(isKept(changed({ account: 'OTHER' }), alice)).toBe(false);
    expect(isKept({ ...noAuthentication, users: [] }, alice)).toBe(false);
    expect(isKept(single, alice)).toBe(false);
    expect(isKept(noAuthentication, alice)).toBe(false);
    expect(isKept(single, accepted(single, { user: 'alice', pass: 'a' }))).toBe(true);
    expect(isKept(users, accepted(noAuthentication, {}))).toBe(false);
    const token = { ...noAuthentication, token: 't' };
    expect(isKept(token, accepted(token, { auth_token: 't' }))).toBe(true);
    expect(isKept({ ...noAuthentication, token: 'u' }, accepted(token, { auth_token: 't' }))).toBe(false);
  });

  it('drops a client after a reload if its login method is no longer enough', () => {
    const withDefault = { ...users, noAuthUser: 'alice' };
    const user = new Authenticator(withDefault).authenticate(
      defaultConnectOptions,
      () => undefined,
    ) as AuthenticatedUser;
    const isKept = (options: AuthOptions, maps: boolean, connect: Partial<ConnectOptions> = {}) =>
      renewed(new Authenticator(options, maps ? mapping : undefined), user, {
        ...defaultConnectOptions,
        ...connect,
      }) === user;
    expect(isKept(withDefault, false)).toBe(true);
    // The default user is removed or replaced.
    expect(isKept(users, false)).toBe(false);
    expect(isKept({ ...users, noAuthUser: 'bob' }, false)).toBe(false);
    // The new configuration requires a certificate instead of a password.
    expect(isKept(users, false, { user: 'alice', pass: 'a' })).toBe(true);
    expect(isKept(users, true, { user: 'alice', pass: 'a' })).toBe(false);
  });

  it('assigns a user its permissions by name, by certificate, as no_auth_user and after a reload', () => {
    const rules = (subject: string) => ({
      publish: { allow: [{ subject, queue: undefined }], deny: [] },
      subscribe: { allow: undefined, deny: [] },
      responses: undefined,
    });
    const bob = { name: 'bob', password: undefined, account: 'APP', permissions: rules('b') };
    const options = (permissions = rules('b')) => ({
      ...noAuthentication,
      users: [
        { ...bob, permissions },
        { ...bob, name: 'carl' },
      ],
      noAuthUser: 'bob',
    });
    const find = (connect: object, maps = false) => {
      const authenticator = new Authenticator(options(), maps ? mapping : undefined);
      const given = { ...defaultConnectOptions, ...connect };
      const result = immediate(authenticator.authenticate(given, () => certificateOf('bob')));
      if ('reason' in result) throw new Error(result.reason);
      return result;
    };
    for (const found of [find({ user: 'bob' }), find({}), find({}, true)]) {
      expect(found.permissions?.rules).toEqual(rules('b'));
    }
    const known = find({ user: 'bob' });
    const renew = (next: AuthOptions) => {
      const connect = { ...defaultConnectOptions, user: 'bob' };
      return renewed(new Authenticator(next), known, connect);
    };
    expect(renew(options())).toBe(known);
    expect(renew(options(rules('c')))).toMatchObject({
      label: 'user:bob',
      permissions: { rules: rules('c') },
    });
    const users = [{ ...bob, permissions: undefined }];
    expect(renew({ ...noAuthentication, users })).toMatchObject({
      label: 'user:bob',
      permissions: undefined,
    });
  });
});
