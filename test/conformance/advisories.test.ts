// Compares the advisories that the broker and nats-server publish in the system account: subjects, keys, and every
// value that does not depend on the time or the server.
import { expect, it } from 'vitest';
import { bundledBroker, natsServer, type ServerUnderTest, type StartServer } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { typesOf } from '../support/monitoring.ts';
import { natsServerHas } from '../support/nats-server-changes.ts';
import { describePeer } from '../support/peers.ts';

const configuration = `
server_name: one
system_account: SYS
accounts {
  SYS { users: [{ user: sys, password: pw }] }
  A { users: [{ user: alice, password: pw }] }
}
`;

// biome-ignore lint/suspicious/noExplicitAny: JSON
type Advisory = any;

interface Published {
  readonly subject: string;
  readonly advisory: Advisory;
}

class Watcher {
  readonly #wire: Wire;
  /** Advisories read while waiting for another one; a server publishes them in no fixed order. */
  readonly #others: Published[] = [];

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Returns the next advisory whose subject ends with `ending`. */
  async next(ending: string): Promise<Published> {
    const at = this.#others.findIndex(({ subject }) => subject.endsWith(ending));
    const [waiting] = at < 0 ? [] : this.#others.splice(at, 1);
    if (waiting !== undefined) return waiting;
    const [, subject = '', ...rest] = (await this.#wire.line()).split(' ');
    const text = (await this.#wire.bytes(Number(rest.at(-1)) + 2)).slice(0, -2);
    if (text !== '') {
      this.#others.push({ subject: subject.replace(/\bN[A-Z2-7]{55}\b/, 'ID'), advisory: JSON.parse(text) });
    }
    return this.next(ending);
  }
}

async function connect({ port }: ServerUnderTest, options: object): Promise<Wire> {
  const wire = await Wire.open(port);
  wire.send(`CONNECT ${JSON.stringify({ verbose: false, ...options })}\r\n`);
  return wire;
}

/**
 * Triggers every event that a server reports, and returns the advisories.
 * @param reportsEnd whether the server publishes its SHUTDOWN before it ends its clients
 */
async function triggerAll(start: StartServer, reportsEnd: boolean): Promise<Published[]> {
  const server = await start(configuration);
  const wires: Wire[] = [];
  let stopped: Promise<void> | undefined;
  try {
    const sys = await connect(server, { user: 'sys', pass: 'pw' });
    wires.push(sys);
    sys.send('SUB $SYS.> 1\r\n');
    await sys.drain();
    const watcher = new Watcher(sys);
    const published: Published[] = [];
    const guest = await connect(server, {
      user: 'alice',
      pass: 'pw',
      name: 'guest',
      lang: 'l',
      version: '1',
    });
    wires.push(guest);
    guest.send('SUB x 1\r\nPUB x 2\r\nhi\r\n');
    await guest.drain();
    published.push(await watcher.next('.A.CONNECT'), await watcher.next('.ACCOUNT.A.SERVER.CONNS'));
    guest.end();
    published.push(await watcher.next('.A.DISCONNECT'));
    const wrong = await connect(server, { user: 'alice', pass: 'wrong' });
    await wrong.closed();
    published.push(await watcher.next('.CLIENT.AUTH.ERR'));
    const lost = await connect(server, { user: 'alice', pass: 'pw' });
    lost.send('NONSENSE\r\n');
    await lost.closed();
    published.push(await watcher.next('.A.CONNECT'), await watcher.next('.A.DISCONNECT'));
    // A request without a reply subject makes the server publish its heartbeat at once.
    sys.send('PUB $SYS.REQ.SERVER.PING 0\r\n\r\n');
    published.push(await watcher.next('.STATSZ'));
    stopped = server.stop();
    if (reportsEnd) expect((await watcher.next('.SHUTDOWN')).advisory).toMatchObject({ name: 'one' });
    else expect(await sys.closed()).not.toContain('.SHUTDOWN');
    return published;
  } finally {
    for (const wire of wires) wire.end();
    await (stopped ?? server.stop());
  }
}

/** The paths and types of all values, except those of features that only nats-server has. */
function keysOf({ advisory }: Published): string[] {
  return [...typesOf(advisory)]
    .map(([key, type]) => `${key} ${type}`)
    .filter((key) => !key.includes('feature_flags'));
}

function steadyOf({ advisory: { type, client, reason, sent, received, acc } }: Published) {
  const { start, stop, rtt, id, ...who } = client ?? {};
  return { type, who, reason, sent: sent?.msgs, received: received?.msgs, acc };
}

describePeer('nats-server', 'advisories of the system account, compared with nats-server', (bin) => {
  it('publishes the same advisories for the same events, under the same subjects', async () => {
    const reportsEnd = !natsServerHas('clients-end-before-shutdown');
    const [mine, real] = await Promise.all([
      triggerAll(bundledBroker, false),
      triggerAll(natsServer(bin), reportsEnd),
    ]);
    expect(mine?.map(({ subject }) => subject)).toEqual(real?.map(({ subject }) => subject));
    for (const [index, published] of (real ?? []).entries()) {
      const own = mine?.[index] ?? published;
      expect([published.subject, ...keysOf(own).sort()]).toEqual([
        published.subject,
        ...keysOf(published).sort(),
      ]);
      const isCount = /CONNS|STATSZ/.test(published.subject);
      if (!isCount) expect(steadyOf(own)).toEqual(steadyOf(published));
    }
    expect(JSON.stringify(mine)).not.toContain('wrong');
  });
});
