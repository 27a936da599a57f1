// Permissions to publish and subscribe, allow_responses, and the error for each violation.
import { it } from 'vitest';
import { conformance, conformanceOnBothPorts } from './suite.ts';

const users = `authorization {
  users: [
    { user: alice, password: a }
    { user: bob, password: b, permissions: {
      publish: { allow: ["bob.>", "_INBOX.>"], deny: "bob.secret" }
      subscribe: { allow: ["bob.*", "_INBOX.>", "jobs workers"], deny: "bob.secret" }
    } }
    { user: eve, password: e, permissions: { publish: "eve", subscribe: { deny: "eve.secret" } } }
  ]
}`;

conformanceOnBothPorts('permissions of a user', users, (suite) => {
  const bob = () => suite.connect({ user: 'bob', pass: 'b' });

  it('are bound to the password of that user', async () => {
    await suite.connect({ user: 'alice', pass: 'a' });
    const client = await suite.open();
    client.send('CONNECT {"user":"alice","pass":"b"}\r\n');
    await client.closes("-ERR 'Authorization Violation'\r\n");
  });

  it.each(['bob.secret', 'alice', 'bob', '>'])(
    'reject a publish to %s without closing the connection',
    async (subject) => {
      const client = await bob();
      client.send(`PUB ${subject} 1\r\nx\r\n`);
      await client.receives(`-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`);
    },
  );

  it('are checked for each message, even for a cached subject and after a change of user', async () => {
    const client = await bob();
    const publish = (...subjects: string[]) =>
      subjects.map((subject) => `PUB ${subject} 1\r\nx\r\n`).join('');
    const refused = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;
    const become = (user: string, pass: string) =>
      `CONNECT {"verbose":false,"user":"${user}","pass":"${pass}"}\r\n`;
    client.send(
      publish('bob.x', 'bob.x', 'bob.secret', 'bob.secret', 'bob.x', 'bob.y', 'bob.y', '$GR.x', '$GR.x') +
        become('eve', 'e') +
        publish('bob.y', 'bob.y', 'eve', 'eve') +
        become('alice', 'a') +
        publish('eve', 'bob.y', 'bob.y'),
    );
    const refusals = ['bob.secret', 'bob.secret', '$GR.x', '$GR.x', 'bob.y', 'bob.y'];
    await client.receives(refusals.map(refused).join(''));
  });

  it('send the violation in place of +OK', async () => {
    const client = await suite.open();
    client.send('CONNECT {"user":"bob","pass":"b"}\r\nPUB alice 1\r\nx\r\nPUB bob.x 1\r\nx\r\n');
    await client.receives(`+OK\r\n-ERR 'Permissions Violation for Publish to "alice"'\r\n+OK\r\n`);
  });

  it.each(['alice', 'bob.a.b', '>', '*'])(
    'reject a subscription to %s without closing the connection',
    async (subject) => {
      const client = await bob();
      client.send(`SUB ${subject} 1\r\n`);
      await client.receives(`-ERR 'Permissions Violation for Subscription to "${subject}"'\r\n`);
    },
  );

  it('reject a subscription with > where only * is allowed', async () => {
    const alice = await suite.connect({ user: 'alice', pass: 'a' });
    const client = await bob();
    client.send('SUB bob.> 1\r\n');
    const refused = `-ERR 'Permissions Violation for Subscription to "bob.>"'\r\n`;
    // nats-server treats the > as a token that * matches, and so delivers more than is allowed.
    await client.receives(suite.kind === 'nats-server' ? '' : refused);
    alice.send('PUB bob.a.b 1\r\nx\r\n');
    await alice.receives('');
    await client.receives(suite.kind === 'nats-server' ? 'MSG bob.a.b 1 1\r\nx\r\n' : '');
  });

  it('name the queue group in the violation', async () => {
    const client = await bob();
    client.send('SUB alice group 1\r\nSUB jobs idlers 2\r\nSUB jobs 3\r\nSUB jobs workers 4\r\n');
    await client.receives(
      `-ERR 'Permissions Violation for Subscription to "alice" using queue "group"'\r\n` +
        `-ERR 'Permissions Violation for Subscription to "jobs" using queue "idlers"'\r\n` +
        `-ERR 'Permissions Violation for Subscription to "jobs"'\r\n`,
    );
  });

  it('withhold denied subjects from a wider subscription', async () => {
    const alice = await suite.connect({ user: 'alice', pass: 'a' });
    const client = await bob();
    client.send('SUB bob.* 1\r\n');
    await client.receives('');
    alice.send('PUB bob.secret 1\r\nx\r\nPUB bob.news 1\r\ny\r\n');
    await alice.receives('');
    await client.receives('MSG bob.news 1 1\r\ny\r\n');
  });

  it('given as one subject allow exactly that subject', async () => {
    const client = await suite.connect({ user: 'eve', pass: 'e' });
    client.send('SUB > 1\r\nPUB eve 1\r\nx\r\nPUB eve.secret 1\r\nx\r\n');
    await client.receives(`MSG eve 1 1\r\nx\r\n-ERR 'Permissions Violation for Publish to "eve.secret"'\r\n`);
  });
});

