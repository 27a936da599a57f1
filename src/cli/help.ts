// The help pages: oclif's, with the commands in the order in which a certificate's life needs them.
import { CommandHelp, Help } from '@oclif/core/help';
import type * as Interfaces from '@oclif/core/interfaces';
import { reportFailure, unknownCommand } from './failure.ts';

/** Other commands follow in alphabetical order. */
const order = [
  'init',
  'issue',
  'rotate',
  'watch',
  'revoke',
  'crl',
  'serve',
  'invite',
  'enroll',
  'renew',
  'list',
  'archive',
  'inspect',
  'verify',
  'export',
  'pin',
  'tls',
  'check',
  'broker',
];

/** Lists the flags that have a letter first: oclif indents the list wrongly when the first flag has none. */
class LetteredFirst extends CommandHelp {
  protected override flags(
    flags: Parameters<CommandHelp['flags']>[0],
  ): [string, string | undefined][] | undefined {
    return super.flags([
      ...flags.filter(({ char }) => char !== undefined),
      ...flags.filter(({ char }) => char === undefined),
    ]);
  }
}

export default class NatspkiHelp extends Help {
  protected override CommandHelpClass = LetteredFirst;

  /** Applies the help options of package.json also to `natspki help COMMAND`, which passes only its own. */
  constructor(config: Interfaces.Config, options: Partial<Interfaces.HelpOptions> = {}) {
    super(config, { ...config.pjson.oclif.helpOptions, ...options });
  }

  override get sortedCommands() {
    const rank = ({ id }: { readonly id: string }) => (order.includes(id) ? order.indexOf(id) : order.length);
    return [...super.sortedCommands].sort((a, b) => rank(a) - rank(b));
  }

  /** Reports an unknown command in the format of all other errors, instead of oclif's. */
  override async showHelp(argv: string[]): Promise<void> {
    const word = argv.find((each) => each !== 'help' && !each.startsWith('-'));
    if (word === undefined || this.config.findCommand(word) || this.config.findTopic(word)) {
      return super.showHelp(argv);
    }
    reportFailure(unknownCommand(word, this.config.commandIDs), false);
  }
}
