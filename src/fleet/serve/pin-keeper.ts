// Keeps the pins of configurations true while members renew: the new pin is written, and servers are told, before the member
// gets its certificate.
import { setTimeout as delay } from 'node:timers/promises';
import { NatspkiError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { PinChange } from '../../pki/rotate/rotate.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { addSuccessors, configurationFiles } from '../../rollout/pin-update.ts';
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

/**
 * Returns the function that announces new keys. Throws for an unreadable configuration, and for a process that is no NATS
 * server; one that does not run is told once it does.
 */
export async function keepPins({
  directory,
  configurations,
  reload,
  logger,
  settleMs = 1000,
}: PinKeeperOptions): Promise<(changes: readonly PinChange[]) => Promise<void>> {
  for (const file of configurations) configurationFiles(file);
  for (const target of reload) await unlessAway(() => findServer(target), logger);
  return async (changes) => {
    if (configurations.length === 0) return;
    const edits = await directory.exclusive(async () => {
      // An include may have been added since.
      const files = [...new Set(configurations.flatMap(configurationFiles))];
      return addSuccessors(files, changes);
    });
    if (edits.length === 0) return;
    for (const { file, pins } of edits)
      logger.info(`Added ${pins.length === 1 ? '1 pin' : `${pins.length} pins`} to ${file}`);
    for (const target of reload) {
      const pid = await unlessAway(() => reloadServer(target), logger);
      if (pid !== undefined) logger.info(`Told process ${pid} to reload`);
    }
    await delay(settleMs);
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