conformance(
  'default permissions',
  `authorization {
  default_permissions: { publish: "out.>", subscribe: "in.>" }
  users: [ { user: a, password: a }, { user: b, password: b, permissions: { publish: ">" } } ]
}`,
  (suite) => {
    it('apply to a user without permissions', async () => {
      const client = await suite.connect({ user: 'a', pass: 'a' });
      client.send('PUB in.x 1\r\nx\r\nSUB out.x 1\r\nSUB in.x 2\r\nPUB out.x 1\r\nx\r\n');
      await client.receives(
        `-ERR 'Permissions Violation for Publish to "in.x"'\r\n-ERR 'Permissions Violation for Subscription to "out.x"'\r\n`,
      );
    });

    it('are replaced by the permissions of a user', async () => {
      const client = await suite.connect({ user: 'b', pass: 'b' });
      client.send('SUB out.x 1\r\nPUB out.x 1\r\nx\r\n');
      await client.receives('MSG out.x 1 1\r\nx\r\n');
    });
  },
);

conformance(
  'no_auth_user',
  `no_auth_user: guest
authorization { users: [ { user: guest, password: g, permissions: { publish: "hall" } }, { user: host, password: h } ] }`,
  (suite) => {
    it('is the user of a client that names none', async () => {
      const client = await suite.connect();
      client.send('PUB hall 1\r\nx\r\nPUB kitchen 1\r\nx\r\n');
      await client.receives(`-ERR 'Permissions Violation for Publish to "kitchen"'\r\n`);
    });

    it('is the user of a client that sends no CONNECT', async () => {
      const client = await suite.open();
      client.send('PUB kitchen 1\r\nx\r\n');
      await client.receives(`-ERR 'Permissions Violation for Publish to "kitchen"'\r\n`);
    });

    it('does not apply to a client with a wrong password', async () => {
      const client = await suite.open();
      client.send('CONNECT {"user":"host","pass":"x"}\r\n');
      await client.closes("-ERR 'Authorization Violation'\r\n");
    });
  },
);

conformance(
  'default permissions of an account',
  `accounts { A {
    default_permissions: { pub: { deny: "a.secret" }, sub: { deny: "a.secret" } }
    users: [ { user: a, password: a }, { user: free, password: f, permissions: {} } ]
  } }
  authorization { permissions: { publish: "g" }, users: [ { user: g, password: g } ] }`,
  (suite) => {
    it('apply to the users of that account only', async () => {
      const a = await suite.connect({ user: 'a', pass: 'a' });
      a.send('SUB a.secret 1\r\nPUB a.secret 1\r\nx\r\nPUB g 1\r\nx\r\n');
      await a.receives(
        `-ERR 'Permissions Violation for Subscription to "a.secret"'\r\n` +
          `-ERR 'Permissions Violation for Publish to "a.secret"'\r\n`,
      );
      const g = await suite.connect({ user: 'g', pass: 'g' });
      g.send('SUB a.secret 1\r\nPUB g 1\r\nx\r\nPUB x 1\r\nx\r\n');
      await g.receives(`-ERR 'Permissions Violation for Publish to "x"'\r\n`);
    });

    it('do not apply to a user with an empty permissions block', async () => {
      const free = await suite.connect({ user: 'free', pass: 'f' });
      free.send('SUB a.secret 1\r\nPUB a.secret 1\r\nx\r\n');
      await free.receives('MSG a.secret 1 1\r\nx\r\n');
    });
  },
);

