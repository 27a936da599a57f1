// SUB and UNSUB: every form of the line, delivery limits, and what ends a subscription.
import { describe, expect, it } from 'vitest';
import { conformanceOnBothPorts } from './suite.ts';

conformanceOnBothPorts('subscribe', '', (suite) => {
  describe('SUB', () => {
    it.each<[string, (s: string) => string, string]>([
      ['a number as the id', (s) => `SUB ${s} 1`, '1'],
      ['a word as the id', (s) => `SUB ${s} Inbox-7`, 'Inbox-7'],
      ['an id with leading zeros unchanged', (s) => `SUB ${s} 007`, '007'],
      ['a long id', (s) => `SUB ${s} ${'9'.repeat(200)}`, '9'.repeat(200)],
      ['a queue group', (s) => `SUB ${s} group 1`, '1'],
      ['a line in lower case', (s) => `sub ${s} 1`, '1'],
      ['a line in mixed case', (s) => `SuB ${s} 1`, '1'],
      ['a line with tabs and spaces', (s) => `SUB \t${s} \t group\t\t1 \t`, '1'],
    ])('accepts %s', async (_, line, sid) => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`${line(s)}\r\nPUB ${s} 2\r\nhi\r\n`);
      await client.receives(`MSG ${s} ${sid} 2\r\nhi\r\n`);
    });

    it('accepts a bare line feed', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\nPUB ${s} 2\r\nhi\r\n`);
      await client.receives(`MSG ${s} 1 2\r\nhi\r\n`);
    });

    it('takes effect, as UNSUB does, for the next message, even on a cached subject', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      const publish = `PUB ${s} 1\r\nx\r\n`.repeat(3);
      client.send(
        `${publish}SUB ${s} 1\r\n${publish}UNSUB 1\r\n${publish}` +
          `SUB ${s} 2\r\nUNSUB 2 2\r\n${publish}SUB * 3\r\n${publish}UNSUB 3\r\n${publish}`,
      );
      const delivered = (sid: number) => `MSG ${s} ${sid} 1\r\nx\r\n`;
      await client.receives(delivered(1).repeat(3) + delivered(2).repeat(2) + delivered(3).repeat(3));
    });

    it.each(['SUB s', 'SUB s group 1 more', 'SUB s group more than 1'])(
      'closes the connection without an error on %j',
      async (line) => {
        const client = await suite.connect();
        client.send(`${line}\r\nPING\r\n`);
        await client.closes('');
      },
    );

    it.each(['a..b', '.a', 'a.', '.', '..', 'a.>.b', '>.a', '*..*'])(
      'of %j is rejected without closing the connection',
      async (wrong) => {
        const client = await suite.connect();
        client.send(`SUB ${wrong} 1\r\n`);
        await client.receives("-ERR 'Invalid Subject'\r\n");
        const s = suite.subject();
        client.send(`SUB ${s} 1\r\nPUB ${s} 1\r\nx\r\n`); // the id is still free
        await client.receives(`MSG ${s} 1 1\r\nx\r\n`);
      },
    );

    it('is answered with an error in place of +OK when the subject is invalid', async () => {
      const client = await suite.connect();
      client.send('CONNECT {"verbose":true}\r\nSUB a..b 1\r\nSUB a.>.b 2\r\n');
      await client.receives("+OK\r\n-ERR 'Invalid Subject'\r\n-ERR 'Invalid Subject'\r\n");
    });

    it('with an id in use has no effect and is answered +OK', async () => {
      const client = await suite.connect();
      const [s, t] = [suite.subject(), suite.subject()];
      client.send('CONNECT {"verbose":true}\r\n');
      client.send(`SUB ${s} 1\r\nSUB ${t} 1\r\nPUB ${t} 1\r\nx\r\nPUB ${s} 1\r\ny\r\n`);
      await client.receives(`+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\nMSG ${s} 1 1\r\ny\r\n`);
    });

    it('with the same id on two connections makes two subscriptions', async () => {
      const first = await suite.connect();
      const second = await suite.connect();
      const [s, t] = [suite.subject(), suite.subject()];
      first.send(`SUB ${s} 1\r\n`);
      await first.receives('');
      second.send(`SUB ${t} 1\r\nPUB ${s} 1\r\nx\r\nPUB ${t} 1\r\ny\r\n`);
      await second.receives(`MSG ${t} 1 1\r\ny\r\n`);
      await first.receives(`MSG ${s} 1 1\r\nx\r\n`);
    });

    it('with two ids for one subject delivers a message twice', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nSUB ${s} 2\r\nSUB ${s}.* 3\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receivesInAnyOrder(`MSG ${s} 1 1\r\nx\r\n`, `MSG ${s} 2 1\r\nx\r\n`);
    });

    it('delivers a message to all subscribers', async () => {
      const clients = await Promise.all(Array.from({ length: 8 }, () => suite.connect()));
      const publisher = await suite.connect();
      const s = suite.subject();
      for (const client of clients) client.send(`SUB ${s} 1\r\n`);
      await Promise.all(clients.map((client) => client.receives('')));
      publisher.send(`PUB ${s} 1\r\nx\r\n`);
      await publisher.receives('');
      await Promise.all(clients.map((client) => client.receives(`MSG ${s} 1 1\r\nx\r\n`)));
    });
  });

  describe('UNSUB', () => {
    it.each([
      'UNSUB 1',
      'unsub 1',
      'UnSub \t1\t',
      'UNSUB 1 0',
      'UNSUB 1 -1',
      'UNSUB 1 many',
      'UNSUB 1 9999999999',
    ])('%j ends the subscription immediately', async (line) => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nPUB ${s} 1\r\nx\r\n${line}\r\nPUB ${s} 1\r\ny\r\n`);
      await client.receives(`MSG ${s} 1 1\r\nx\r\n`);
    });

    it('of an unknown id has no effect', async () => {
      const client = await suite.connect();
      client.send('UNSUB 99\r\nUNSUB 98 5\r\n');
      await client.receives('');
    });

    it('of an unknown id is answered +OK in verbose mode', async () => {
      const client = await suite.connect();
      client.send('CONNECT {"verbose":true}\r\nUNSUB 99\r\nUNSUB 98 5\r\n');
      await client.receives('+OK\r\n+OK\r\n+OK\r\n');
    });

    it('with a limit for an unknown id does not affect a later SUB', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`UNSUB 1 1\r\nSUB ${s} 1\r\n${`PUB ${s} 1\r\nx\r\n`.repeat(2)}`);
      await client.receives(`MSG ${s} 1 1\r\nx\r\n`.repeat(2));
    });

    it.each(['UNSUB 1 2 3', 'UNSUB 1 2 3 4'])(
      'closes the connection without an error on %j',
      async (line) => {
        const client = await suite.connect();
        client.send(`${line}\r\nPING\r\n`);
        await client.closes('');
      },
    );

    it('frees the id', async () => {
      const client = await suite.connect();
      const [s, t] = [suite.subject(), suite.subject()];
      client.send(`SUB ${s} 1\r\nUNSUB 1\r\nSUB ${t} 1\r\nPUB ${s} 1\r\nx\r\nPUB ${t} 1\r\ny\r\n`);
      await client.receives(`MSG ${t} 1 1\r\ny\r\n`);
    });

    it('does not end other subscriptions to the same subject', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nSUB ${s} 2\r\nUNSUB 1\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receives(`MSG ${s} 2 1\r\nx\r\n`);
    });
  });

  describe('UNSUB with a limit', () => {
    const publish = (s: string, times: number) => `PUB ${s} 1\r\nx\r\n`.repeat(times);
    const delivered = (s: string, times: number) => `MSG ${s} 1 1\r\nx\r\n`.repeat(times);

    it('delivers this many messages and no more', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nUNSUB 1 3\r\n${publish(s, 5)}`);
      await client.receives(delivered(s, 3));
    });

    it('includes earlier deliveries', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\n${publish(s, 2)}UNSUB 1 3\r\n${publish(s, 5)}`);
      await client.receives(delivered(s, 3));
    });

    it.each([1, 2])('of %i after two deliveries ends the subscription immediately', async (limit) => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\n${publish(s, 2)}UNSUB 1 ${limit}\r\n${publish(s, 2)}`);
      await client.receives(delivered(s, 2));
    });

    it('can be raised', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nUNSUB 1 2\r\n${publish(s, 1)}UNSUB 1 4\r\n${publish(s, 9)}`);
      await client.receives(delivered(s, 4));
    });

    it('can be lowered', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nUNSUB 1 9\r\n${publish(s, 1)}UNSUB 1 3\r\n${publish(s, 9)}`);
      await client.receives(delivered(s, 3));
    });

    it('is overridden by UNSUB without a limit', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nUNSUB 1 9\r\n${publish(s, 1)}UNSUB 1\r\n${publish(s, 3)}`);
      await client.receives(delivered(s, 1));
    });

    it('frees the id when it is reached', async () => {
      const client = await suite.connect();
      const [s, t] = [suite.subject(), suite.subject()];
      client.send(
        `SUB ${s} 1\r\nUNSUB 1 1\r\n${publish(s, 2)}SUB ${t} 1\r\n${publish(s, 1)}${publish(t, 2)}`,
      );
      await client.receives(delivered(s, 1) + delivered(t, 2));
    });

    it('keeps the id in use until it is reached', async () => {
      const client = await suite.connect();
      const [s, t] = [suite.subject(), suite.subject()];
      client.send(
        `SUB ${s} 1\r\nUNSUB 1 2\r\n${publish(s, 1)}SUB ${t} 1\r\n${publish(t, 1)}${publish(s, 1)}`,
      );
      await client.receives(delivered(s, 2));
    });

    it('accepts leading zeros', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nUNSUB 1 0002\r\n${publish(s, 5)}`);
      await client.receives(delivered(s, 2));
    });

    it('applies to a subscription, not to a subject', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nSUB ${s} 2\r\nUNSUB 1 1\r\n${publish(s, 2)}`);
      await client.receivesInAnyOrder(delivered(s, 1), `MSG ${s} 2 1\r\nx\r\n`, `MSG ${s} 2 1\r\nx\r\n`);
    });

    it('counts messages of other clients, in one packet or in many', async () => {
      const subscriber = await suite.connect();
      const publisher = await suite.connect();
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\nUNSUB 1 4\r\n`);
      await subscriber.receives('');
      publisher.send(publish(s, 1));
      await publisher.receives('');
      publisher.send(publish(s, 2));
      await publisher.receives('');
      publisher.send(publish(s, 20));
      await publisher.receives('');
      await subscriber.receives(delivered(s, 4));
    });
  });

  describe('echo', () => {
    it('when off delivers the messages of a client to other clients only', async () => {
      const client = await suite.connect({ echo: false });
      const other = await suite.connect();
      const s = suite.subject();
      other.send(`SUB ${s} 1\r\n`);
      await other.receives('');
      client.send(`SUB ${s} 1\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receives('');
      await other.receives(`MSG ${s} 1 1\r\nx\r\n`);
      other.send(`PUB ${s} 1\r\ny\r\n`);
      await other.receives(`MSG ${s} 1 1\r\ny\r\n`);
      await client.receives(`MSG ${s} 1 1\r\ny\r\n`);
    });

    it('when off leaves the messages of the client out of the limit of UNSUB', async () => {
      const client = await suite.connect({ echo: false });
      const other = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nUNSUB 1 1\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receives('');
      other.send(`PUB ${s} 1\r\ny\r\nPUB ${s} 1\r\nz\r\n`);
      await other.receives('');
      await client.receives(`MSG ${s} 1 1\r\ny\r\n`);
    });

    it('is on by default', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receives(`MSG ${s} 1 1\r\nx\r\n`);
    });
  });

  describe('a closed connection', () => {
    it('has no subscriptions left', async () => {
      const leaver = await suite.connect();
      const requester = await suite.connect({ headers: true, no_responders: true });
      const s = suite.subject();
      leaver.send(`SUB ${s} 1\r\n`);
      await leaver.receives('');
      leaver.send('NOPE\r\n'); // the server closes it, so that it has cleaned up when the client sees the close
      await leaver.closed();
      requester.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 0\r\n\r\n`);
      expect(await requester.drain()).toContain('NATS/1.0 503');
    });
  });
});
