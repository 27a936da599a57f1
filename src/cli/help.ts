// The pages of --help: oclif's, with the commands in the order of a certificate's life.
import { CommandHelp, Help } from '@oclif/core/help';
import type * as Interfaces from '@oclif/core/interfaces';
import { reportFailure, unknownCommand } from './failure.ts';

/** Commands not named here come last, by name. */
const order = [
  ...['init', 'issue', 'rotate', 'watch', 'revoke', 'list', 'inspect'],
  ...['verify', 'pin', 'tls', 'check', 'broker'],
];

/** Lists flags with a letter first: oclif misplaces a first flag that has none. */
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

  /** Takes the options of package.json for `natspki help COMMAND` too, which passes its own alone. */
  constructor(config: Interfaces.Config, options: Partial<Interfaces.HelpOptions> = {}) {
    super(config, { ...config.pjson.oclif.helpOptions, ...options });
  }

  override get sortedCommands() {
    const rank = ({ id }: { readonly id: string }) => (order.includes(id) ? order.indexOf(id) : order.length);
    return [...super.sortedCommands].sort((a, b) => rank(a) - rank(b));
  }

  /** Reports an unknown command as every command line does; oclif's error would be in another look. */
  override async showHelp(argv: string[]): Promise<void> {
    const word = argv.find((each) => each !== 'help' && !each.startsWith('-'));
    if (word === undefined || this.config.findCommand(word) || this.config.findTopic(word)) {
      return super.showHelp(argv);
    }
    reportFailure(unknownCommand(word, this.config.commandIDs), false);
  }
}
