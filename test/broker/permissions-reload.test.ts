// The effect of a reload on connected clients when their permissions change.
import { expect, it } from 'vitest';
import { Running } from './running.ts';

const users = (permissions: string, others = '') =>
  `authorization { users: [ { user: any }, { user: bob, ${permissions && `permissions: { ${permissions} }`} } ${others} ] }`;

const before = users('subscribe: ["a.>", "b q", "c"], publish: { deny: x }, allow_responses: true');

it('ends subscriptions that are no longer allowed, with an error to the client and a log line', async () => {
  const running = await Running.start(before);
  const [any, bob] = [await running.connect({ user: 'any' }), await running.connect({ user: 'bob' })];
  any.send('SUB > 1\r\n');
  await any.receives('');
  bob.send('SUB a.* 1\r\nSUB b q 2\r\nSUB c q 3\r\nSUB a.b 4\r\n');
  await bob.receives('');
  await running.reload(users('subscribe: ["a.b", "b w"]'));
  await bob.receives(
    `-ERR 'Permissions Violation for Subscription to "a.*" (sid "1")'\r\n` +
      `-ERR 'Permissions Violation for Subscription to "b" using queue "q" (sid "2")'\r\n` +
      `-ERR 'Permissions Violation for Subscription to "c" using queue "q" (sid "3")'\r\n`,
  );
  expect(running.log).toContain(
    'Reload removed a subscription: Permissions Violation for Subscription to "a.*" (sid "1")\n',
  );
  any.send('UNSUB 1\r\nPUB a.b 1\r\nx\r\nPUB b 1\r\nx\r\nPUB c 1\r\nx\r\n');
  await any.receives('');
  await bob.receives('MSG a.b 4 1\r\nx\r\n');
});

it('withholds newly denied subjects from a wildcard subscription', async () => {
  const running = await Running.start(users('subscribe: "a.>"'));
  const [any, bob] = [await running.connect({ user: 'any' }), await running.connect({ user: 'bob' })];
  bob.send('SUB a.> 1\r\n');
  await bob.receives('');
  const publish = async () => {
    any.send('PUB a.x 1\r\nx\r\nPUB a.y 1\r\ny\r\n');
    await any.receives('');
  };
  await running.reload(users('subscribe: { deny: "a.x" }'));
  await publish();
  await bob.receives('MSG a.y 1 1\r\ny\r\n');
  await running.reload(users('subscribe: { deny: "b" }'));
  await publish();
  await bob.receives('MSG a.x 1 1\r\nx\r\nMSG a.y 1 1\r\ny\r\n');
});

it('applies publish permissions to the next message, whether they are tightened or relaxed', async () => {
  const running = await Running.start(users(''));
  const bob = await running.connect({ user: 'bob' });
  const violation = `-ERR 'Permissions Violation for Publish to "x"'\r\n`;
  for (const [permissions, answer] of [
    ['publish: { deny: x }', violation],
    ['publish: x', ''],
    ['publish: y', violation],
    ['', ''],
  ] as const) {
    await running.reload(users(permissions));
    bob.send('PUB x 1\r\nx\r\n');
    await bob.receives(answer);
  }
});

it('applies publish permissions also to a client that keeps publishing to the same subject', async () => {
  const running = await Running.start(users(''));
  const [any, bob] = [await running.connect({ user: 'any' }), await running.connect({ user: 'bob' })];
  any.send('SUB x 1\r\n');
  await any.receives('');
  const publication = 'PUB x 1\r\nx\r\n';
  bob.send(publication.repeat(3));
  await any.reads('MSG x 1 1\r\nx\r\n'.repeat(3));
  await running.reload(users('publish: y'));
  bob.send(publication.repeat(2));
  await bob.receives(`-ERR 'Permissions Violation for Publish to "x"'\r\n`.repeat(2));
  await any.receives('');
});

it('keeps a client with unchanged permissions, and the answers that it may still send', async () => {
  const running = await Running.start(before);
  const [any, bob] = [await running.connect({ user: 'any' }), await running.connect({ user: 'bob' })];
  bob.send('SUB a.> 1\r\n');
  await bob.receives('');
  any.send('SUB inbox 1\r\nPUB a.b inbox 1\r\nq\r\n');
  await any.receives('');
  await bob.receives('MSG a.b 1 inbox 1\r\nq\r\n');
  await running.reload(before.replace('] }', ', { user: eve } ] }'));
  bob.send('PUB inbox 1\r\nr\r\n');
  await bob.receives('');
  await any.receives('MSG inbox 1 1\r\nr\r\n');
});

it('disconnects a client whose password changes, even with unchanged permissions', async () => {
  const running = await Running.start(before);
  const bob = await running.connect({ user: 'bob' });
  await running.reload(before.replace('user: bob', 'user: bob, password: p'));
  await bob.closes("-ERR 'Authorization Violation'\r\n");
});
