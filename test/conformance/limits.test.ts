// Limits: what a server does with a client that exceeds one, stays silent or does not read.
import { expect, it } from 'vitest';
import type { Wire } from '../harness/wire.ts';
import { conformance, conformanceOnBothPorts, type Suite } from './suite.ts';

conformanceOnBothPorts('max_control_line', 'max_control_line: 256', (suite) => {
  // The limit counts the bytes after the name of the operation and the blanks that follow it.
  const line = (s: string, length: number) => `${s}.${'t'.repeat(length - s.length - 3)} 1`;

  it('accepts a line of exactly that size', async () => {
    const client = await suite.connect();
    const arguments_ = line(suite.subject(), 256);
    client.send(`SUB ${arguments_}\r\nPUB ${arguments_}\r\nx\r\n`);
    await client.receives(`MSG ${arguments_} 1\r\nx\r\n`);
  });

  it.each(['SUB', 'PUB', 'UNSUB'])('closes the connection on a longer %s', async (operation) => {
    const client = await suite.connect();
    client.send(`${operation} ${line(suite.subject(), 257)}\r\nx\r\nPING\r\n`);
    await client.closes("-ERR 'maximum control line exceeded'\r\n");
  });

  it('applies to HPUB', async () => {
    const client = await suite.connect({ headers: true });
    client.send(`HPUB ${line(suite.subject(), 255)} 1\r\nx\r\nPING\r\n`);
    await client.closes("-ERR 'maximum control line exceeded'\r\n");
  });

  it('applies to CONNECT', async () => {
    const client = await suite.open();
    client.send(`CONNECT {"name":"${'n'.repeat(256)}"}\r\nPING\r\n`);
    await client.closes("-ERR 'maximum control line exceeded'\r\n");
  });

  it('closes the connection before the end of the line has arrived', async () => {
    const client = await suite.connect();
    client.send(`SUB ${'t'.repeat(300)}`);
    await client.closes("-ERR 'maximum control line exceeded'\r\n");
  });

  it('closes the connection before the end of a line that arrives in pieces', async () => {
    const client = await suite.connect();
    const other = await suite.connect();
    client.send('SUB ');
    // Stop before the server closes: a write to a closed connection would lose the error.
    for (let sent = 0; sent <= 256; sent += 10) {
      client.send('t'.repeat(10));
      await other.receives('');
    }
    await client.closes("-ERR 'maximum control line exceeded'\r\n");
  });
});

conformance('max_control_line by default', '', (suite) => {
  it('is 4,096 bytes', async () => {
    const client = await suite.connect();
    const s = suite.subject().padEnd(4094, 't');
    client.send(`SUB ${s} 1\r\nPUB ${s} 1\r\nx\r\n`);
    await client.receives(`MSG ${s} 1 1\r\nx\r\n`);
    client.send(`SUB ${s}t 1\r\n`);
    await client.closes("-ERR 'maximum control line exceeded'\r\n");
  });
});

conformanceOnBothPorts('max_connections', 'max_connections: 2', (suite) => {
  it('rejects an additional client after the INFO, and accepts one when another has left', async () => {
    const first = await suite.connect();
    await suite.connect();
    const third = await suite.open();
    await third.closes("-ERR 'maximum connections exceeded'\r\n");
    first.send('NOPE\r\n');
    await first.closed();
    await suite.connect();
  });
});

