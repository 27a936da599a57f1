// The settings of every route: limits, times and headers, from the cluster block or else those of clients. They are
// read on each use, so that a reload takes effect.
import type { ParserLimits } from '../../protocol/operations.ts';
import { type ClusterOptions, maxRoutePingMs } from '../options/cluster-options.ts';
import type { BrokerOptions } from '../options/options.ts';
import type { Transport } from '../transport/connection.ts';
import type { HeartbeatSettings } from '../transport/heartbeat.ts';

/** Multiplies max_control_line, since the lines of routes are longer (parser.go, overMaxControlLineLimit). */
const controlLineFactor = 16;

export interface SettingsSource {
  readonly options: BrokerOptions;
  /** The transport of clients. */
  readonly transport: Transport;
}

export class RouteSettings {
  /** The transport of clients with the write deadline of routes. */
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

  /** Milliseconds that a peer has to introduce itself (opts.go, getDefaultAuthTimeout). */
  get introductionMs(): number {
    const tls = this.#cluster?.tls;
    return this.#cluster?.authorization?.timeoutMs ?? (tls === undefined ? 2000 : tls.timeoutMs + 1000);
  }

  get #cluster(): ClusterOptions | undefined {
    return this.#source.options.cluster;
  }
}
