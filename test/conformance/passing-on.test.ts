// Loops between accounts: no message crosses the same import twice, and a request that arrives through a service
// import does not leave the account again through a stream export.
import { it } from 'vitest';
import { conformance } from './suite.ts';

const accounts = `accounts {
  A { users: [{ user: a }], exports: [{ service: q }, { stream: ">" }] }
  B { users: [{ user: b }], imports: [{ service: { account: A, subject: q } }] }
  C { users: [{ user: c }], imports: [{ stream: { account: A, subject: ">" } }] }
  SELF {
    users: [{ user: self }]
    exports: [{ service: s }, { stream: t }]
    imports: [{ service: { account: SELF, subject: s } }, { stream: { account: SELF, subject: t } }]
  }
}`;

conformance('imports that could form a loop', accounts, (suite) => {
  it('does not export a request as a stream from the account that it was imported into', async () => {
    const [service, asker, listener] = [
      await suite.connect({ user: 'a' }),
      await suite.connect({ user: 'b' }),
      await suite.connect({ user: 'c' }),
    ];
    for (const wire of [service, listener]) {
      wire.send('SUB q 1\r\n');
      await wire.receives('');
    }
    asker.send('PUB q 1\r\nx\r\n');
    await asker.receives('');
    await service.receives('MSG q 1 1\r\nx\r\n');
    await listener.receives('');
    service.send('PUB q 1\r\ny\r\n');
    await service.receives('MSG q 1 1\r\ny\r\n');
    await listener.receives('MSG q 1 1\r\ny\r\n');
  });

  it.each(['s', 't'])(
    'delivers a message exactly once more through an import from the same account: %s',
    async (subject) => {
      const [one, other] = [await suite.connect({ user: 'self' }), await suite.connect({ user: 'self' })];
      one.send(`SUB ${subject} 1\r\n`);
      await one.receives('');
      other.send(`PUB ${subject} 1\r\nx\r\n`);
      await other.receives('');
      await one.receives(`MSG ${subject} 1 1\r\nx\r\n`.repeat(2));
    },
  );

  it('delivers a request twice, and both replies, when an account imports its own service', async () => {
    const [service, asker] = [await suite.connect({ user: 'self' }), await suite.connect({ user: 'self' })];
    service.send('SUB s 1\r\n');
    asker.send('SUB inbox 1\r\n');
    await Promise.all([service.receives(''), asker.receives('')]);
    asker.send('PUB s inbox 0\r\n\r\n');
    await asker.receives('');
    const replies = [...(await service.drain()).matchAll(/^MSG s 1 (\S+) 0\r\n/gm)].map(([, reply]) => reply);
    for (const reply of replies) service.send(`PUB ${reply} 2\r\nok\r\n`);
    await service.receives('');
    await asker.receives('MSG inbox 1 2\r\nok\r\n'.repeat(2));
  });
});
