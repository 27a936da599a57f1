// The system account of a cluster: a request to one server is answered by all, and advisories of one reach the others.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cluster } from './cluster.ts';
import { describeClusters, kindHas } from './set-ups.ts';

const accounts = `
  system_account: SYS
  accounts {
    SYS { users: [{user: sys, password: s}] }
    A { users: [{user: a, password: a}] }
  }
  no_auth_user: a
  lame_duck_duration: "30s"
  lame_duck_grace_period: "100ms"
`;
const sys = { user: 'sys', pass: 's' };

describeClusters('the system account of a cluster', (kinds) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start(kinds, { more: accounts });
  });
  afterAll(() => cluster.stop());

  const watchers = () => Promise.all(cluster.nodes.map((node) => cluster.connect(node, sys)));

  it('delivers a request to all servers, whichever server receives it', async () => {
    const three = await watchers();
    await cluster.settled(three);
    for (const watcher of three) {
      const inbox = watcher.subscribe('answers');
      watcher.publish('$SYS.REQ.SERVER.PING', '', { reply: 'answers' });
      const answers = (await inbox.has(3)).map(({ payload }) => JSON.parse(payload));
      expect(answers.map(({ server }) => server.name).sort()).toEqual(['n1', 'n2', 'n3']);
      expect(answers.map(({ server }) => server.cluster)).toEqual(['test', 'test', 'test']);
      expect(answers.every(({ statsz }) => statsz.routes.length >= 2)).toBe(true);
      watcher.unsubscribe(inbox);
    }
  });

  it('delivers the advisory about a new client on every server', async () => {
    const three = await watchers();
    const inboxes = three.map((watcher) => watcher.subscribe('$SYS.ACCOUNT.A.CONNECT'));
    await cluster.settled(three);
    for (const [index, node] of cluster.nodes.entries()) {
      await cluster.connect(node, { name: `visitor ${index}` });
    }
    for (const inbox of inboxes) {
      const heard = (await inbox.has(3)).map(({ payload }) => JSON.parse(payload).client.name);
      expect(heard.sort()).toEqual(['visitor 0', 'visitor 1', 'visitor 2']);
    }
  });

  it('reports messages over routes in the sent and received totals of a server', async () => {
    const [watcher, other] = await watchers();
    const [first, second] = cluster.nodes;
    if (!watcher || !other || !first || !second) throw new Error('no cluster of three');
    const [speaker, listener] = [await cluster.connect(first), await cluster.connect(second)];
    const inbox = listener.subscribe('counted');
    await cluster.settled([speaker, listener]);
    const count = async ({ info }: typeof watcher) =>
      JSON.parse((await watcher.request(`$SYS.REQ.SERVER.${info.server_id}.STATSZ`)).payload).statsz;
    const before = [await count(watcher), await count(other)];
    const { subscriptions } = before[0];
    for (let i = 0; i < 20; i++) listener.subscribe(`counted.elsewhere.${i}`);
    await cluster.settled([speaker, listener]);
    // The subscriptions that `settled` made may have ended by now.
    expect((await count(watcher)).subscriptions).toBeGreaterThan(subscriptions + 10);
    for (let i = 0; i < 50; i++) speaker.publish('counted', 'hello');
    await inbox.has(50);
    const after = [await count(watcher), await count(other)];
    const [sent, received] = [after[0].sent, after[1].received];
    for (const unit of ['msgs', 'bytes']) {
      const least = unit === 'msgs' ? 50 : 250;
      expect(sent[unit] - before[0].sent[unit]).toBeGreaterThanOrEqual(least);
      expect(received[unit] - before[1].received[unit]).toBeGreaterThanOrEqual(least);
    }
  });

  it('delivers a request for the connections of one server through another server', async () => {
    const [first, second] = await watchers();
    const [, other] = cluster.nodes;
    if (first === undefined || second === undefined || other === undefined)
      throw new Error('no cluster of three');
    await cluster.settled([first, second]);
    const visitor = await cluster.connect(other, { name: 'there' });
    await visitor.flush();
    const id = second.info.server_id;
    const { payload } = await first.request(`$SYS.REQ.SERVER.${id}.CONNZ`, '{"acc":"A"}');
    const { server, data } = JSON.parse(payload);
    expect(server.name).toBe('n2');
    expect(data.connections).toContainEqual(expect.objectContaining({ name: 'there' }));
  });

  it.each(kinds.map((kind, index) => ({ kind, index })))(
    'hears last of all from a $kind, server $index, that it shuts down',
    async ({ kind, index }) => {
      const three = await watchers();
      const victim = cluster.nodes[index];
      const own = three[index];
      if (!victim || !own) throw new Error('no cluster of three');
      await cluster.connect(victim, { name: 'visitor' });
      const { server_id: id } = own.info;
      const inboxes = three.map((watcher) =>
        watcher.subscribeAll([`$SYS.SERVER.${id}.SHUTDOWN`, '$SYS.ACCOUNT.A.DISCONNECT']),
      );
      await cluster.settled(three);
      await victim.stop();
      await own.closed;
      await victim.start();
      await cluster.complete();
      const last = inboxes.map(
        ({ messages }) => messages.filter(({ payload }) => payload.includes(`"${id}"`)).at(-1)?.subject,
      );
      const end = `$SYS.SERVER.${id}.SHUTDOWN`;
      const isHeardThere = !kindHas(kind, 'clients-end-before-shutdown');
      expect(last.map((subject) => subject === end)).toEqual(
        three.map((_, at) => at !== index || isHeardThere),
      );
    },
  );

  it.each(
    kinds.map((kind, index) => ({ kind, index })).filter(({ kind }) => kindHas(kind, 'tells-of-lame-duck')),
  )(
    'hears from a $kind, server $index, that it takes leave, and what becomes of its clients',
    async ({ kind, index }) => {
      const three = await watchers();
      const [victim, other] = [cluster.nodes[index], three[(index + 1) % 3]];
      const id = three[index]?.info.server_id;
      if (!victim || !other) throw new Error('no cluster of three');
      for (const name of ['one', 'two']) await cluster.connect(victim, { name });
      const [leave, end] = [`$SYS.SERVER.${id}.LAMEDUCK`, `$SYS.SERVER.${id}.SHUTDOWN`];
      const inbox = other.subscribeAll([leave, end, '$SYS.ACCOUNT.*.DISCONNECT']);
      await cluster.settled(three);
      victim.process.lameDuck();
      await victim.process.logged(/Entering lame duck mode/);
      await victim.stop();
      await victim.start();
      await cluster.complete();
      const heard = inbox.messages.filter(({ payload }) => payload.includes(`"${id}"`));
      const subjects = heard.map(({ subject }) => subject.replace(/^\$SYS\.ACCOUNT\..*/, 'a client'));
      const after = subjects.slice(subjects.indexOf(leave));
      const speaks = kindHas(kind, 'speaks-in-lame-duck');
      expect(new Set(after)).toEqual(new Set(speaks ? [leave, 'a client', end] : [leave]));
    },
  );
});
