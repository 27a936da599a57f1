// `natspki watch`: renews certificates when they are due, for as long as it runs.
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
import { logFailure, processLogger, realTime, untilStopped } from '../src/cli/watch-process.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/directory.ts';
import { Renewer } from '../src/pki/renewer.ts';
import { runRounds } from '../src/rounds.ts';
import { Rollout } from '../src/tls/rollout.ts';

export default class Watch extends BaseCommand {
  static override summary = 'Renew certificates when they are due, for as long as it runs.';
  static override usage = 'watch [--due WINDOW] [--once] [--config FILE...] [--reload PID] [--verify URL]';
  static override description =
    'Renews as `natspki rotate --due` does, the pins of the configuration and the servers included, and sleeps until something is due; what is due together is spread over the first tenth of its window. A round that fails is tried again. SIGINT and SIGTERM stop it. The authority is left to `natspki rotate --ca`.';
  static override examples = [
    'In the foreground, beside a running nats-server\nnatspki watch --reload nats.pid --verify tls://localhost:4222',
    'From cron: whatever expires within 30 days\nnatspki watch --once --due 30d',
  ];
  static override flags = {
    dir: directoryFlag(),
    due: windowFlag({
      description: 'Renew what expires within this time.',
      defaultHelp: async () => 'the last third of its life',
    }),
    once: Flags.boolean({ description: 'Renew what is due now, and end; for cron.' }),
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
      audience: () => Rollout.prepare({ configurations, ...given({ reload, verify }) }),
    });
    await renewer.prepare();
    // A server that is not running yet is no reason not to start; what nobody can read or dial is.
    await Rollout.prepare({ configurations, ...given({ verify }) });
    if (once) await renewer.round();
    else {
      logger.info(`Watching ${flags.dir}`);
      await untilStopped(logger, (signal) =>
        runRounds({
          round: () => renewer.round(),
          onFailure: (error, pauseMs) => logFailure(logger, error, pauseMs),
          time: realTime,
          signal,
        }),
      );
    }
    return { directory: flags.dir, renewed: renewer.renewed };
  }
}
