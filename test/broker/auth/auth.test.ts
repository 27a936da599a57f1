// Who is let in, by password, token and certificate, and who stays in after a reload.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Authenticator, type Identity, type Refused, type Verdict } from '../../../src/broker/auth/auth.ts';
import { type ConnectOptions, defaultConnectOptions } from '../../../src/broker/auth/connect-options.ts';
import { type AuthOptions, openToAll } from '../../../src/broker/options/auth-options.ts';
import { type PeerCertificate, readPeer } from '../../../src/tls/peer.ts';
import { testFolder } from '../../support/folder.ts';
import { makeLeaf } from '../../support/openssl.ts';

const folder = testFolder('auth');

const users: AuthOptions = {
  ...openToAll,
  users: [
    { name: 'alice', password: 'a', account: 'APP', permissions: undefined },
    { name: 'bob', password: undefined, account: 'APP', permissions: undefined },
  ],
};

/** A verdict that no password has to be hashed for. */
function atOnce(verdict: Verdict): Identity | Refused {
  if ('hash' in verdict) throw new Error('a password is hashed');
  return verdict;
}

function judge(
  options: AuthOptions,
  connect: Partial<ConnectOptions>,
  { maps = false, peer }: { maps?: boolean; peer?: PeerCertificate } = {},
) {
  const given = { ...defaultConnectOptions, ...connect };
  const verdict = atOnce(new Authenticator(options, maps).authenticate(given, () => peer));
  return 'refused' in verdict ? 'refused' : `${verdict.account}/${verdict.label}`;
}

function renewed(authenticator: Authenticator, identity: Identity, connect: ConnectOptions) {
  return authenticator.renew(identity, atOnce(authenticator.authenticate(connect, () => undefined)));
}

function certificateOf(commonName: string): PeerCertificate {
  const { cert } = makeLeaf(folder, commonName, undefined, { hosts: ['client.invalid'] });
  return readPeer(new X509Certificate(readFileSync(cert)).raw);
}

