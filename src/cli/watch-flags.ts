// The flags of `watch`.
import { boolean, string } from '@oclif/core/flags';
import { directoryFlag, passphraseFileFlag } from './flags.ts';
import { prunePinsFlag, rolloutFlags } from './rotate-flags.ts';

/** Makes the flags of `watch`. */
export const watchFlags = () => ({
  dir: directoryFlag(),
  due: string({
    description: 'Renew what expires within this time.',
    helpValue: 'WINDOW',
    defaultHelp: async () => 'the last third of its life',
  }),
  once: boolean({ description: 'Renew what is due now, and end; for cron.' }),
  ...rolloutFlags(),
  'prune-pins': prunePinsFlag(),
  'passphrase-file': passphraseFileFlag('asked for on a terminal'),
});
