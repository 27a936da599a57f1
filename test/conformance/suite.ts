// Runs one description of wire behaviour against every server there is: the bundled broker always, the real nats-server
// where it is found. One server serves a whole description; each case has subjects of its own.
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { type ChangeName, natsServerHas } from '../support/nats-server-changes.ts';
import { describePeer } from '../support/peers.ts';
import { bundledBroker, natsServer, type ServerUnderTest, type StartServer } from '../support/server.ts';
import { Wire, type WireOptions } from '../support/wire.ts';

export class Suite {
  readonly kind: 'broker' | 'nats-server';
  #server: ServerUnderTest | undefined;
  #wires: Wire[] = [];
  #subjects = 0;

  constructor(kind: Suite['kind'], start: StartServer, configuration: string) {
    this.kind = kind;
    beforeAll(async () => {
      this.#server = await start(configuration);
    });
    afterEach(() => {
      for (const wire of this.#wires.splice(0)) wire.end();
    });
    afterAll(async () => this.#server?.stop());
  }

  get server(): ServerUnderTest {
    if (!this.#server) throw new Error('a server runs only while its tests do');
    return this.#server;
  }

  /** Whether the server has a change of nats-server: the broker has them all. */
  has(change: ChangeName): boolean {
    return this.kind === 'broker' || natsServerHas(change);
  }

  /** Gives a subject that no other case uses. */
  subject(): string {
    this.#subjects += 1;
    return `s${this.#subjects}`;
  }

  /** Opens a connection that has read the greeting and sent nothing. */
  async open(options: WireOptions = {}): Promise<Wire> {
    const wire = await Wire.open(this.server.port, options);
    this.#wires.push(wire);
    return wire;
  }

  /** Opens a connection, sends a quiet, lenient CONNECT with these options on top and waits until the server has taken it. */
  async connect(connect: object = {}, options: WireOptions = {}): Promise<Wire> {
    const wire = await this.open(options);
    wire.send(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...connect })}\r\n`);
    await wire.receives('');
    return wire;
  }
}

/** Describes behaviour on the wire of a server with this configuration. */
export function conformance(title: string, configuration: string, cases: (suite: Suite) => void): void {
  describe(`${title}, on the bundled broker`, () => {
    cases(new Suite('broker', bundledBroker, configuration));
  });
  describePeer('nats-server', `${title}, on nats-server`, (bin) => {
    cases(new Suite('nats-server', natsServer(bin), configuration));
  });
}

/** Describes in what the two servers are alike with this configuration, where there is a nats-server. */
export function besideNatsServer(
  title: string,
  configuration: string,
  cases: (sides: readonly [ours: Suite, theirs: Suite]) => void,
): void {
  describePeer('nats-server', `${title}, beside nats-server`, (bin) => {
    const theirs = new Suite('nats-server', natsServer(bin), configuration);
    cases([new Suite('broker', bundledBroker, configuration), theirs]);
  });
}
