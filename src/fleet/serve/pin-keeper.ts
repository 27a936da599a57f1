// Keeps the pins of configurations true: the new pin is written, and servers are told, before a member gets its certificate
// and before a pair of the folder changes.
import { setTimeout as delay } from 'node:timers/promises';
import { NatspkiError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { ServerUpdater } from '../../pki/rotate/renewer.ts';
import type { PinChange } from '../../pki/rotate/rotate.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { addSuccessors, configurationFiles, type PinEdit } from '../../rollout/pin-update.ts';
import { findServer, reloadServer } from '../../rollout/signal.ts';

export interface PinKeeperOptions {
  /** Its lock keeps other authorities and commands from editing the configurations at the same time. */
  readonly directory: Pick<PkiDirectory, 'exclusive'>;
  /** Kept with their includes. */
  readonly configurations: readonly string[];
  /** Process ids of nats-servers, or their pid files. */
  readonly reload: readonly string[];
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** How long servers have to read new pins, in milliseconds; they do not confirm the signal. */
  readonly settleMs?: number;
}

export interface PinKeeper {
  /** Announces the new keys of members; takes the lock of the folder. */
  announce(changes: readonly PinChange[]): Promise<void>;
  /** Announces the new keys of pairs of the folder, whose renewal holds its lock, and reloads servers afterwards. */
  readonly updater: ServerUpdater;
}

/**
 * Reads the configurations and finds the servers. Throws for an unreadable configuration, and for a process that is no NATS
 * server; one that does not run is told once it does.
 */
export async function keepPins({
  directory,
  configurations,
  reload,
  logger,
  settleMs = 1000,
}: PinKeeperOptions): Promise<PinKeeper> {
  for (const file of configurations) configurationFiles(file);
  for (const target of reload) await unlessAway(() => findServer(target), logger);
  const tell = async () => {
    for (const target of reload) {
      const pid = await unlessAway(() => reloadServer(target), logger);
      if (pid !== undefined) logger.info(`Told process ${pid} to reload`);
    }
  };
  const add = (changes: readonly PinChange[]) => {
    // An include may have been added since.
    const files = [...new Set(configurations.flatMap(configurationFiles))];
    return addSuccessors(files, changes);
  };
  const settle = async (edits: readonly PinEdit[]) => {
    if (edits.length === 0) return;
    for (const { file, pins } of edits)
      logger.info(`Added ${pins.length === 1 ? '1 pin' : `${pins.length} pins`} to ${file}`);
    await tell();
    await delay(settleMs);
  };
  return {
    announce: async (changes) => {
      if (configurations.length > 0) await settle(await directory.exclusive(() => add(changes)));
    },
    updater: {
      announce: async (changes) => settle(await add(changes)),
      reload: tell,
      prune: async () => undefined,
      verify: async () => [],
      report: () => [],
    },
  };
}

/** A server that is not running reads the pins when it starts. */
async function unlessAway(
  work: () => Promise<number>,
  logger: Pick<Logger, 'warn'>,
): Promise<number | undefined> {
  try {
    return await work();
  } catch (error) {
    const isAway = error instanceof NatspkiError && ['no-process', 'file-missing'].includes(error.code);
    if (!isAway) throw error;
    logger.warn(`${error.message}: not told to reload`);
    return undefined;
  }
}
