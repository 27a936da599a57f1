// Runs a broker as a process until it has ended: with its log, its pid and ports files and its signal handlers.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../files/files.ts';
import { formatHostPort } from '../net/host-port.ts';
import { startBroker } from './broker.ts';
import { type ConfigurationSource, CurrentConfiguration } from './options/configuration.ts';
import { type LogSettings, ProcessLog } from './process-log.ts';
import { Reloader } from './reloader.ts';
import type { Broker } from './running.ts';

export interface ProcessSettings extends LogSettings {
  /** The version in the log and in monitoring. */
  readonly version: string;
  /** The prefix of the ports file's name, as nats-server uses its program name; by default natspki. */
  readonly program?: string | undefined;
  /** Called once clients can connect and signals are handled. */
  readonly onReady?: (broker: Broker) => void;
}

/**
 * Runs a broker until a signal or lame duck mode has ended it. Throws a NatspkiError before it listens if the
 * configuration, the TLS material or the address is unusable.
 */
export async function runBroker(source: ConfigurationSource, settings: ProcessSettings): Promise<void> {
  const configuration = new CurrentConfiguration(source);
  const { options } = configuration;
  const log = new ProcessLog(options.log, settings);
  const { logger } = log;
  if (source.config !== undefined) logger.info(`Using configuration file: ${source.config}`);
  configuration.warn(logger);
  let start: (broker: Broker) => void = () => {};
  const started = new Promise<Broker>((resolve) => {
    start = resolve;
  });
  // Before the broker reports that it is ready: a supervisor may then send a signal or change a file immediately.
  const reloader = new Reloader(started, () => configuration.files, logger);
  const stopHandling = handleSignals(started, reloader, log);
  await reloader.watch();
  const written: string[] = [];
  let broker: Broker | undefined;
  try {
    if (options.pidFile !== undefined) written.push(await writePidFile(options.pidFile));
    broker = await startBroker(options, {
      logger,
      version: settings.version,
      reread: configuration.reread,
      onReload: (next) => {
        log.apply(next.log);
        configuration.warn(logger);
      },
    });
    start(broker);
    if (options.portsFileDir !== undefined) {
      // As in nats-server, clients can do without a ports file.
      const path = await writePortsFile(options.portsFileDir, broker, settings.program).catch((error) => {
        logger.error(`Error writing ports file: ${(error as Error).message}`);
      });
      if (path !== undefined) written.push(path);
    }
    settings.onReady?.(broker);
    await broker.ended;
  } finally {
    // An error after the start must not leave the broker running.
    await broker?.close();
    for (const path of written) rmSync(path, { force: true });
    await reloader.close();
    stopHandling();
    log.close();
  }
}

/**
 * Handles signals as nats-server does (signal.go), once the broker has started. Returns the function that removes the
 * handlers.
 */
function handleSignals(started: Promise<Broker>, reloader: Reloader, log: ProcessLog): () => void {
  const { logger } = log;
  let isLameDuck = false;
  const reactions: Partial<Record<NodeJS.Signals, (broker: Broker) => Promise<void> | void>> = {
    SIGINT: (broker) => broker.close(),
    // A service manager's stop must not cut lame duck mode short.
    SIGTERM: (broker) => (isLameDuck ? undefined : broker.close()),
    SIGHUP: () => reloader.reload(),
    SIGUSR1: () => log.reopen(),
    SIGUSR2: (broker) => {
      isLameDuck = true;
      return broker.lameDuck();
    },
  };
  let isStarted = false;
  void started.then(() => {
    isStarted = true;
  });
  const handle = async (signal: NodeJS.Signals) => {
    logger.info(`Trapped "${signal}" signal`);
    if (signal === 'SIGHUP' && !isStarted) {
      logger.info('Server is still starting, config reload will run once startup completes');
    }
    await reactions[signal]?.(await started);
  };
  const signals = Object.keys(reactions) as NodeJS.Signals[];
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
}

async function writePidFile(path: string): Promise<string> {
  await writeFileAtomic(path, `${process.pid}`, { mode: 0o644 });
  return path;
}

/** Writes the ports file, from which other programs learn a port that the broker chose (server.go, logPorts). */
async function writePortsFile(
  folder: string,
  { clientUrl, monitorUrl, routeUrl, websocketUrl, address: host, port }: Broker,
  program = 'natspki',
): Promise<string> {
  const path = join(folder, `${program}_${process.pid}.ports`);
  const url = `${new URL(clientUrl).protocol}//${formatHostPort({ host, port })}`;
  await writeFileAtomic(
    path,
    JSON.stringify({
      nats: [url],
      monitoring: monitorUrl && [monitorUrl],
      cluster: routeUrl && [routeUrl],
      websocket: websocketUrl && [websocketUrl],
    }),
    { mode: 0o644 },
  );
  return path;
}