const lists = `authorization { users: [
  { user: any, password: p }
  { user: none, password: p, permissions: { publish: { deny: ">" }, subscribe: { deny: [">"] } } }
  { user: empty, password: p, permissions: { publish: [], subscribe: { allow: [] } } }
  { user: wild, password: p, permissions: { publish: { allow: ["*.in", "deep.*.>"], deny: ["*.*.x", "no.in"] } } }
  { user: short, password: p, permission: { pub: "é.>", sub: ["a.*", "*.b.>"] } }
  { user: denied, password: p, permissions: { subscribe: { deny: ["d.*", "e.x.>", "f"] } } }
  { user: queue, password: p, permissions: { subscribe: {
    allow: ["q", "q v1", "w.> *.prod", "x a", "x b.>"], deny: ["q v1.bad", "x b.c"] } } }
  { user: dq, password: p, permissions: { subscribe: { deny: ["jobs.secret", "jobs.one bad", "jobs.two *.bad"] } } }
] }`;

conformance('lists of subjects in permissions', lists, (suite) => {
  const connect = (user: string, more = {}) => suite.connect({ user, pass: 'p', ...more });
  const noPublish = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;
  const noSubscribe = (subject: string, queue?: string) =>
    `-ERR 'Permissions Violation for Subscription to "${subject}"${queue ? ` using queue "${queue}"` : ''}'\r\n`;

  it('deny everything with >', async () => {
    const client = await connect('none');
    client.send('PUB a 1\r\nx\r\nSUB a.b 1\r\nSUB > 2\r\nSUB * 3\r\n');
    await client.receives(noPublish('a') + noSubscribe('a.b') + noSubscribe('>') + noSubscribe('*'));
  });

  it('allow everything when they are empty', async () => {
    const client = await connect('empty');
    client.send('SUB empty.* 1\r\nPUB empty.a 1\r\nx\r\n');
    await client.receives('MSG empty.a 1 1\r\nx\r\n');
  });

  it.each([
    ['a.in', true],
    ['no.in', false],
    ['a.b.in', false],
    ['in', false],
    ['deep.a', false],
    ['deep.a.b', true],
    ['deep.a.x', false],
    ['deep.a.x.y', true],
    ['*.in', true],
    ['deep.>.b', true],
    ['deep..b', false],
  ])('allow a publish to %s: %s', async (subject, allowed) => {
    const client = await connect('wild');
    client.send(`PUB ${subject} 1\r\nx\r\n`);
    await client.receives(allowed ? '' : noPublish(subject));
    // Once more, for the cached answer.
    client.send(`PUB ${subject} 1\r\nx\r\n`);
    await client.receives(allowed ? '' : noPublish(subject));
  });

  it('accept the short spellings and non-ASCII subjects', async () => {
    const client = await connect('short');
    client.send('PUB é.a 1\r\nx\r\nPUB è.a 1\r\nx\r\nSUB a.b 1\r\n');
    await client.receives(Buffer.from(noPublish('è.a')));
  });

  it.each([
    ['a.x', true],
    ['a.*', true],
    ['a', false],
    ['a.x.y', false],
    ['*.b', false],
    ['*.b.*', true],
    ['*.b.>', true],
    ['c.b.>', true],
    ['a..b', false],
    ['*.*', false],
  ])('allow a subscription to %s: %s', async (subject, allowed) => {
    const client = await connect('short');
    client.send(`SUB ${subject} 1\r\n`);
    await client.receives(allowed ? '' : noSubscribe(subject));
  });

  it.each([
    ['d.a', false],
    ['d.*', false],
    ['d.>', false],
    ['d', true],
    ['d.a.b', true],
    ['e.*.>', true],
    ['e.>', true],
    ['e.x.y', false],
    ['f', false],
    ['*', true],
    ['>', true],
  ])('with denied subjects allow a subscription to %s: %s', async (subject, allowed) => {
    const client = await connect('denied');
    client.send(`SUB ${subject} 1\r\n`);
    await client.receives(allowed ? '' : noSubscribe(subject));
  });

  it('report a violation before any other error of a subscription', async () => {
    const client = await suite.open();
    client.send('CONNECT {"user":"short","pass":"p"}\r\n');
    client.send('SUB z..z 1\r\nSUB a.b 1\r\nSUB z 1\r\nUNSUB 1\r\n');
    await client.receives(`+OK\r\n${noSubscribe('z..z')}+OK\r\n${noSubscribe('z')}+OK\r\n`);
  });

  it('withhold denied subjects from each wildcard subscription', async () => {
    const client = await connect('denied');
    const other = await connect('any');
    client.send('SUB > 1\r\nSUB *.x.> 2\r\nSUB g.a 3\r\n');
    await client.receives('');
    for (const subject of ['d.a', 'e.x.y', 'f']) other.send(`PUB ${subject} 1\r\nx\r\n`);
    other.send('PUB g.a 1\r\ny\r\n');
    await other.receives('');
    await client.receivesInAnyOrder('MSG g.a 1 1\r\ny\r\n', 'MSG g.a 3 1\r\ny\r\n');
  });

  it('do not count withheld messages towards the limit of UNSUB', async () => {
    const client = await connect('denied');
    const other = await connect('any');
    client.send('SUB max.*.> 1\r\nSUB > 2\r\nUNSUB 2 1\r\n');
    await client.receives('');
    other.send('PUB d.a 1\r\nx\r\nPUB d.b 1\r\nx\r\nPUB h 1\r\nx\r\nPUB i 1\r\nx\r\n');
    await other.receives('');
    await client.receives('MSG h 2 1\r\nx\r\n');
  });

  it('return no responders when every subscriber is denied the message', async () => {
    const client = await connect('denied');
    const other = await connect('any', { headers: true, no_responders: true });
    client.send('SUB > 1\r\n');
    await client.receives('');
    other.send('SUB nobody.inbox 1\r\nPUB d.a nobody.inbox 1\r\nx\r\n');
    const status = 'NATS/1.0 503\r\nNats-Subject: d.a\r\n\r\n';
    await other.receives(`HMSG nobody.inbox 1 ${status.length} ${status.length}\r\n${status}\r\n`);
    await client.receives('');
  });

  it.each([
    ['q', undefined, true],
    ['q', 'v1', true],
    ['q', 'v2', false],
    ['q', 'v1.bad', false],
    ['w.a', undefined, false],
    ['w.a', 'x.prod', true],
    ['w.a', 'x.y.prod', false],
    ['w.a', '*.prod', true],
    ['w.*', 'x.prod', true],
    ['x', undefined, false],
    ['x', 'a', true],
    ['x', 'b', false],
    ['x', 'b.d', true],
    ['x', 'b.c', false],
    ['x', 'b.>', true],
    ['y', 'a', false],
  ])('allow a subscription to %s in the queue group %s: %s', async (subject, queue, allowed) => {
    const client = await connect('queue');
    client.send(`SUB ${subject} ${queue ?? ''} 1\r\n`);
    await client.receives(allowed ? '' : noSubscribe(subject, queue));
  });

  it('withhold denied subjects from a queue group and deliver to its next member', async () => {
    const client = await connect('dq');
    const other = await connect('any');
    client.send('SUB jobs.* bad 1\r\nSUB jobs.* x.bad 2\r\nSUB jobs.* good 3\r\nSUB jobs.one bad 4\r\n');
    await client.receives(noSubscribe('jobs.one', 'bad'));
    other.send(
      'SUB jobs.one bad 9\r\nPUB jobs.one 1\r\nx\r\nPUB jobs.two 1\r\ny\r\nPUB jobs.secret 1\r\nz\r\n',
    );
    await other.receives('MSG jobs.one 9 1\r\nx\r\n');
    await client.receivesInAnyOrder(
      'MSG jobs.one 2 1\r\nx\r\n',
      'MSG jobs.one 3 1\r\nx\r\n',
      'MSG jobs.two 1 1\r\ny\r\n',
      'MSG jobs.two 3 1\r\ny\r\n',
    );
  });

  it('follow the user of a second CONNECT', async () => {
    const client = await connect('none');
    client.send('CONNECT {"user":"any","pass":"p","verbose":false}\r\nPUB again 1\r\nx\r\n');
    await client.receives('');
    client.send('CONNECT {"user":"none","pass":"p","verbose":false}\r\nPUB again 1\r\nx\r\n');
    await client.receives(noPublish('again'));
  });
});

