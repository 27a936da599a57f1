// The settings of every route: limits, times and headers, from the cluster block or else those of clients. They are
// read on each use, so that a reload takes effect.
import type { ParserLimits } from '../../protocol/operations.ts';
import type { BrokerContext } from '../clients/broker-context.ts';
import { type ClusterOptions, maxRoutePingMs } from '../options/cluster-options.ts';
import type { HeartbeatSettings } from '../transport/heartbeat.ts';
import type { Transport } from '../transport/transport.ts';

/** Multiplies max_control_line, since the lines of routes are longer (parser.go, overMaxControlLineLimit). */
const controlLineFactor = 16;

export class RouteSettings {
  /** The transport of clients with the write deadline of routes. */
  readonly transport: Transport;
  readonly #broker: BrokerContext;

  constructor(broker: BrokerContext) {
    const { transport } = broker;
    this.#broker = broker;
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
        return broker.options.cluster?.writeDeadlineMs ?? transport.writeDeadlineMs;
      },
    };
  }

  get limits(): ParserLimits {
    const { maxControlLine, maxPayload } = this.#broker.options;
    return { maxControlLine: controlLineFactor * maxControlLine, maxPayload };
  }

  get headers(): boolean {
    return this.#broker.options.headers;
  }

  get heartbeat(): HeartbeatSettings {
    const { pingIntervalMs, pingMax } = this.#broker.options;
    return {
      pingIntervalMs: Math.min(this.#cluster?.pingIntervalMs ?? pingIntervalMs, maxRoutePingMs),
      pingMax: this.#cluster?.pingMax ?? pingMax,
    };
  }

  /** Milliseconds that a peer has to send its first INFO (opts.go, getDefaultAuthTimeout). */
  get infoTimeoutMs(): number {
    const tls = this.#cluster?.tls;
    return this.#cluster?.authorization?.timeoutMs ?? (tls === undefined ? 2000 : tls.timeoutMs + 1000);
  }

  get #cluster(): ClusterOptions | undefined {
    return this.#broker.options.cluster;
  }
}
