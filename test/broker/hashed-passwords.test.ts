// Clients whose passwords are hashed: the time limit for the check, the effect of a reload on them, and that password
// guessing does not delay connected clients.
import bcrypt from 'bcryptjs';
import { describe, expect, it } from 'vitest';
import { clientTls, makeCertificateSet, verifyingTls } from '../harness/certificate-set.ts';
import { testFolder } from '../support/folder.ts';
import { Running } from './running.ts';

const hashOf = (password: string) => bcrypt.hashSync(password, 4);
const userWith = (hash: string, more = '') =>
  `authorization { timeout: 60, users: [ { user: a, password: "${hash}"${more} }, { user: b, password: b } ] }`;
const refusal = "-ERR 'Authorization Violation'\r\n";

describe('a client with a hashed password', () => {
  it('is disconnected if the check of its password exceeds the authorization timeout', async () => {
    const endless = hashOf('x').replace('$04$', '$24$');
    const running = await Running.start(
      `authorization { timeout: 0.2, users: [ { user: a, password: "${endless}" } ] }`,
    );
    const client = await running.open();
    client.send('CONNECT {"user":"a","pass":"x"}\r\nPING\r\n');
    await client.closes("-ERR 'Authentication Timeout'\r\n");
  });

  it('is subject to the authorization timeout also when it changes its user by a second CONNECT', async () => {
    const endless = hashOf('x').replace('$04$', '$24$');
    const text = userWith(endless).replace('timeout: 60', 'timeout: 0.2');
    const running = await Running.start(text);
    const client = await running.connect({ user: 'b', pass: 'b' });
    client.send('CONNECT {"user":"a","pass":"x"}\r\n');
    await client.closes("-ERR 'Authentication Timeout'\r\n");
  });

  it('stays connected after a reload with a new hash of the same password', async () => {
    const running = await Running.start(userWith(hashOf('x')));
    const client = await running.connect({ user: 'a', pass: 'x' });
    client.send('SUB s 1\r\n');
    await client.receives('');
    await running.reload(userWith(hashOf('x')));
    client.send('PUB s 0\r\n\r\n');
    await client.receives('MSG s 1 0\r\n\r\n');
  });

  it('loses subscriptions that its permissions after a reload forbid, once its new hash is checked', async () => {
    const running = await Running.start(userWith(hashOf('x')));
    const client = await running.connect({ user: 'a', pass: 'x' });
    client.send('SUB s 1\r\nSUB t 2\r\n');
    await client.receives('');
    await running.reload(userWith(hashOf('x'), ', permissions: { subscribe: t }'));
    await client.receives('-ERR \'Permissions Violation for Subscription to "s" (sid "1")\'\r\n');
  });

  it('is disconnected by a reload that changes its password', async () => {
    const running = await Running.start(userWith(hashOf('x')));
    const [client, other] = [
      await running.connect({ user: 'a', pass: 'x' }),
      await running.connect({ user: 'b', pass: 'b' }),
    ];
    await running.reload(userWith(hashOf('y')));
    await client.closes(refusal);
    await other.receives('');
  });

  describe('whose check is interrupted by a reload', () => {
    const slow = bcrypt.hashSync('x', 11);
    const waiting = async () => {
      const running = await Running.start(`trace: true\n${userWith(slow)}`);
      const client = await running.open();
      client.send('CONNECT {"user":"a","pass":"x"}\r\n');
      await expect.poll(() => running.log).toContain('<<- [CONNECT');
      return { running, client };
    };

    it('gets the permissions of the new configuration', async () => {
      const { running, client } = await waiting();
      await running.reload(userWith(slow, ', permissions: { publish: ok }'));
      client.send('PUB s 0\r\n\r\n');
      await client.receives('+OK\r\n-ERR \'Permissions Violation for Publish to "s"\'\r\n');
    });

    it.each([
      ['changes its password', userWith(hashOf('y'))],
      ['removes its user', 'authorization { users: [ { user: b, password: b } ] }'],
    ])('is rejected if the reload %s', async (_change, next) => {
      const { running, client } = await waiting();
      await running.reload(next);
      await client.closes(refusal);
    });

    it('is accepted only once after several reloads', async () => {
      const { running, client } = await waiting();
      await running.reload(userWith(slow));
      await running.reload(`max_payload: 1000\n${userWith(slow)}`);
      await client.receives('+OK\r\n');
    });
  });

  it('has its further messages processed after the check, over TLS too', async () => {
    const certificates = makeCertificateSet(testFolder('hashed-passwords'));
    const text = verifyingTls(certificates) + userWith(hashOf('x'));
    const running = await Running.start(text, clientTls(certificates));
    const client = await running.open();
    client.send('CONNECT {"user":"a","pass":"x","verbose":false}\r\nSUB s 1\r\nPUB s 1\r\n', 'x\r\n');
    await client.receives('MSG s 1 1\r\nx\r\n');
    const wrong = await running.open();
    wrong.send('CONNECT {"user":"a","pass":"y"}\r\nPUB s 0\r\n\r\n');
    await wrong.closes(refusal);
    await client.receives('');
  });

  it('must send its password in addition to a mapped certificate, even without CONNECT', async () => {
    const certificates = makeCertificateSet(testFolder('hashed-and-mapped'));
    const running = await Running.start(
      `${verifyingTls(certificates, 'verify_and_map: true')} no_auth_user: b
       authorization { users: [ { user: client, password: "${hashOf('x')}" }, { user: b } ] }`,
      clientTls(certificates),
    );
    await running.connect({ pass: 'x' });
    for (const line of ['PING\r\n', 'CONNECT {}\r\n', 'CONNECT {"pass":"y"}\r\n']) {
      const client = await running.open();
      client.send(line);
      await client.closes(refusal);
    }
  });

  it('may disconnect before the check is complete', async () => {
    const running = await Running.start(userWith(bcrypt.hashSync('x', 10)));
    const client = await running.open();
    client.send('CONNECT {"user":"a","pass":"x"}\r\n');
    client.end();
    await expect.poll(() => running.broker.clients, { timeout: 10_000 }).toBe(0);
  });

  it('does not count against its account after its check has timed out', async () => {
    const slow = bcrypt.hashSync('x', 11);
    const running = await Running.start(
      `authorization { timeout: 0.02 }
       accounts { A { users: [{ user: a, password: "${slow}" }], limits { max_connections: 1 } } }`,
    );
    const answer = async () => {
      const client = await running.open();
      client.send('CONNECT {"user":"a","pass":"x"}\r\n');
      return client.line();
    };
    expect(await answer()).toBe("-ERR 'Authentication Timeout'");
    // A password that matched once is accepted at once.
    await expect.poll(answer, { timeout: 10_000 }).toBe('+OK');
  });
});

it('answers connected clients and plain-text logins during password guessing', async () => {
  // One guess takes a second, so that thirty keep the workers busy for the whole test.
  const slow = hashOf('x').replace('$04$', '$14$');
  const running = await Running.start(userWith(slow));
  const connect = () => running.connect({ user: 'b', pass: 'b' });
  const honest = await Promise.all(Array.from({ length: 10 }, connect));
  for (let index = 0; index < 30; index++) {
    const guesser = await running.open();
    guesser.send(`CONNECT ${JSON.stringify({ user: index % 2 ? 'a' : 'nobody', pass: `${index}` })}\r\n`);
  }
  for (let round = 0; round < 3; round++) {
    await Promise.all(honest.map((client) => client.receives('')));
    await connect();
  }
  expect(running.broker.clients).toBeGreaterThan(30);
});
