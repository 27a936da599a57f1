// `natspki archive`: lists the pairs that were replaced, and deletes those that have expired.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { archiveLines } from '../src/cli/certificate-table.ts';
import { counted } from '../src/cli/findings.ts';
import { directoryFlag, windowFlag } from '../src/cli/flags.ts';
import { given } from '../src/given.ts';
import { listArchive, purgeArchive } from '../src/pki/store/archived.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';

export default class Archive extends BaseCommand {
  static override summary = 'List the pairs that were replaced, or delete them.';
  static override usage = 'archive [NAME...] [--purge [--older-than TIME] [--dry-run]] [--json]';
  static override description =
    'Commands move the pairs that they replace to .natspki/archive, private keys included; `natspki rotate --undo` restores them from there. --purge deletes the expired ones.';
  static override examples = [
    'What was replaced, and when\nnatspki archive',
    'Delete what has expired\nnatspki archive --purge',
    'Delete also what was replaced more than 90 days ago\nnatspki archive --purge --older-than 90d',
  ];
  static override args = {
    name: Args.string({ description: 'Only pairs of these names.', multiple: true, ignoreStdin: true }),
  };
  static override flags = {
    dir: directoryFlag(),
    list: Flags.boolean({ description: 'List the pairs, as without a flag.', exclusive: ['purge'] }),
    purge: Flags.boolean({ description: 'Delete the pairs that have expired.' }),
    'older-than': windowFlag({
      description: 'With --purge: also pairs of servers and clients that were replaced that long ago.',
      helpValue: 'TIME',
      dependsOn: ['purge'],
    }),
    'dry-run': Flags.boolean({
      description: 'With --purge: print what would be deleted.',
      dependsOn: ['purge'],
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Archive);
    const directory = new PkiDirectory(flags.dir);
    const names = args.name ?? [];
    if (!flags.purge) {
      const pairs = await listArchive(directory, names);
      if (pairs.length === 0) this.log(`nothing was replaced in ${flags.dir}`);
      else this.print(archiveLines(pairs, this.terminal));
      return { directory: flags.dir, pairs };
    }
    const dryRun = flags['dry-run'];
    const purged = await purgeArchive({
      directory,
      names,
      dryRun,
      ...given({ olderThanMs: flags['older-than'] }),
    });
    if (purged.length === 0) this.log('nothing to delete');
    else {
      this.print([
        ...archiveLines(purged, this.terminal),
        '',
        `${dryRun ? 'would delete' : 'deleted'} ${counted(purged.length, 'pair')}`,
      ]);
    }
    return { directory: flags.dir, purged };
  }
}
