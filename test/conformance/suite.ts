// Runs one set of tests for behaviour on the wire against the bundled broker and, where it is installed, the real
// nats-server. One server serves a whole set; each test uses subjects of its own.
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import {
  bundledBroker,
  natsServer,
  type ServerUnderTest,
  type StartServer,
  websocketPort,
} from '../harness/server.ts';
import { connectLine } from '../harness/socket.ts';
import { Wire, type WireOptions } from '../harness/wire.ts';
import { type ChangeName, natsServerHas } from '../support/nats-server-changes.ts';
import { describePeer } from '../support/peers.ts';

/** The websocket block of servers that are tested over WebSocket, and the headers of its clients. */
const websocketBlock = 'websocket { listen: "127.0.0.1:-1", no_tls: true, compression: true }';
const websocketHeaders = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };

export class Suite {
  readonly kind: 'broker' | 'nats-server';
  /** How the wires connect. */
  readonly transport: 'tcp' | 'websocket';
  #server: ServerUnderTest | undefined;
  #port = 0;
  #wires: Wire[] = [];
  #subjects = 0;

  constructor(
    kind: Suite['kind'],
    start: StartServer,
    configuration: string,
    transport: Suite['transport'] = 'tcp',
  ) {
    this.kind = kind;
    this.transport = transport;
    beforeAll(async () => {
      if (transport === 'tcp') {
        this.#server = await start(configuration);
        this.#port = this.#server.port;
      } else {
        const own = configuration.includes('websocket {') ? '' : websocketBlock;
        this.#server = await start(`${configuration}\n${own}`);
        this.#port = await websocketPort(this.#server);
      }
    });
    afterEach(() => {
      for (const wire of this.#wires.splice(0)) wire.end();
    });
    afterAll(async () => this.#server?.stop());
  }

  /** The port that the wires connect to. */
  get port(): number {
    return this.#port;
  }

  get server(): ServerUnderTest {
    if (!this.#server) throw new Error('the server runs only during its tests');
    return this.#server;
  }

  /** Returns whether the server has a change of nats-server; the broker has them all. */
  has(change: ChangeName): boolean {
    return this.kind === 'broker' || natsServerHas(change);
  }

  /** Options of a wire that receives what is sent to it without compression. */
  get uncompressed(): WireOptions {
    return this.transport === 'websocket' ? { websocket: {} } : {};
  }

  /** Returns a subject that no other test of this suite uses. */
  subject(): string {
    this.#subjects += 1;
    return `s${this.#subjects}`;
  }

  /** Opens a connection, reads the greeting and sends nothing. */
  async open(options: WireOptions = {}): Promise<Wire> {
    const own = this.transport === 'websocket' ? { websocket: websocketHeaders } : {};
    const mayLoseErrors = this.transport === 'websocket' && this.kind === 'nats-server';
    const wire = await Wire.open(this.#port, { ...own, mayLoseErrors, ...options });
    this.#wires.push(wire);
    return wire;
  }

  /**
   * Opens a connection, sends CONNECT with these options on top of `verbose` and `pedantic` off, and waits until
   * the server has processed it.
   */
  async connect(connect: object = {}, options: WireOptions = {}): Promise<Wire> {
    const wire = await this.open(options);
    wire.send(connectLine(connect));
    await wire.receives('');
    return wire;
  }
}

/**
 * Declares the tests `cases` for a server with this configuration, once per server.
 * @param change a change of nats-server that the configuration needs; skips the nats-server without it
 */
export function conformance(
  title: string,
  configuration: string,
  cases: (suite: Suite) => void,
  change?: ChangeName,
): void {
  describe(`${title}, on the bundled broker`, () => {
    cases(new Suite('broker', bundledBroker, configuration));
  });
  describePeer('nats-server', `${title}, on nats-server`, (bin) => {
    const body = () => cases(new Suite('nats-server', natsServer(bin), configuration));
    if (change === undefined) body();
    else describe.runIf(natsServerHas(change))(`that has ${change}`, body);
  });
}

/** Declares the tests `cases` as `conformance` does, and again for clients of a WebSocket. */
export function conformanceOnBothPorts(
  title: string,
  configuration: string,
  cases: (suite: Suite) => void,
): void {
  conformance(title, configuration, cases);
  conformanceOverWebSocket(title, configuration, cases);
}

/** Declares the tests `cases` as `conformance` does, for clients of a WebSocket. */
export function conformanceOverWebSocket(
  title: string,
  configuration: string,
  cases: (suite: Suite) => void,
): void {
  describe(`${title}, over WebSocket on the bundled broker`, () => {
    cases(new Suite('broker', bundledBroker, configuration, 'websocket'));
  });
  describePeer('nats-server', `${title}, over WebSocket on nats-server`, (bin) => {
    cases(new Suite('nats-server', natsServer(bin), configuration, 'websocket'));
  });
}

/**
 * Declares tests that compare the broker with nats-server, both with this configuration; skipped without
 * nats-server.
 */
export function besideNatsServer(
  title: string,
  configuration: string,
  cases: (sides: readonly [ours: Suite, theirs: Suite]) => void,
): void {
  describePeer('nats-server', `${title}, compared with nats-server`, (bin) => {
    const theirs = new Suite('nats-server', natsServer(bin), configuration);
    cases([new Suite('broker', bundledBroker, configuration), theirs]);
  });
}
