// Renews the pairs that `serve` itself uses: the one of HTTPS, and the one that it connects to NATS with. HTTPS takes a new
// pair for the next handshake, and NATS for the next connection; what is open stays open.
import { formatDuration } from '../../duration.ts';
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import type { Logger } from '../../log.ts';
import { Renewer, type ServerUpdater } from '../../pki/rotate/renewer.ts';
import { runRounds, type Timekeeper } from '../../pki/rotate/rounds.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';

export interface OwnPairsOptions {
  readonly directory: PkiDirectory;
  readonly names: readonly string[];
  /** Opens the key of the authority. */
  readonly passphrase?: string;
  readonly updater: ServerUpdater;
  readonly logger: Logger;
  readonly time: Timekeeper;
  readonly signal: AbortSignal;
}

/** Renews the pairs in the last third of their life, until the signal is aborted; a failure is logged and tried again. */
export async function keepOwnPairs(options: OwnPairsOptions): Promise<void> {
  const { directory, names, passphrase, updater, logger, time, signal } = options;
  const renewer = new Renewer({
    directory,
    names,
    updater: async () => updater,
    spread: 0.1,
    logger,
    now: () => time.now(),
    ...given({ passphrase }),
  });
  const onFailure = (error: unknown, pauseMs: number) => {
    const { message, hint } = error as NatspkiError;
    logger.error(`Cannot renew what this process serves with: ${message}`);
    if (error instanceof NatspkiError && hint !== undefined) logger.error(`hint: ${hint}`);
    logger.warn(`trying again in ${formatDuration(pauseMs)}`);
  };
  await runRounds({ round: () => renewer.round(), onFailure, time, signal });
}
