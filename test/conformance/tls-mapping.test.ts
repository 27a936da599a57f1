// verify_and_map on the wire: the user that a certificate maps to, shown by the account of the client. Both servers
// share one table; a bare common name is the one difference.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { makeAuthority, makeLeaf, type Pair } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';
import { conformance } from './suite.ts';

const folder = testFolder('wire-mapping');
const ca = makeAuthority(folder);
const server = makeLeaf(folder, 'server', ca, { usage: 'serverAuth' });

interface Named {
  subject: string;
  /** Subject alternative names in openssl's syntax. */
  names?: string;
  user: string;
}

const cases: Record<string, Named> = {
  'an e-mail address': { subject: '/CN=x', names: 'email:alice@example.com', user: 'alice@example.com' },
  'a DNS name': { subject: '/CN=x', names: 'DNS:bob.example.com', user: 'bob.example.com' },
  'a URI': { subject: '/CN=x', names: 'URI:https://example.com/carol', user: 'https://example.com/carol' },
  'a SPIFFE id': {
    subject: '/CN=x',
    names: 'URI:spiffe://example.com/dave',
    user: 'spiffe://example.com/dave',
  },
  'an e-mail address before a DNS name': {
    subject: '/CN=x',
    names: 'DNS:bob.example.com,email:alice@example.com',
    user: 'alice@example.com',
  },
  'a DNS name before a URI': {
    subject: '/CN=x',
    names: 'URI:spiffe://example.com/dave,DNS:bob.example.com',
    user: 'bob.example.com',
  },
  'the second of two DNS names': {
    subject: '/CN=x',
    names: 'DNS:nobody.example.com,DNS:bob.example.com',
    user: 'bob.example.com',
  },
  'a DNS name before the subject': {
    subject: '/C=US/O=Acme/CN=erin',
    names: 'DNS:bob.example.com',
    user: 'bob.example.com',
  },
  'the subject when no other name is a user': {
    subject: '/C=US/O=Acme/CN=erin',
    names: 'DNS:nobody.example.com',
    user: 'CN=erin,O=Acme,C=US',
  },
  'the subject': { subject: '/C=US/O=Acme/CN=erin', user: 'CN=erin,O=Acme,C=US' },
  'the subject in reverse order': { subject: '/CN=erin/O=Acme/C=US', user: 'CN=erin,O=Acme,C=US' },
  'the subject when the user lists its parts in another order': {
    subject: '/C=US/O=Beta/CN=frank',
    user: 'O=Beta,C=US,CN=frank',
  },
  'a subject with several values in one part': {
    subject: '/OU=one+OU=two/CN=gina',
    user: 'CN=gina,OU=two+OU=one',
  },
  'a subject with domain components': {
    subject: '/DC=com/DC=example/CN=hans',
    user: 'CN=hans,DC=example,DC=com',
  },
  'a DNS name with an empty subject': {
    subject: '/',
    names: 'DNS:ivan.example.com',
    user: 'ivan.example.com',
  },
};

const users = [...new Set(Object.values(cases).map(({ user }) => user)), 'judy'];
const accountOf = (user: string) => `A${users.indexOf(user)}`;
const accounts = users.map((user) => `${accountOf(user)}: { users: [ {user: ${JSON.stringify(user)}} ] }`);

/** Makes a client certificate. */
function certificate({ subject, names = '' }: Omit<Named, 'user'>): Pair {
  return makeLeaf(folder, 'client', ca, { usage: 'clientAuth', subject, names });
}

conformance(
  'verify_and_map',
  `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}", verify_and_map: true }
   accounts { ${accounts.join('\n')} }`,
  (suite) => {
    const open = (pair: Pair) =>
      suite.open({
        tls: {
          host: '127.0.0.1',
          ca: readFileSync(ca.cert),
          cert: readFileSync(pair.cert),
          key: readFileSync(pair.key),
        },
      });

    const account = async (pair: Pair, connect = '{"verbose":false,"protocol":1}') => {
      const wire = await open(pair);
      wire.send(`CONNECT ${connect}\r\nPING\r\n`);
      await wire.reads('PONG\r\n');
      return (await wire.nextInfo()).remote_account;
    };

    const refuses = async (pair: Pair, connect = '{"verbose":false}') => {
      const wire = await open(pair);
      wire.send(`CONNECT ${connect}\r\nPING\r\n`);
      await wire.closes("-ERR 'Authorization Violation'\r\n");
    };

    it.each(Object.entries(cases))('maps %s to a user', async (_what, named) => {
      expect(await account(certificate(named))).toBe(accountOf(named.user));
    });

    it(`${suite.kind === 'broker' ? 'maps' : 'does not map'} a common name alone to a user`, async () => {
      const judy = certificate({ subject: '/CN=judy' });
      // The documentation of nats-server promises this, but nats-server compares whole subjects only.
      if (suite.kind === 'broker') expect(await account(judy)).toBe(accountOf('judy'));
      else await refuses(judy);
    });

    it('rejects a certificate that maps to no user', async () => {
      await refuses(certificate({ subject: '/O=Acme/CN=zoe', names: 'DNS:zoe.example.com' }));
    });

    it('rejects a certificate whose subject only contains the parts of a user', async () => {
      await refuses(certificate({ subject: '/C=US/O=Acme/OU=Other/CN=erin' }));
    });

    it('ignores the user in CONNECT', async () => {
      const connect = JSON.stringify({ verbose: false, protocol: 1, user: 'alice@example.com' });
      const bob = certificate({ subject: '/CN=x', names: 'DNS:bob.example.com' });
      expect(await account(bob, connect)).toBe(accountOf('bob.example.com'));
      await refuses(certificate({ subject: '/O=Acme/CN=zoe' }), connect);
    });
  },
);

conformance(
  'verify_and_map with allowed_connection_types',
  `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}", verify_and_map: true }
   accounts {
     A { users: [ ${['web@example.com', 'CN=web,O=Acme']
       .map((user) => `{ user: "${user}", allowed_connection_types: [WEBSOCKET] }`)
       .join(', ')} ] }
     B { users: [ { user: bob.example.com } ] }
   }`,
  (suite) => {
    it.each([
      [
        'a name of a user that allows only WebSocket connections',
        '/CN=x',
        'email:web@example.com',
        undefined,
      ],
      ['the subject of a user that allows only WebSocket connections', '/O=Acme/CN=web', '', undefined],
      ['a second name of an unrestricted user', '/CN=x', 'email:web@example.com,DNS:bob.example.com', 'B'],
    ])('checks the connection types of %s', async (_what, subject, names, account) => {
      const pair = certificate({ subject, names });
      const wire = await suite.open({
        tls: {
          host: '127.0.0.1',
          ca: readFileSync(ca.cert),
          cert: readFileSync(pair.cert),
          key: readFileSync(pair.key),
        },
      });
      wire.send('CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n');
      if (account === undefined) {
        await wire.closes("-ERR 'Authorization Violation'\r\n");
        return;
      }
      await wire.reads('PONG\r\n');
      expect((await wire.nextInfo()).remote_account).toBe(account);
    });
  },
);
