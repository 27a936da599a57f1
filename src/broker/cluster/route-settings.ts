// What holds for every route, read anew each time so that a reload counts: limits, times and headers, from the cluster
// block or, where that says nothing, as for clients.
import type { ParserLimits } from '../../protocol/operations.ts';
import { type ClusterOptions, maxRoutePingMs } from '../options/cluster-options.ts';
import type { BrokerOptions } from '../options/options.ts';
import type { Transport } from '../transport/connection.ts';
import type { HeartbeatSettings } from '../transport/heartbeat.ts';

/** The lines of routes carry more than those of clients (parser.go, overMaxControlLineLimit). */
const controlLineFactor = 16;

export interface SettingsSource {
  readonly options: BrokerOptions;
  /** That of clients. */
  readonly transport: Transport;
}

export class RouteSettings {
  /** That of clients, but for how long a write may take. */
  readonly transport: Transport;
  readonly #source: SettingsSource;

  constructor(source: SettingsSource) {
    const { transport } = source;
    this.#source = source;
    this.transport = {
      pool: transport.pool,
      flusher: transport.flusher,
      writer: transport.writer,
      readBuffer: transport.readBuffer,
      lines: transport.lines,
      clock: transport.clock,
      get maxPending() {
        return transport.maxPending;
      },
      get writeDeadlineMs() {
        return source.options.cluster?.writeDeadlineMs ?? transport.writeDeadlineMs;
      },
    };
  }

  get limits(): ParserLimits {
    const { maxControlLine, maxPayload } = this.#source.options;
    return { maxControlLine: controlLineFactor * maxControlLine, maxPayload };
  }

  get headers(): boolean {
    return this.#source.options.headers;
  }

  get heartbeat(): HeartbeatSettings {
    const { pingIntervalMs, pingMax } = this.#source.options;
    return {
      pingIntervalMs: Math.min(this.#cluster?.pingIntervalMs ?? pingIntervalMs, maxRoutePingMs),
      pingMax: this.#cluster?.pingMax ?? pingMax,
    };
  }

  /** How long a server may take to introduce itself (opts.go, getDefaultAuthTimeout). */
  get introductionMs(): number {
    const tls = this.#cluster?.tls;
    return this.#cluster?.authorization?.timeoutMs ?? (tls === undefined ? 2000 : tls.timeoutMs + 1000);
  }

  get #cluster(): ClusterOptions | undefined {
    return this.#source.options.cluster;
  }
}
