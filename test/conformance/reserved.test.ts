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
});
