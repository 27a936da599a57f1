// Runs a broker in the test's process, on a configuration that the test can reload, and connects clients to it.
import type { ConnectionOptions } from 'node:tls';
import { afterEach } from 'vitest';
import type { Broker } from '../../src/broker/running.ts';
import { type BrokerSettings, type BrokerUnderTest, startInProcess } from '../harness/server.ts';
import { connectLine } from '../harness/socket.ts';
import { Wire, type WireOptions } from '../harness/wire.ts';

export class Running {
  readonly #server: BrokerUnderTest;
  readonly #tls: ConnectionOptions | undefined;

  private constructor(server: BrokerUnderTest, tls: ConnectionOptions | undefined) {
    this.#server = server;
    this.#tls = tls;
  }

  /**
   * Starts a broker on any free port; it is closed after the test.
   * @param tls the clients' options, if the text has TLS
   */
  static async start(text = '', tls?: ConnectionOptions, settings: BrokerSettings = {}): Promise<Running> {
    const server = await startInProcess(text, { debug: true, version: '1.2.3', ...settings });
    running.push(server);
    return new Running(server, tls);
  }

  get broker(): Broker {
    return this.#server.broker;
  }

  get log(): string {
    return this.#server.log();
  }

  reload(text: string): Promise<void> {
    return this.#server.reload(text);
  }

  async open(options: WireOptions = this.#tls ? { tls: this.#tls } : {}): Promise<Wire> {
    const wire = await Wire.open(this.broker.port, options);
    wires.push(wire);
    return wire;
  }

  /** Opens a connection that is neither verbose nor pedantic, and waits until the broker accepts it. */
  async connect(connect: object = {}, options?: WireOptions): Promise<Wire> {
    const wire = await this.open(options);
    wire.send(connectLine(connect));
    await wire.receives('');
    return wire;
  }
}

const running: BrokerUnderTest[] = [];
const wires: Wire[] = [];

afterEach(async () => {
  for (const wire of wires.splice(0)) wire.end();
  await Promise.all(running.splice(0).map((server) => server.stop()));
});