const responders = `authorization { users: [
  { user: any, password: p }
  { user: one, password: p, permissions: { subscribe: "one.>", allow_responses: true } }
  { user: two, password: p, permissions: { publish: "log", subscribe: "two.>", allow_responses: { max: 2, expires: "1m" } } }
  { user: many, password: p, permissions: { publish: { deny: "answer.>" }, allow_responses: { max: -1, expires: "-1s" } } }
  { user: late, password: p, permissions: { subscribe: "late", publish_allow_responses: { max_msgs: 9, ttl: "1ns" } } }
  { user: open, password: p, permissions: { allow_responses: false } }
] }`;

conformance('allow_responses', responders, (suite) => {
  const connect = (user: string) => suite.connect({ user, pass: 'p' });
  const refused = (subject: string) => `-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`;

  /** Sends a request to a new client of this user, and returns the connections of both. */
  async function ask(user: string, subject: string, reply: string) {
    const [responder, requester] = [await connect(user), await connect('any')];
    responder.send(`SUB ${subject} 1\r\n`);
    await responder.receives('');
    requester.send(`SUB ${reply} 1\r\nPUB ${subject} ${reply} 1\r\nq\r\n`);
    await requester.receives('');
    await responder.receives(`MSG ${subject} 1 ${reply} 1\r\nq\r\n`);
    return { responder, requester };
  }

  it('lets a user reply once to a request, and publish nothing else', async () => {
    const { responder, requester } = await ask('one', 'one.a', 'inbox.one');
    responder.send('PUB other 1\r\nx\r\nPUB inbox.one 1\r\nr\r\nPUB inbox.one 1\r\ns\r\n');
    await responder.receives(refused('other') + refused('inbox.one'));
    await requester.receives('MSG inbox.one 1 1\r\nr\r\n');
  });

  it('lets no other client reply', async () => {
    await ask('one', 'one.b', 'inbox.else');
    const other = await connect('one');
    other.send('PUB inbox.else 1\r\nx\r\n');
    await other.receives(refused('inbox.else'));
  });

  it('limits the replies to each request, but not other permitted subjects', async () => {
    const { responder, requester } = await ask('two', 'two.a', 'inbox.two');
    for (const answer of ['r', 's', 't'])
      responder.send(`PUB inbox.two 1\r\n${answer}\r\nPUB log 1\r\nl\r\n`);
    await responder.receives(refused('inbox.two'));
    await requester.receives('MSG inbox.two 1 1\r\nr\r\nMSG inbox.two 1 1\r\ns\r\n');
  });

  it('without a limit allows any number of replies where publishing is denied, to the reply subject only', async () => {
    const { responder, requester } = await ask('many', 'many.a', 'answer.many');
    for (const answer of ['r', 's', 't']) responder.send(`PUB answer.many 1\r\n${answer}\r\n`);
    responder.send('PUB answer.other 1\r\nx\r\nPUB other 1\r\nx\r\n');
    await responder.receives(refused('answer.other') + refused('other'));
    await requester.receives(
      ['r', 's', 't'].map((answer) => `MSG answer.many 1 1\r\n${answer}\r\n`).join(''),
    );
  });

  it('expires after its time', async () => {
    const { responder } = await ask('late', 'late', 'inbox.late');
    responder.send('PUB inbox.late 1\r\nr\r\n');
    await responder.receives(refused('inbox.late'));
  });

  it('is renewed by another request with the same reply subject', async () => {
    const { responder, requester } = await ask('one', 'one.c', 'inbox.again');
    responder.send('PUB inbox.again 1\r\nr\r\n');
    await responder.receives('');
    requester.send('PUB one.c inbox.again 1\r\nq\r\n');
    await requester.receives('MSG inbox.again 1 1\r\nr\r\n');
    responder.send('PUB inbox.again 1\r\ns\r\n');
    await responder.receives('MSG one.c 1 inbox.again 1\r\nq\r\n');
    await requester.receives('MSG inbox.again 1 1\r\ns\r\n');
  });

  it.each([
    ['one', 'qqa', 'r'],
    ['one', 'qqqa', 'a'],
    ['one', 'qqaqa', 'ra'],
    ['one', 'qqqqaqaa', 'rar'],
    ['two', 'qqaa', 'ar'],
    ['two', 'qaqa', 'ar'],
    ['two', 'qqqaqaa', 'raa'],
    ['two', 'qqqqaaa', 'aar'],
    ['many', 'qqqaaa', 'aaa'],
  ])(
    'counts a repeated request that user %s has not answered as a reply, in %s',
    async (user, events, fates) => {
      const subject = `${user}.${suite.subject()}`;
      const reply = `answer.${suite.subject()}`;
      const { responder, requester } = await ask(user, subject, reply);
      let expected = '';
      for (const event of events.slice(1)) {
        if (event === 'q') {
          requester.send(`PUB ${subject} ${reply} 1\r\nq\r\n`);
          await requester.drain();
          expected += `MSG ${subject} 1 ${reply} 1\r\nq\r\n`;
          continue;
        }
        if (fates[0] === 'r') expected += refused(reply);
        fates = fates.slice(1);
        responder.send(`PUB ${reply} 1\r\na\r\n`);
        await responder.receives(expected);
        expected = '';
      }
    },
  );

  it('has no effect when it is false', async () => {
    const client = await connect('open');
    client.send('SUB open 1\r\nPUB open 1\r\nx\r\n');
    await client.receives('MSG open 1 1\r\nx\r\n');
  });
});
