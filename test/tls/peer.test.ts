// Mapping of client certificates to users: the order of the names, and distinguished names with their parts in any order.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPinned, mapPeer, type PeerCertificate, readPeer } from '../../src/tls/peer.ts';
import { comparable, formatAsGo, isSameName, parseName } from '../../src/tls/subject-user.ts';
import { pinOf } from '../../src/x509/pin.ts';
import { TestAuthority } from '../harness/certificates.ts';
import { makeAuthority, makeLeaf } from '../harness/openssl.ts';
import { natsServer, type ServerUnderTest } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';

const folder = testFolder('peer');
const authority = makeAuthority(folder);
const ca = await TestAuthority.make();

/** Returns a peer whose certificate OpenSSL has issued, and its files. */
function subject(text: string, name = 'peer') {
  const pair = makeLeaf(folder, name, authority, {
    usage: 'clientAuth',
    subject: text,
    hosts: ['host.test'],
  });
  return { ...pair, peer: withoutHosts(readPeer(new X509Certificate(readFileSync(pair.cert)).raw)) };
}

function withoutHosts(peer: PeerCertificate): PeerCertificate {
  return { ...peer, dnsNames: [] };
}

/** Returns a peer with these alternative names. */
async function named(commonName: string, ...sans: string[]): Promise<PeerCertificate> {
  return readPeer((await ca.leaf(commonName, { sans })).certificate.der);
}

// Subjects as Go's x509 package prints them.
const subjects: [string, string][] = [
  ['/CN=alice', 'CN=alice'],
  [
    '/C=US/ST=California/L=Los Angeles/O=Synadia/OU=NATS/CN=alice',
    'CN=alice,OU=NATS,O=Synadia,L=Los Angeles,ST=California,C=US',
  ],
  ['/DC=com/DC=example/OU=NATS/CN=alice', 'CN=alice,OU=NATS'],
  ['/O=Acme, Inc./CN=a\\+b "x" <y>;', 'CN=a\\+b \\"x\\" \\<y\\>\\;,O=Acme\\, Inc.'],
  ['/O=\\#1/CN= lead and trail ', 'CN=\\ lead and trail\\ ,O=\\#1'],
  ['/CN=back\\\\slash', 'CN=back\\\\slash'],
  ['/OU=one+OU=two/CN=alice', 'CN=alice,OU=one+OU=two'],
  ['/OU=one/OU=two/CN=alice/CN=bob', 'CN=bob,OU=one+OU=two'],
  [
    '/CN=Ålice Ünïcode/street=Way 1/postalCode=123/serialNumber=77',
    'SERIALNUMBER=77,CN=Ålice Ünïcode,POSTALCODE=123,STREET=Way 1',
  ],
  ['/CN=alice/emailAddress=a@b.c/UID=u1', 'CN=alice'],
];

describe('a subject', () => {
  it.each(subjects)('prints the subject %s as Go does', (text, expected) => {
    const { peer } = subject(text);
    expect(peer.subject).toBe(expected);
    expect(formatAsGo(peer.distinguishedName)).toBe(expected);
  });
});

