// What a server tells in its system account unasked, beside what nats-server tells of the same events: under which
// subjects, with which keys, and each value that does not depend on the moment or the server.
import { expect, it } from 'vitest';
import { typesOf } from '../support/monitoring.ts';
import { describePeer } from '../support/peers.ts';
import { bundledBroker, natsServer, type ServerUnderTest, type StartServer } from '../support/server.ts';
import { Wire } from '../support/wire.ts';

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

interface Told {
  readonly subject: string;
  readonly advisory: Advisory;
}

class Watcher {
  readonly #wire: Wire;
  /** What has come and was not waited for: in which order a server tells things is left to chance. */
  readonly #others: Told[] = [];

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Waits for the next one under a subject that ends like this. */
  async next(ending: string): Promise<Told> {
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

/** Has everything happen that a server tells of. */
async function happen(start: StartServer): Promise<Told[]> {
  const server = await start(configuration);
  const wires: Wire[] = [];
  let stopped: Promise<void> | undefined;
  try {
    const sys = await connect(server, { user: 'sys', pass: 'pw' });
    wires.push(sys);
    sys.send('SUB $SYS.> 1\r\n');
    await sys.drain();
    const watcher = new Watcher(sys);
    const told: Told[] = [];
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
    told.push(await watcher.next('.A.CONNECT'), await watcher.next('.ACCOUNT.A.SERVER.CONNS'));
    guest.end();
    told.push(await watcher.next('.A.DISCONNECT'));
    const wrong = await connect(server, { user: 'alice', pass: 'wrong' });
    await wrong.closed();
    told.push(await watcher.next('.CLIENT.AUTH.ERR'));
    const lost = await connect(server, { user: 'alice', pass: 'pw' });
    lost.send('NONSENSE\r\n');
    await lost.closed();
    told.push(await watcher.next('.A.CONNECT'), await watcher.next('.A.DISCONNECT'));
    // The heartbeat, at once: who asks without a reply subject asks for it.
    sys.send('PUB $SYS.REQ.SERVER.PING 0\r\n\r\n');
    told.push(await watcher.next('.STATSZ'));
    stopped = server.stop();
    told.push(await watcher.next('.SHUTDOWN'));
    return told;
  } finally {
    for (const wire of wires) wire.end();
    await (stopped ?? server.stop());
  }
}

/** The paths of all values, but for what nats-server says of features that only it has. */
function keysOf({ advisory }: Told): string[] {
  return [...typesOf(advisory)]
    .map(([key, type]) => `${key} ${type}`)
    .filter((key) => !key.includes('feature_flags'));
}

function steadyOf({ advisory: { type, client, reason, sent, received, acc } }: Told) {
  const { start, stop, rtt, id, ...who } = client ?? {};
  return { type, who, reason, sent: sent?.msgs, received: received?.msgs, acc };
}

describePeer('nats-server', 'advisories', (bin) => {
  it('say the same of the same events, under the same subjects', async () => {
    const [mine, real] = await Promise.all([happen(bundledBroker), happen(natsServer(bin))]);
    expect(mine?.map(({ subject }) => subject)).toEqual(real?.map(({ subject }) => subject));
    for (const [index, told] of (real ?? []).entries()) {
      const own = mine?.[index] ?? told;
      expect([told.subject, ...keysOf(own).sort()]).toEqual([told.subject, ...keysOf(told).sort()]);
      const isCount = /CONNS|STATSZ/.test(told.subject);
      if (!isCount) expect(steadyOf(own)).toEqual(steadyOf(told));
    }
    expect(JSON.stringify(mine)).not.toContain('wrong');
  });
});