conformanceOnBothPorts('max_subscriptions', 'max_subscriptions: 3', (suite) => {
  const refusal = "-ERR 'maximum subscriptions exceeded'\r\n";

  it('rejects an additional subscription and keeps the others', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(
      `SUB ${s}.1 1\r\nSUB ${s}.2 2\r\nSUB ${s}.3 3\r\nSUB ${s}.4 4\r\nPUB ${s}.4 1\r\nx\r\nPUB ${s}.3 1\r\nx\r\n`,
    );
    await client.receives(`${refusal}MSG ${s}.3 3 1\r\nx\r\n`);
  });

  it('allows another subscription after UNSUB', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(
      `SUB ${s}.1 1\r\nSUB ${s}.2 2\r\nSUB ${s}.3 3\r\nUNSUB 2\r\nSUB ${s}.4 4\r\nPUB ${s}.4 1\r\nx\r\n`,
    );
    await client.receives(`MSG ${s}.4 4 1\r\nx\r\n`);
  });

  it('allows another subscription after the last delivery of a limited one', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s}.1 1\r\nSUB ${s}.2 2\r\nSUB ${s}.3 3\r\nUNSUB 3 1\r\nPUB ${s}.3 1\r\nx\r\n`);
    await client.receives(`MSG ${s}.3 3 1\r\nx\r\n`);
    client.send(`SUB ${s}.4 4\r\nPUB ${s}.4 1\r\nx\r\n`);
    await client.receives(`MSG ${s}.4 4 1\r\nx\r\n`);
  });

  it('rejects a repeated id when the limit is reached', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s}.1 1\r\nSUB ${s}.2 2\r\nSUB ${s}.3 3\r\nSUB ${s}.1 1\r\n`);
    await client.receives(refusal);
  });

  it('applies to each connection separately', async () => {
    const s = suite.subject();
    for (const client of [await suite.connect(), await suite.connect()]) {
      client.send(`SUB ${s} 1\r\nSUB ${s} 2\r\nSUB ${s} 3\r\n`);
      await client.receives('');
    }
  });
});

conformanceOnBothPorts('ping_interval', 'ping_interval: "150ms"\nping_max: 2', (suite) => {
  it('pings an idle client at this interval until it is stale', async () => {
    const client = await suite.connect();
    await client.closes("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
  });

  it('pings a client that has not sent CONNECT', async () => {
    const client = await suite.open();
    await client.closes("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
  });
});

conformance('ping_max', 'ping_interval: "100ms"\nping_max: 5', (suite) => {
  it('does not count PINGs that the client has answered', async () => {
    const client = await suite.connect();
    for (let times = 0; times < 8; times += 1) {
      await client.reads('PING\r\n');
      client.send('PONG\r\n');
    }
    await client.receives('');
  });
});

conformanceOnBothPorts('max_pending', 'max_pending: 1000000\nmax_payload: 500000', (suite) => {
  it('closes a client as a slow consumer when it leaves more bytes unread', async () => {
    const { slow, publisher } = await overwhelm(
      suite,
      /Slow Consumer Detected: MaxPending of 1000000 Exceeded/,
    );
    slow.resume();
    expect(await slow.closed()).toMatch(/^MSG /);
    await publisher.receives('');
  });
});

conformanceOnBothPorts('write_deadline', 'write_deadline: "200ms"', (suite) => {
  it('closes a client as a slow consumer when it reads nothing for this long', async () => {
    const { slow, publisher } = await overwhelm(
      suite,
      /Slow Consumer Detected: WriteDeadline of 200ms exceeded/,
    );
    slow.resume();
    expect(await slow.closed()).toMatch(/^MSG /);
    await publisher.receives('');
  });
});

// Publishes to a subscriber that does not read, until the log matches.
async function overwhelm(suite: Suite, pattern: RegExp): Promise<{ slow: Wire; publisher: Wire }> {
  const [slow, publisher] = [await suite.connect({}, suite.uncompressed), await suite.connect()];
  const s = suite.subject();
  slow.send(`SUB ${s} 1\r\n`);
  await slow.receives('');
  slow.pause();
  let pushing = true;
  const logged = suite.server.logged(pattern).finally(() => {
    pushing = false;
  });
  const message = `PUB ${s} 250000\r\n${'x'.repeat(250_000)}\r\n`;
  // The buffers of the system hold part of it: at most 64 of these messages.
  for (let sent = 0; pushing && sent < 64; sent += 1) {
    publisher.send(message);
    await publisher.receives('');
  }
  await logged;
  return { slow, publisher };
}
