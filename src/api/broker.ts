/// <reference lib="esnext.disposable" preserve="true" />
// Starts a broker inside a program: the part of the public interface that serves NATS clients.
import { startBroker as openBroker } from '../broker/broker.ts';
import { type ConfigurationSource, CurrentConfiguration } from '../broker/options/configuration.ts';
import type { BrokerFlags } from '../broker/options/options.ts';
import { ProcessLog } from '../broker/process-log.ts';
import { Reloader } from '../broker/reloader.ts';
import type { Broker } from '../broker/running.ts';
import { UsageError } from '../errors.ts';
import { packageVersion } from '../files/package-files.ts';

/** The files of a `tls` block. */
export interface BrokerTls {
  /** Certificate file in PEM, the leaf first. */
  readonly certFile: string;
  /** Private key file in PEM. */
  readonly keyFile: string;
  /** The authorities whose client certificates are accepted; without it, those of the system. */
  readonly caFile?: string;
  /** Whether each client must present a certificate. */
  readonly verify?: boolean;
}

/** What a broker serves: a configuration file or text, and options that take precedence over it. All are optional. */
export interface BrokerOptions {
  /** Path of a configuration file in nats-server's language. The broker reloads it when it changes. */
  readonly file?: string;
  /** Configuration text, instead of `file`. */
  readonly text?: string;
  /** Address to listen on; by default 0.0.0.0, as nats-server does. */
  readonly host?: string;
  /** Port for clients, 0 for any free one; by default 4222. */
  readonly port?: number;
  /** Name of the server, without spaces. */
  readonly serverName?: string;
  /** Port of monitoring over HTTP, 0 for any free one; by default there is no monitoring. */
  readonly httpPort?: number;
  /** User that clients log in as, with `pass`. */
  readonly user?: string;
  /** Password of `user`. */
  readonly pass?: string;
  /** Token that clients log in with. */
  readonly token?: string;
  /** TLS for clients. */
  readonly tls?: BrokerTls;
  /** Logs debug messages. */
  readonly debug?: boolean;
  /** Logs protocol messages. */
  readonly trace?: boolean;
  /** Warns of options that only nats-server supports, instead of rejecting them. */
  readonly ignoreUnsupported?: boolean;
  /** Receives each log line, with its newline, unless the configuration names a log file; by default nothing is logged. */
  readonly onLog?: (line: string) => void;
}

/** A running broker. `await using` closes it. */
export interface RunningBroker extends AsyncDisposable {
  /** URL for a client on this machine: `tls://127.0.0.1:4222`, or `nats://` without TLS. */
  readonly url: string;
  /** The port of the client listener. */
  readonly port: number;
  /** URL of monitoring; undefined without it. */
  readonly monitorUrl: string | undefined;
  /** URL for a WebSocket client on this machine: `wss://127.0.0.1:8443`; undefined without a websocket block. */
  readonly websocketUrl: string | undefined;
  /** URL for the other servers of the cluster; undefined without a cluster. */
  readonly routeUrl: string | undefined;
  /** Number of connected clients. */
  readonly clients: number;
  /** Resolves when the broker has ended. */
  readonly ended: Promise<void>;
  /**
   * Reads the file again, or takes a new text, and applies what a running broker can change. Certificate files are read
   * again too. An invalid configuration throws a NatspkiError and changes nothing.
   */
  reload(text?: string): Promise<void>;
  /** Disconnects the clients one by one, as nats-server does in lame duck mode, and then closes the broker. */
  lameDuck(): Promise<void>;
  /** Closes the broker: writes pending bytes, ends the connections, and frees ports, files and timers. */
  close(): Promise<void>;
  /** Closes the broker without writing pending bytes, as if the process was killed. */
  kill(): Promise<void>;
}

/**
 * Starts a broker in this process; it handles no signals and writes no pid file. Resolves when clients can connect. Throws
 * a NatspkiError: `invalid-configuration` with every error of the configuration, `listen`, or the code of an unusable
 * certificate, key or file.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<RunningBroker> {
  if (options.file !== undefined && options.text !== undefined) {
    throw new UsageError('both "file" and "text" are given, expected one of them');
  }
  const source: { -readonly [K in keyof ConfigurationSource]: ConfigurationSource[K] } = {
    config: options.file,
    text: options.text,
    flags: flagsOf(options),
    ignoreUnsupported: options.ignoreUnsupported,
  };
  const configuration = new CurrentConfiguration(source);
  const log = new ProcessLog(configuration.options.log, { writeLine: options.onLog ?? (() => {}) });
  const { logger } = log;
  configuration.warn(logger);
  const opening = openBroker(configuration.options, {
    logger,
    version: packageVersion(),
    reread: configuration.reread,
    onReload: (next) => {
      log.apply(next.log);
      configuration.warn(logger);
    },
  });
  const reloader = new Reloader(opening, () => configuration.files, logger);
  try {
    const [broker] = await Promise.all([opening, reloader.watch()]);
    const ended = broker.ended.then(async () => {
      await reloader.close();
      log.close();
    });
    return handleOf(broker, ended, async (text) => {
      const { text: before } = source;
      if (text !== undefined && options.file !== undefined) {
        throw new UsageError('the broker reads a file, which a text cannot replace');
      }
      source.text = text ?? before;
      await broker.reload().catch((error) => {
        source.text = before;
        throw error;
      });
    });
  } catch (error) {
    await opening.then(
      (broker) => broker.kill(),
      () => {},
    );
    await reloader.close();
    log.close();
    throw error;
  }
}

/** @param ended resolves when the broker has ended and what belongs to it is closed */
function handleOf(broker: Broker, ended: Promise<void>, reload: RunningBroker['reload']): RunningBroker {
  const end = (ending: Promise<void>) => ending.then(() => ended);
  const { clientUrl: url, port, monitorUrl, websocketUrl, routeUrl } = broker;
  return {
    url,
    port,
    monitorUrl,
    websocketUrl,
    routeUrl,
    get clients() {
      return broker.clients;
    },
    ended,
    reload,
    lameDuck: () => end(broker.lameDuck()),
    close: () => end(broker.close()),
    kill: () => end(broker.kill()),
    [Symbol.asyncDispose]: () => end(broker.close()),
  };
}

function flagsOf(options: BrokerOptions): BrokerFlags {
  const { host: addr, serverName, user, pass, token: auth, tls, debug, trace } = options;
  return {
    addr,
    port: anyFree(options.port),
    httpPort: anyFree(options.httpPort),
    serverName,
    user,
    pass,
    auth,
    debug,
    trace,
    tlscert: tls?.certFile,
    tlskey: tls?.keyFile,
    tlscacert: tls?.caFile,
    tlsverify: tls?.verify,
    tls: tls && true,
  };
}

/** Node names any free port 0, nats-server -1. */
function anyFree(port: number | undefined): number | undefined {
  return port === 0 ? -1 : port;
}
