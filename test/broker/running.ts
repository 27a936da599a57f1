// Runs a broker in the test's process, on a configuration that the test can reload, and connects clients to it.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { afterEach } from 'vitest';
import { type Broker, startBroker } from '../../src/broker/broker.ts';
import { type BrokerOptions, readBrokerOptions } from '../../src/broker/options/options.ts';
import { type ConfProblem, throwOnErrors } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { LineLogger } from '../../src/log.ts';
import { makeAuthority, makeLeaf, type Pair } from '../support/openssl.ts';
import { Wire, type WireOptions } from '../support/wire.ts';

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
  readonly broker: Broker;
  readonly #lines: string[];
  readonly #configuration: { text: string };
  readonly #tls: ConnectionOptions | undefined;

  private constructor(
    broker: Broker,
    lines: string[],
    configuration: { text: string },
    tls: ConnectionOptions | undefined,
  ) {
    this.broker = broker;
    this.#lines = lines;
    this.#configuration = configuration;
    this.#tls = tls;
  }

  /**
   * Starts a broker on any free port; it is closed after the test.
   * @param tls the clients' options, if the text has TLS
   */
  static async start(text = '', tls?: ConnectionOptions): Promise<Running> {
    const lines: string[] = [];
    const configuration = { text };
    const reread = () => parse(configuration.text);
    const options = reread();
    const levels = { debug: true, trace: options.log.trace, timestamps: false };
    const logger = new LineLogger((line) => lines.push(line), levels);
    const broker = await startBroker(options, { logger, reread, version: '1.2.3' });
    running.push(broker);
    return new Running(broker, lines, configuration, tls);
  }

  get log(): string {
    return this.#lines.join('');
  }

  async reload(text: string): Promise<void> {
    this.#configuration.text = text;
    await this.broker.reload();
  }

  async open(options: WireOptions = this.#tls ? { tls: this.#tls } : {}): Promise<Wire> {
    const wire = await Wire.open(this.broker.port, options);
    wires.push(wire);
    return wire;
  }

  /** Opens a connection that is neither verbose nor pedantic, and waits until the broker accepts it. */
  async connect(connect: object = {}, options?: WireOptions): Promise<Wire> {
    const wire = await this.open(options);
    wire.send(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...connect })}\r\n`);
    await wire.receives('');
    return wire;
  }
}

const running: Broker[] = [];
const wires: Wire[] = [];

afterEach(async () => {
  for (const wire of wires.splice(0)) wire.end();
  await Promise.all(running.splice(0).map((broker) => broker.close()));
});

function parse(text: string): BrokerOptions {
  const problems: ConfProblem[] = [];
  const root = parseConf(`listen: "127.0.0.1:-1"\n${text}`, { file: 'nats.conf' });
  const options = readBrokerOptions(root, problems);
  throwOnErrors(problems);
  return options;
}