describe('Authenticator', () => {
  it('lets everybody in where nothing is configured', () => {
    expect(judge(openToAll, { user: 'x', pass: 'y' })).toBe('$G/');
    expect(new Authenticator(openToAll, false).isRequired).toBe(false);
  });

  it('takes a user and the password', () => {
    const options = { ...openToAll, single: { user: 'u', password: 'p' } };
    expect(judge(options, { user: 'u', pass: 'p' })).toBe('$G/user:u');
    for (const wrong of [
      {},
      { user: 'u' },
      { user: 'u', pass: 'P' },
      { user: 'x', pass: 'p' },
      { pass: 'p' },
    ]) {
      expect(judge(options, wrong)).toBe('refused');
    }
  });

  it('takes the token', () => {
    const options = { ...openToAll, token: 't' };
    expect(judge(options, { auth_token: 't' })).toBe('$G/token');
    for (const wrong of [{}, { auth_token: 'T' }, { user: 't' }])
      expect(judge(options, wrong)).toBe('refused');
  });

  it('puts users into their accounts', () => {
    expect(judge(users, { user: 'alice', pass: 'a' })).toBe('APP/user:alice');
    expect(judge(users, { user: 'bob' })).toBe('APP/user:bob');
    for (const wrong of [{}, { user: 'alice' }, { user: 'bob', pass: 'x' }, { user: '__proto__' }]) {
      expect(judge(users, wrong)).toBe('refused');
    }
  });

  it('lets nobody in under an empty list of users', () => {
    expect(judge({ ...openToAll, users: [] }, {})).toBe('refused');
    expect(judge({ ...openToAll, users: [] }, {}, { maps: true, peer: certificateOf('x') })).toBe('refused');
  });

  it('takes who says nothing for no_auth_user, and nobody else', () => {
    const options = { ...users, noAuthUser: 'alice' };
    expect(judge(options, {})).toBe('APP/user:alice');
    expect(judge(options, { user: 'alice' })).toBe('refused');
    expect(judge(options, { pass: 'x' })).toBe('refused');
    expect(judge(options, { auth_token: 'x' })).toBe('refused');
  });

  it('takes the user from the certificate, whatever CONNECT says', () => {
    const byCertificate = { maps: true, peer: certificateOf('bob') };
    expect(judge(users, {}, byCertificate)).toBe('APP/user:bob');
    expect(judge(users, { user: 'alice', pass: '' }, byCertificate)).toBe('APP/user:bob');
    expect(judge(users, {}, { maps: true, peer: certificateOf('eve') })).toBe('refused');
    expect(judge(users, { user: 'alice', pass: 'a' }, { maps: true })).toBe('refused');
  });

  it('asks for the password of a mapped user too, where one is configured', () => {
    const alice = { maps: true, peer: certificateOf('alice') };
    expect(judge(users, {}, alice)).toBe('refused');
    expect(judge(users, { pass: 'a' }, alice)).toBe('APP/user:alice');
  });

  it('takes as long to refuse whoever it is, where passwords are hashed', () => {
    const hash = `$2b$11$${'x'.repeat(53)}`;
    const hashed = {
      ...openToAll,
      users: [
        { name: 'hashed', password: hash, account: 'APP', permissions: undefined },
        { name: 'plain', password: 'p', account: 'APP', permissions: undefined },
        { name: 'web', password: 'p', account: 'APP', permissions: undefined, connectionTypes: ['MQTT'] },
      ],
    };
    const ask = (user: string, pass: string) =>
      new Authenticator(hashed, false).authenticate(
        { ...defaultConnectOptions, user, pass },
        () => undefined,
      );
    for (const [user, pass] of [
      ['plain', 'x'],
      ['web', 'p'],
      ['nobody', 'p'],
      ['', ''],
    ] as const) {
      const verdict = ask(user, pass);
      if (!('hash' in verdict)) throw new Error(`${user} is refused at once`);
      expect(verdict.hash).toMatch(/^\$2b\$11\$.{53}$/);
      expect(verdict.conclude(true)).toHaveProperty('refused');
    }
    expect(ask('hashed', 'x')).toMatchObject({ hash, password: 'x' });
    expect(ask('plain', 'p')).toMatchObject({ label: 'user:plain' });
  });

  it('does not ask for a certificate that says nothing', () => {
    const authenticator = new Authenticator({ ...openToAll, token: 't' }, true);
    const connect = { ...defaultConnectOptions, auth_token: 't' };
    const verdict = authenticator.authenticate(connect, () => {
      throw new Error('asked');
    });
    expect(verdict).toMatchObject({ label: 'token' });
  });

  it('keeps after a reload those who would be let in as the same', () => {
    const admitted = (options: AuthOptions, given: Partial<ConnectOptions>) => {
      const connect = { ...defaultConnectOptions, ...given };
      const identity = atOnce(new Authenticator(options, false).authenticate(connect, () => undefined));
      if ('refused' in identity) throw new Error(identity.refused);
      return { identity, connect };
    };
    const still = (options: AuthOptions, { identity, connect }: ReturnType<typeof admitted>) =>
      renewed(new Authenticator(options, false), identity, connect) === identity;
    const alice = admitted(users, { user: 'alice', pass: 'a' });
    const single = { ...openToAll, single: { user: 'alice', password: 'a' } };
    const changed = (change: object) => ({
      ...openToAll,
      users: [{ name: 'alice', password: 'a', account: 'APP', permissions: undefined, ...change }],
    });
    expect(still(users, alice)).toBe(true);
    expect(still(changed({}), alice)).toBe(true);
    expect(still(changed({ password: 'b' }), alice)).toBe(false);
    expect(still(changed({ account: 'OTHER' }), alice)).toBe(false);
    expect(still({ ...openToAll, users: [] }, alice)).toBe(false);
    expect(still(single, alice)).toBe(false);
    expect(still(openToAll, alice)).toBe(false);
    expect(still(single, admitted(single, { user: 'alice', pass: 'a' }))).toBe(true);
    expect(still(users, admitted(openToAll, {}))).toBe(false);
    const token = { ...openToAll, token: 't' };
    expect(still(token, admitted(token, { auth_token: 't' }))).toBe(true);
    expect(still({ ...openToAll, token: 'u' }, admitted(token, { auth_token: 't' }))).toBe(false);
  });

  it('keeps after a reload nobody who came in by a way that is shut now', () => {
    const withDefault = { ...users, noAuthUser: 'alice' };
    const identity = new Authenticator(withDefault, false).authenticate(
      defaultConnectOptions,
      () => undefined,
    ) as Identity;
    const still = (options: AuthOptions, maps: boolean, connect: Partial<ConnectOptions> = {}) =>
      renewed(new Authenticator(options, maps), identity, { ...defaultConnectOptions, ...connect }) ===
      identity;
    expect(still(withDefault, false)).toBe(true);
    // No default user any more.
    expect(still(users, false)).toBe(false);
    expect(still({ ...users, noAuthUser: 'bob' }, false)).toBe(false);
    // Certificates are asked for now, where a password was enough.
    expect(still(users, false, { user: 'alice', pass: 'a' })).toBe(true);
    expect(still(users, true, { user: 'alice', pass: 'a' })).toBe(false);
  });

  it('gives each user its permissions, however it is found', () => {
    const rules = (subject: string) => ({
      publish: { allow: [{ subject, queue: undefined }], deny: [] },
      subscribe: { allow: undefined, deny: [] },
      responses: undefined,
    });
    const bob = { name: 'bob', password: undefined, account: 'APP', permissions: rules('b') };
    const options = (permissions = rules('b')) => ({
      ...openToAll,
      users: [
        { ...bob, permissions },
        { ...bob, name: 'carl' },
      ],
      noAuthUser: 'bob',
    });
    const find = (connect: object, maps = false) => {
      const authenticator = new Authenticator(options(), maps);
      const given = { ...defaultConnectOptions, ...connect };
      const verdict = atOnce(authenticator.authenticate(given, () => certificateOf('bob')));
      if ('refused' in verdict) throw new Error(verdict.refused);
      return verdict;
    };
    for (const found of [find({ user: 'bob' }), find({}), find({}, true)]) {
      expect(found.permissions?.rules).toEqual(rules('b'));
    }
    const known = find({ user: 'bob' });
    const renew = (next: AuthOptions) => {
      const connect = { ...defaultConnectOptions, user: 'bob' };
      return renewed(new Authenticator(next, false), known, connect);
    };
    expect(renew(options())).toBe(known);
    expect(renew(options(rules('c')))).toMatchObject({
      label: 'user:bob',
      permissions: { rules: rules('c') },
    });
    const users = [{ ...bob, permissions: undefined }];
    expect(renew({ ...openToAll, users })).toMatchObject({ label: 'user:bob', permissions: undefined });
  });
});
