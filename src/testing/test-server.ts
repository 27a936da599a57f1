// One server of a test: a broker on ports of its own, which a restart takes again.
import { randomInt } from 'node:crypto';
import { startBroker } from '../broker/broker.ts';
import { CurrentConfiguration } from '../broker/options/configuration.ts';
import type { Broker } from '../broker/running.ts';
import { NatspkiError } from '../errors.ts';
import { packageVersion } from '../files/package-files.ts';
import { LineLogger } from '../log.ts';
import type { MaterialCache } from '../tls/material.ts';

/**
 * The range of ports. The system gives ports from 32768 on to connections, so that it could give away the port of a server
 * that is to be restarted.
 */
const [lowestPort, endOfPorts] = [10_000, 32_768];
const maxAttempts = 50;

/** What the servers of a process have loaded, until there are many: reading keys is most of the work of a start. */
const materials: MaterialCache = new Map();
const maxMaterials = 32;

export interface TestServerOptions {
  readonly name: string;
  /** Path of the configuration. */
  readonly config: string;
  readonly debug: boolean;
  readonly isCluster: boolean;
  readonly onLog: (line: string) => void;
}

export class TestServer {
  readonly #options: TestServerOptions;
  #broker: Broker | undefined;
  #ports: { readonly client: number; readonly route: number } | undefined;

  constructor(options: TestServerOptions) {
    this.#options = options;
  }

  /** Undefined while the server is down. */
  get broker(): Broker | undefined {
    return this.#broker;
  }

  /** URL for clients; valid after the first start, also while the server is down. */
  get url(): string {
    return `tls://127.0.0.1:${this.#ports?.client}`;
  }

  get routeUrl(): string {
    return `tls://127.0.0.1:${this.#ports?.route}`;
  }

  /**
   * Starts the server unless it runs; on the ports of its previous start, or on any that are free.
   * @param others servers of the cluster to connect to
   */
  async start(others: readonly TestServer[]): Promise<void> {
    if (this.#broker !== undefined) return;
    const routes = others.map(({ routeUrl }) => routeUrl).join(',');
    for (let attempt = 1; ; attempt++) {
      const ports = this.#ports ?? {
        client: randomInt(lowestPort, endOfPorts),
        route: randomInt(lowestPort, endOfPorts),
      };
      try {
        this.#broker = await this.#open(ports, routes);
        this.#ports = ports;
        return;
      } catch (error) {
        const isTaken = error instanceof NatspkiError && error.code === 'listen';
        if (!isTaken || this.#ports !== undefined || attempt === maxAttempts) throw error;
      }
    }
  }

  /** Ends the server and its connections at once. */
  async kill(): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.kill();
  }

  #open(ports: { client: number; route: number }, routes: string): Promise<Broker> {
    const { name, config, debug, isCluster, onLog } = this.#options;
    const configuration = new CurrentConfiguration({
      config,
      flags: {
        addr: '127.0.0.1',
        port: ports.client,
        serverName: name,
        debug,
        ...(isCluster ? { cluster: `nats://127.0.0.1:${ports.route}`, routes } : {}),
      },
    });
    if (materials.size > maxMaterials) materials.clear();
    return startBroker(configuration.options, {
      materials,
      logger: new LineLogger(onLog, { debug }),
      version: packageVersion(),
      reread: configuration.reread,
    });
  }
}
