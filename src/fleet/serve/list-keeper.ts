// Keeps the revocation lists of an authority fresh while it is served, and makes them where certificates name their address.
import { setTimeout as delay } from 'node:timers/promises';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import type { Logger } from '../../log.ts';
import {
  type ListOptions,
  renewRevocationLists,
  type WrittenLists,
  writeRevocationLists,
} from '../../pki/revoke/lists.ts';

/** The longest time between two looks at the lists, in milliseconds. */
const longestMs = 60 * 60_000;
/** How soon a failure is repeated, in milliseconds. */
const retryMs = 60_000;

export interface ListKeeperOptions extends ListOptions {
  readonly logger: Pick<Logger, 'info' | 'error'>;
  readonly signal: AbortSignal;
}

/** Writes the lists when they are due, until the signal is aborted. */
export async function keepLists(options: ListKeeperOptions): Promise<void> {
  const { signal } = options;
  while (!signal.aborted) {
    const waitMs = await round(options);
    await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Returns how long to wait for the next round, in milliseconds. */
async function round(options: ListKeeperOptions): Promise<number> {
  const { directory, logger, now = () => new Date() } = options;
  const report = ({ lists, notices }: WrittenLists) => {
    for (const { issuer, number, revoked } of lists)
      logger.info(`Wrote revocation list ${number} of "${issuer}" with ${revoked} certificates`);
    for (const notice of notices) logger.info(notice);
  };
  try {
    const { crl } = await directory.addresses();
    if (crl.length > 0 && !exists(directory.revocationListFile)) report(await writeRevocationLists(options));
    const { written, next } = await renewRevocationLists(options);
    if (written !== undefined) report(written);
    if (next === undefined) return longestMs;
    // A list whose issuer cannot sign stays due.
    return Math.min(longestMs, Math.max(retryMs, next.getTime() - now().getTime()));
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    logger.error(`Cannot renew the revocation list: ${error.message}`);
    return retryMs;
  }
}
