// Services that the system account exports: what a request from another account tells them about the client.
import { expect, it } from 'vitest';
import { conformance } from './suite.ts';

const configuration = `
server_name: one
system_account: S
accounts {
  S { users: [{ user: sys }], exports: [{ service: q }, { service: shared }] }
  A { users: [{ user: a }], imports: [{ service: { account: S, subject: q } }], exports: [{ service: q }] }
  B { users: [{ user: b }], imports: [{ service: { account: A, subject: q } }] }
  C {
    users: [{ user: c }]
    imports: [
      { service: { account: S, subject: q } }
      { service: { account: S, subject: shared }, share: true }
    ]
  }
}`;

conformance('a service of the system account', configuration, (suite) => {
  it.each([
    ['a', 'q', { acc: 'A' }],
    ['b', 'q', { acc: 'B', svc: 'A' }],
    ['c', 'q', { acc: 'C' }],
    ['c', 'shared', { acc: 'C', user: 'c' }],
  ])('receives the account of user %s with a request to %s', async (user, subject, asker) => {
    const [service, client] = [
      await suite.connect({ user: 'sys', headers: true }),
      await suite.connect({ user }),
    ];
    service.send(`SUB ${subject} 1\r\n`);
    await service.receives('');
    client.send(`PUB ${subject} 0\r\n\r\n`);
    await client.receives('');
    const json = /Nats-Request-Info: (.*)\r\n/.exec(await service.drain())?.[1] ?? '{}';
    const told = JSON.parse(json);
    expect(told).toMatchObject({ ...asker, server: 'one' });
    expect(Object.keys(told).includes('host')).toBe('user' in asker);
  });
});