describe('mapping', () => {
  const allUsers = ['alice@x.test', 'alice.test', 'spiffe://x/alice', 'CN=alice', 'alice'];

  it('tries e-mail names first, then DNS names, URIs, the subject, and last the bare common name', async () => {
    const peer = await named('alice', 'uri:spiffe://x/alice', 'dns:alice.test', 'email:alice@x.test');
    const users = [...allUsers];
    const order = [];
    for (let user = mapPeer(peer, new Set(users), true).user; user !== undefined; ) {
      order.push(user);
      users.splice(users.indexOf(user), 1);
      user = mapPeer(peer, new Set(users), true).user;
    }
    expect(order).toEqual(allUsers);
  });

  it('reports which kind of name matched', async () => {
    expect(mapPeer(await named('x', 'dns:alice.test'), new Set(allUsers), true)).toEqual({
      user: 'alice.test',
      by: 'dns',
    });
    expect(mapPeer(await named('alice'), new Set(['alice']), true)).toEqual({
      user: 'alice',
      by: 'common-name',
    });
  });

  it('finds no user by a bare common name when that is turned off', async () => {
    expect(mapPeer(await named('alice'), new Set(['alice']), false)).toEqual({
      user: undefined,
      reason: 'no user for the client certificate "CN=alice"',
    });
  });

  it.each<[string, string, string]>([
    ['in the order of the certificate', '/C=US/O=Acme/CN=alice', 'CN=alice,O=Acme,C=US'],
    ['in any other order', '/C=US/O=Acme/CN=alice', 'O=Acme,C=US,CN=alice'],
    ['with the types in lower case and spaces', '/C=US/O=Acme/CN=alice', 'cn=alice, o=Acme, c=US'],
    ['with several attributes in a part', '/OU=one+OU=two/CN=alice', 'CN=alice,OU=two+OU=one'],
    ['with domain components', '/DC=com/DC=example/CN=alice', 'CN=alice,DC=example,DC=com'],
    ['with domain components first', '/DC=com/DC=example/CN=alice', 'DC=com,DC=example,CN=alice'],
    ['with escapes', '/O=Acme, Inc./CN=a\\+b', 'CN=a\\+b,O=Acme\\2C Inc.'],
    ['with non-ASCII letters', '/CN=Ålice', 'CN=\\C3\\85lice'],
    ['without the types that Go has no name for', '/UID=u1/CN=alice', 'CN=alice'],
  ])('matches a distinguished name %s', (_, text, user) => {
    expect(mapPeer(subject(text).peer, new Set(['bob', 'CN=bob', user]), true)).toEqual({
      user,
      by: 'distinguished-name',
    });
  });

  it('prefers the order of the certificate', () => {
    const users = new Set(['O=Acme,CN=alice', 'CN=alice,O=Acme']);
    expect(mapPeer(subject('/O=Acme/CN=alice').peer, users, true).user).toBe('CN=alice,O=Acme');
  });

  it.each<[string, string, string[]]>([
    ['a different value', '/CN=alice', ['CN=bob', 'CN=Alice']],
    ['fewer parts', '/O=Acme/CN=alice', ['CN=alice', 'O=Acme']],
    ['more parts', '/CN=alice', ['CN=alice,O=Acme', 'CN=alice+O=Acme']],
    ['invalid syntax', '/CN=alice', ['CN', '=alice', 'CN=#616c696365', 'CN=alice,', '']],
  ])('does not match a user name with %s', (_, text, users) => {
    expect(mapPeer(subject(text).peer, new Set(users), true).user).toBeUndefined();
  });

  it.each(['CN=bob', 'root@example.com', 'n1.example.com', 'urn:bob', 'a/b'])(
    'ignores a common name that another rule could mean: %s',
    async (name) => {
      expect(mapPeer(await named(name), new Set([name]), true)).toMatchObject({ user: undefined });
    },
  );

  it('ignores the common name when there are two', () => {
    expect(mapPeer(subject('/CN=alice/CN=bob').peer, new Set(['alice', 'bob']), true).user).toBeUndefined();
  });

  it('does not mistake a value with a NUL for two attributes', () => {
    const one = comparable([[{ type: '2.5.4.3', value: 'alice\0o=Acme' }]]);
    expect(isSameName(one ?? [], parseName('CN=alice+O=Acme') ?? [], true)).toBe(false);
  });

  it('names an unmapped certificate in quotes', async () => {
    expect(mapPeer(await named('mallory', 'dns:m.test'), new Set(['alice']), true)).toEqual({
      user: undefined,
      reason: 'no user for the client certificate "m.test", "CN=mallory"',
    });
    expect(mapPeer(undefined, new Set(['alice']), true)).toEqual({
      user: undefined,
      reason: 'client sent no certificate that can be mapped to a user',
    });
  });
});

describe('pins', () => {
  it('accepts a peer with a pinned key, and rejects other peers and those without a certificate', async () => {
    const pair = await ca.leaf('alice');
    const peer = readPeer(pair.certificate.der);
    expect(isPinned(peer, new Set([pinOf(Buffer.from(pair.cert), 'alice')]))).toBe(true);
    expect(isPinned(await named('bob'), new Set([peer.pin]))).toBe(false);
    expect(isPinned(undefined, new Set([peer.pin]))).toBe(false);
    expect(isPinned(undefined, undefined)).toBe(true);
  });
});

describePeer('nats-server', 'the real nats-server', (bin) => {
  const cases: [string, string][] = [
    ['/C=US/O=Acme/CN=alice', 'O=Acme,C=US,CN=alice'],
    ['/OU=one+OU=two/CN=alice', 'CN=alice,OU=two+OU=one'],
    ['/DC=com/DC=example/CN=alice', 'CN=alice,DC=example,DC=com'],
    ['/O=Acme, Inc./CN=a\\+b', 'CN=a\\+b,O=Acme\\2C Inc.'],
    ['/UID=u1/CN=carol', 'CN=carol'],
    ['/OU=x/OU=y/UID=u1/CN=dave', 'CN=dave,OU=x+OU=y'],
  ];
  const users = cases.map(([, user]) => user);
  let server: ServerUnderTest;
  beforeAll(async () => {
    const own = makeLeaf(folder, 'server', authority);
    const list = users.map((user) => `{ user: ${JSON.stringify(user)} }`).join(', ');
    server = await natsServer(bin)(
      `debug: true\nauthorization { users: [ ${list} ] }\ntls { cert_file: "${own.cert}", key_file: "${own.key}", ca_file: "${authority.cert}", verify_and_map: true }`,
    );
  });
  afterAll(() => server.stop());

  it.each(cases)('maps %s to the same user, %s', async (text, user) => {
    const { cert, key, peer } = subject(text, 'client');
    expect(mapPeer(peer, new Set(users), true).user).toBe(user);
    const tls = {
      ca: readFileSync(authority.cert),
      host: '127.0.0.1',
      cert: readFileSync(cert),
      key: readFileSync(key),
    };
    const wire = await Wire.open(server.port, { tls });
    wire.send('CONNECT {"verbose":false}\r\n');
    await wire.receives('');
    await server.logged(new RegExp(`for auth \\[${JSON.stringify(user).replace(/[\\+.]/g, '\\$&')}\\]`));
    wire.end();
  });
});
