// `natspki watch`: keeps running and renews certificates when they are due.
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import {
  directoryFlag,
  passphraseFileFlag,
  prunePinsFlag,
  rolloutFlags,
  windowFlag,
} from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import { logFailure, processLogger, untilStopped } from '../src/cli/watch-process.ts';
import { given } from '../src/given.ts';
import type { Logger } from '../src/log.ts';
import { type ListOptions, renewRevocationLists } from '../src/pki/revoke/lists.ts';
import { Renewer } from '../src/pki/rotate/renewer.ts';
import { runRounds, systemTime } from '../src/pki/rotate/rounds.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { Rollout } from '../src/rollout/rollout.ts';

export default class Watch extends BaseCommand {
  static override summary = 'Keep running and renew certificates when they are due.';
  static override usage = 'watch [--due WINDOW] [--once] [--config FILE...] [--reload PID] [--verify URL]';
  static override description =
    'Renews certificates as `natspki rotate --due` does, updates the pins, and sleeps until the next certificate is due. Renewals that are due together are spread over the first tenth of the window. Renews ca.crl, if it exists, after half of its life and after each revocation. A failed round is tried again. SIGINT and SIGTERM stop it. It does not renew the authority; that is `natspki rotate --ca`.';
  static override examples = [
    'In the foreground, beside a running nats-server\nnatspki watch --reload nats.pid --verify tls://localhost:4222',
    'From cron: every certificate that expires within 30 days\nnatspki watch --once --due 30d',
  ];
  static override flags = {
    dir: directoryFlag(),
    due: windowFlag({
      description: 'Renew certificates that expire within this time.',
      defaultHelp: async () => 'the last third of their life',
    }),
    once: Flags.boolean({ description: 'Renew what is due now and exit, for cron.' }),
    ...rolloutFlags(),
    'prune-pins': prunePinsFlag(),
    'passphrase-file': passphraseFileFlag(),
  };

  async run() {
    const { flags } = await this.parse(Watch);
    const { once, reload, verify } = flags;
    const directory = new PkiDirectory(flags.dir);
    const logger = processLogger();
    const configurations = flags.config ?? configurationsHere();
    const passphrase = await authorityPassphrase(directory, flags);
    const renewer = new Renewer({
      directory,
      logger,
      prunePins: flags['prune-pins'],
      spread: once ? 0 : 0.1,
      ...given({ passphrase, dueMs: flags.due }),
      updater: () => Rollout.prepare({ configurations, ...given({ reload, verify }) }),
    });
    await renewer.prepare();
    // Fails now for an unreadable configuration or an invalid URL, but not for a server that is not running yet.
    await Rollout.prepare({ configurations, ...given({ verify }) });
    const round = async () =>
      earliest(await renewer.round(), await renewLists({ directory, ...given({ passphrase }) }, logger));
    if (once) await round();
    else {
      logger.info(`Watching ${flags.dir}`);
      await untilStopped(logger, (signal) =>
        runRounds({
          round,
          onFailure: (error, pauseMs) => logFailure(logger, error, pauseMs),
          time: systemTime,
          signal,
        }),
      );
    }
    return { directory: flags.dir, renewed: renewer.renewed };
  }
}

/** Renews the revocation lists when they are due; returns when they will be. */
async function renewLists(options: ListOptions, logger: Logger): Promise<Date | undefined> {
  const { written, next } = await renewRevocationLists(options);
  if (written !== undefined) logger.info(`wrote ${written.lists.length} revocation lists to ${written.file}`);
  for (const notice of written?.notices ?? []) logger.warn(notice);
  return next;
}

function earliest(first: Date | undefined, second: Date | undefined): Date | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return first < second ? first : second;
}
