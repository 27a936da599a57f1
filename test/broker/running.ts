// Runs a broker in the test's process, on a configuration that the test can reload, and connects clients to it.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { afterEach } from 'vitest';
import type { Broker } from '../../src/broker/broker.ts';
import { type BrokerSettings, type BrokerUnderTest, startInProcess } from '../harness/server.ts';
import { connectLine } from '../harness/socket.ts';
import { Wire, type WireOptions } from '../harness/wire.ts';
import { makeAuthority, makeLeaf, type Pair } from '../support/openssl.ts';

/** The files of one authority, and of a server and a client certificate that it signed. */
export interface Certificates {
  readonly ca: Pair;
  readonly server: Pair;
  readonly client: Pair;
}

export function makeCertificates(folder: string): Certificates {
  const ca = makeAuthority(folder);
  return {
    ca,
    server: makeLeaf(folder, 'server', ca, { usage: 'serverAuth' }),
    client: makeLeaf(folder, 'client', ca, { usage: 'clientAuth' }),
  };
}

/** Returns a tls block that verifies clients. */
export function verifyingTls({ ca, server }: Certificates, more = ''): string {
  return `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}", verify: true, ${more} }\n`;
}

export function clientTls({ ca, client }: Certificates, pair = client): ConnectionOptions {
  return {
    ca: readFileSync(ca.cert),
    cert: readFileSync(pair.cert),
    key: readFileSync(pair.key),
    host: '127.0.0.1',
  };
}

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
