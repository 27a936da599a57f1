// The status 503 in answer to a request without a responder.
import { it } from 'vitest';
import { conformance } from './suite.ts';

const asking = { headers: true, no_responders: true };

// The 503 for a request on `subject`, as subscription 9 receives it: 32 bytes of headers besides the subject, no
// payload.
function nobody(subject: string, reply: string): string {
  const size = 32 + Buffer.byteLength(subject);
  return `HMSG ${reply} 9 ${size} ${size}\r\nNATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n\r\n`;
}

conformance('no responders', '', (suite) => {
  it('sends a 503 to the reply subject', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('names a UTF-8 subject and counts its bytes', async () => {
    const client = await suite.connect(asking);
    const s = `${suite.subject()}.žluť`;
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('sends the 503 to a wildcard subscription of the reply subject', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s}.* 9\r\nPUB ${s} inbox.${s}.42 0\r\n\r\n`);
    await client.receives(nobody(s, `inbox.${s}.42`));
  });

  it('sends the 503 for a request with headers', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nHPUB ${s} inbox.${s} 12 14\r\nNATS/1.0\r\n\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('sends the 503 after +OK in verbose mode', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send('CONNECT {"verbose":true,"headers":true,"no_responders":true}\r\n');
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(`+OK\r\n+OK\r\n+OK\r\n${nobody(s, `inbox.${s}`)}`);
  });

  it('sends no 503 when there is a subscriber', async () => {
    const client = await suite.connect(asking);
    const responder = await suite.connect();
    const s = suite.subject();
    responder.send(`SUB ${s} 1\r\n`);
    await responder.receives('');
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
    await responder.receives(`MSG ${s} 1 inbox.${s} 2\r\nhi\r\n`);
  });

  it('counts a queue group as a responder', async () => {
    const client = await suite.connect(asking);
    const responder = await suite.connect();
    const s = suite.subject();
    responder.send(`SUB ${s} workers 1\r\n`);
    await responder.receives('');
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('does not count the client itself when its echo is off', async () => {
    const client = await suite.connect({ ...asking, echo: false });
    const s = suite.subject();
    client.send(`SUB ${s} 1\r\nSUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives(nobody(s, `inbox.${s}`));
  });

  it('sends no 503 for a message without a reply subject', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('sends no 503 when the client does not subscribe to the reply subject', async () => {
    const client = await suite.connect(asking);
    const other = await suite.connect(asking);
    const s = suite.subject();
    other.send(`SUB inbox.${s} 9\r\n`);
    await other.receives('');
    client.send(`PUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
    await other.receives('');
  });

  it('sends no 503 when the client subscribes to the reply subject only in a queue group', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} group 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('sends no 503 to a client that has not enabled no_responders', async () => {
    const client = await suite.connect({ headers: true });
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nPUB ${s} inbox.${s} 2\r\nhi\r\n`);
    await client.receives('');
  });

  it('does not count the 503 towards the limit of UNSUB', async () => {
    const client = await suite.connect(asking);
    const s = suite.subject();
    client.send(`SUB inbox.${s} 9\r\nUNSUB 9 1\r\nPUB ${s} inbox.${s} 0\r\n\r\nPUB inbox.${s} 1\r\nx\r\n`);
    await client.receives(`${nobody(s, `inbox.${s}`)}MSG inbox.${s} 9 1\r\nx\r\n`);
  });
});
