// The answer 503 to a request that nobody is there to take.
import { it } from 'vitest';
import { conformance } from './suite.ts';

const asking = { headers: true, no_responders: true };

// The answer to a request on `subject`, as subscription 9 gets it: 32 bytes of headers beside the subject, no payload.
function nobody(subject: string, reply: string): string {
  const size = 32 + Buffer.byteLength(subject);
  return `HMSG ${reply} 9 ${size} ${size}\r\nNATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n\r\n`;
}

conformance('no responders', '', (suite) => {
  it('sends the 503 to the reply subject', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('names a subject in UTF-8 by its bytes', async () => {
    const client = await suite.connect(asking);
    const s = `${suite.subject()}.žluť`;
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('finds the subscription to the reply by wildcard', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s}.* 9\r\nPUB ${s} inbox.${s}.42 0\r\n\r\n`);
    await client.receives(nobody(s, `inbox.${s}.42`));
  });

  it('answers a request with headers too', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nHPUB ${s} inbox.${s} 12 14\r\nNATS/1.0\r\n\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('follows the +OK in verbose mode', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send('CONNECT {"verbose":true,"headers":true,"no_responders":true}\r\n');
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(`+OK\r\n+OK\r\n+OK\r\n${nobody(s, `inbox.${s}`)}`);
  });

  it('says nothing when somebody is there', async () => {
    const client = await suite.connect(asking);
    const responder = await suite.connect();
    const s = suite.subject();
    responder.send(`SUB ${s} 1\r\n`);
    await responder.receives('');
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
    await responder.receives(`MSG ${s} 1 inbox.${s} 2\r\nhi\r\n`);
  });

  it('counts a queue group as somebody', async () => {
    const client = await suite.connect(asking);
    const responder = await suite.connect();
    const s = suite.subject();
    responder.send(`SUB ${s} workers 1\r\n`);
    await responder.receives('');
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('does not count the client itself when it wants no echo', async () => {
    const client = await suite.connect({ ...asking, echo: false });
    const s = suite.subject();
    client.send(`SUB ${s} 1\r\nSUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('says nothing to a message without a reply', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('says nothing when the client has no subscription to the reply', async () => {
    const client = await suite.connect(asking);
    const other = await suite.connect(asking);
    const s = suite.subject();
    other.send(`SUB inbox.${s} 9\r\n`);
    await other.receives('');
    client.send(`PUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
    await other.receives('');
  });

  it('does not take a queue subscription for one to the reply', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} group 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('says nothing to a client that has not asked', async () => {
    const client = await suite.connect({ headers: true });
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('does not count towards the limit of UNSUB', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nUNSUB 9 1\r\nPUB ${s} inbox.${s} 0\r\n\r\nPUB inbox.${s} 1\r\nx\r\n`);
    await client.receives(`${nobody(s, `inbox.${s}`)}MSG inbox.${s} 9 1\r\nx\r\n`);
  });
});
