// Subjects that the server reserves, tried by a client without any restriction.
import { it } from 'vitest';
import { conformance } from './suite.ts';

conformance('reserved subjects', '', (suite) => {
  it.each(['_GR_.x', '_GR_.x.y', '$GR.x', '$NRG.', '$NRG.x'])(
    'a publish to %s is rejected',
    async (subject) => {
      const [client, other] = [await suite.connect(), await suite.connect()];
      other.send('SUB > 1\r\n');
      await other.receives('');
      client.send(`PUB ${subject} 1\r\nx\r\n`.repeat(2));
      await client.receives(`-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`.repeat(2));
      await other.receives('');
    },
  );

  it.each(['_GR_', '_GR_x.y', '$GR', '$GRx', '$NRG', '$NR.x', '_INBOX.x'])(
    '%s is not reserved',
    async (subject) => {
      const client = await suite.connect();
      client.send(`SUB ${subject} 1\r\nPUB ${subject} 1\r\nx\r\n`);
      await client.receives(`MSG ${subject} 1 1\r\nx\r\n`);
    },
  );

  it.each(['_GR_.x', '$GR.x', '$JS.ACK.x', '_R_.', '_R_.x'])(
    'a publish with the reply subject %s is rejected',
    async (reply) => {
      const client = await suite.connect();
      client.send(`SUB a 1\r\nPUB a ${reply} 1\r\nx\r\n`);
      await client.receives(`-ERR 'Permissions Violation for Publish with Reply of "${reply}"'\r\n`);
    },
  );

  it.each(['$JS.x', '$JS.API.INFO', '$JS.hub.API.INFO', '$JS.FC.x'])(
    'a publish with the reply subject %s of JetStream is rejected',
    async (reply) => {
      const client = await suite.connect();
      client.send(`SUB a 1\r\nPUB a ${reply} 1\r\nx\r\n`);
      const refusal = `-ERR 'Permissions Violation for Publish with Reply of "${reply}"'\r\n`;
      const isReserved = suite.has('reserves-replies-to-jetstream');
      await client.receives(isReserved ? refusal : `MSG a 1 ${reply} 1\r\nx\r\n`);
    },
  );

  it.each(['$JS', '$JS.', '$JSx', '_R_', '_R_x'])(
    'a publish with the reply subject %s is delivered',
    async (reply) => {
      const client = await suite.connect();
      client.send(`SUB a 1\r\nPUB a ${reply} 1\r\nx\r\n`);
      await client.receives(`MSG a 1 ${reply} 1\r\nx\r\n`);
    },
  );
});

const answering = `
accounts {
  A {
    users: [{ user: a, password: p }]
    exports: [{ service: "$JS.API.x" }, { service: "$JS.hub.API.x" }, { service: "$JS.ACK.x" }, { service: "$JS.x" }]
  }
  B {
    users: [
      { user: asks, password: p }
      { user: answers, password: p, permissions: { publish: [none], subscribe: ">", allow_responses: true } }
    ]
    imports: [
      { service: { account: A, subject: "$JS.API.x" }, to: "request" }
      { service: { account: A, subject: "$JS.hub.API.x" }, to: "elsewhere" }
      { service: { account: A, subject: "$JS.ACK.x" }, to: "acknowledge" }
      { service: { account: A, subject: "$JS.x" }, to: "other" }
    ]
  }
}
`;

conformance('JetStream subjects imported under another name', answering, (suite) => {
  it.each([
    ['request', '$JS.API.x', true],
    ['elsewhere', '$JS.hub.API.x', true],
    ['acknowledge', '$JS.ACK.x', true],
    ['other', '$JS.x', false],
  ])(
    '%s forwards a publish, and no answer that only allow_responses permits',
    async (alias, subject, isReserved) => {
      const [a, asks, answers] = await Promise.all(
        ['a', 'asks', 'answers'].map((user) => suite.connect({ user, pass: 'p' })),
      );
      if (!a || !asks || !answers) throw new Error('three clients');
      a.send(`SUB ${subject} 1\r\n`);
      await a.receives('');
      asks.send(`PUB ${alias} 1\r\nx\r\n`);
      await asks.receives('');
      await a.receives(`MSG ${subject} 1 1\r\nx\r\n`);

      answers.send('SUB question 1\r\n');
      await answers.receives('');
      asks.send(`PUB question ${alias} 0\r\n\r\n`);
      await asks.receives('');
      await answers.receives(`MSG question 1 ${alias} 0\r\n\r\n`);
      answers.send(`PUB ${alias} 1\r\ny\r\n`);
      await answers.receives('');
      const isKept = isReserved && suite.has('answers-are-no-jetstream-requests');
      await a.receives(isKept ? '' : `MSG ${subject} 1 1\r\ny\r\n`);
    },
  );
});
