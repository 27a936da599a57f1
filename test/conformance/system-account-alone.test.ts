// A configuration that names nobody but the users of the system account: everybody else is let in as without it.
import { expect, it } from 'vitest';
import { conformance, type Suite } from './suite.ts';

const violation = "-ERR 'Authorization Violation'\r\n";
const users = 'users: [{ user: admin, password: pw }]';

function refuses(suite: Suite, title: string, connect: object): void {
  it(`refuses ${title}`, async () => {
    const client = await suite.open();
    client.send(`CONNECT ${JSON.stringify(connect)}\r\n`);
    await client.closes(violation);
  });
}

function asksForNobody(suite: Suite): void {
  it('says that it asks who clients are', async () => {
    expect((await suite.open()).info.auth_required).toBe(true);
  });

  it('lets in who says nothing, and has them among themselves', async () => {
    const [one, other] = [await suite.connect(), await suite.connect({ echo: false })];
    one.send('SUB > 1\r\n');
    await one.receives('');
    other.send('PUB a 1\r\nx\r\n');
    await other.receives('');
    await one.receives('MSG a 1 1\r\nx\r\n');
  });

  it('lets in who does not even say CONNECT', async () => {
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
  conformance(`a server with ${text}`, text, (suite) => {
    asksForNobody(suite);
    refuses(suite, 'a user of the system account with a wrong password', { user: 'admin', pass: 'x' });

    it('answers the user of the system account', async () => {
      const [admin, silent] = [await suite.connect({ user: 'admin', pass: 'pw' }), await suite.connect()];
      for (const client of [admin, silent]) {
        client.send('SUB inbox 1\r\nPUB $SYS.REQ.SERVER.PING inbox 0\r\n\r\n');
      }
      expect(await admin.line()).toMatch(/^MSG inbox 1 /);
      await silent.receives('');
    });
  });
}

conformance('a server with an empty system account', 'accounts { $SYS {} }', asksForNobody);

for (const text of [
  `authorization {}, accounts { $SYS { ${users} } }`,
  `accounts { $SYS { ${users} }, A {} }`,
  'accounts { A { users: [{ user: admin, password: pw }] } }',
]) {
  conformance(`a server with ${text}`, text, (suite) => {
    refuses(suite, 'who says nothing', {});
  });
}
