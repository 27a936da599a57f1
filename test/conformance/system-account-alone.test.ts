// A configuration that defines no users except those of the system account: clients without credentials connect as
// if there were no users.
import { expect, it } from 'vitest';
import { conformance, type Suite } from './suite.ts';

const violation = "-ERR 'Authorization Violation'\r\n";
const users = 'users: [{ user: admin, password: pw }]';

function refuses(suite: Suite, title: string, connect: object): void {
  it(`rejects ${title}`, async () => {
    const client = await suite.open();
    client.send(`CONNECT ${JSON.stringify(connect)}\r\n`);
    await client.closes(violation);
  });
}

function asksForNobody(suite: Suite): void {
  it('announces auth_required in the INFO', async () => {
    expect((await suite.open()).info.auth_required).toBe(true);
  });

  it('accepts clients without credentials, which share one account', async () => {
    const [one, other] = [await suite.connect(), await suite.connect({ echo: false })];
    one.send('SUB > 1\r\n');
    await one.receives('');
    other.send('PUB a 1\r\nx\r\n');
    await other.receives('');
    await one.receives('MSG a 1 1\r\nx\r\n');
  });

  it('accepts a client that sends no CONNECT', async () => {
    const client = await suite.open();
    client.send('SUB a 1\r\nPUB a 1\r\nx\r\n');
    await client.receives('+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n');
  });

  refuses(suite, 'another user', { user: 'other', pass: 'pw' });
  refuses(suite, 'a password without a user', { pass: 'pw' });
  refuses(suite, 'a token', { auth_token: 'pw' });
}

for (const text of [
  `accounts { $SYS { ${users} } }`,
  `no_system_account: true, accounts { $SYS { ${users} } }`,
  `system_account: S, accounts { S { ${users} } }`,
]) {
  conformance(`a configuration of ${text}`, text, (suite) => {
    asksForNobody(suite);
    refuses(suite, 'a user of the system account with a wrong password', { user: 'admin', pass: 'x' });

    it('answers a system request of the system user only', async () => {
      const [admin, silent] = [await suite.connect({ user: 'admin', pass: 'pw' }), await suite.connect()];
      for (const client of [admin, silent]) {
        client.send('SUB inbox 1\r\nPUB $SYS.REQ.SERVER.PING inbox 0\r\n\r\n');
      }
      expect(await admin.line()).toMatch(/^MSG inbox 1 /);
      await silent.receives('');
    });
  });
}

conformance('a configuration with an empty system account', 'accounts { $SYS {} }', asksForNobody);

for (const text of [
  `authorization {}, accounts { $SYS { ${users} } }`,
  `accounts { $SYS { ${users} }, A {} }`,
  'accounts { A { users: [{ user: admin, password: pw }] } }',
]) {
  conformance(`a configuration of ${text}`, text, (suite) => {
    refuses(suite, 'a client without credentials', {});
  });
}
