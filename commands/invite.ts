// `natspki invite`: makes a token with which a host gets its first certificate, lists the invitations, or withdraws one.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { daysFlag, directoryFlag, numberFlag, sanFlag, windowFlag } from '../src/cli/flags.ts';
import { curlLines, invitationLines, invitationTable } from '../src/cli/invite-result.ts';
import { UsageError } from '../src/errors.ts';
import { readAddresses } from '../src/fleet/authority/addresses.ts';
import { type InviteOptions, invite, listInvitations, withdraw } from '../src/fleet/authority/invite.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { type ProfileName, parseProfile, profileNames } from '../src/pki/store/profile.ts';

/** The flags of a new invitation, which listing and withdrawing do not take. */
const terms = ['san', 'days', 'ttl', 'uses', 'url', 'curl'];

export default class Invite extends BaseCommand {
  static override summary = 'Invite a host to get a certificate for a key that it keeps.';
  static override usage =
    'invite PROFILE NAME [--san KIND:VALUE]... [--days DAYS] [--ttl 1h] [--url URL]... | invite --again NAME | invite --list | invite --withdraw ID';
  static override description =
    'Prints a token, alone on stdout. With it, `natspki enroll` or any EST client gets the certificate from `natspki serve`, and renews it from then on. The request decides on the key only; names, profile and life are those of the invitation. Anyone with the token can use it: pass it on in secret.';
  static override examples = [
    'A client, from the authority that serves ./certs\nnatspki invite client alice',
    'A server, with a token that is valid for ten minutes\nnatspki invite server n1 --san dns:n1.example.com --ttl 10m',
    'For a host without natspki; then: curl --config alice.curl --data-binary @alice.csr\nnatspki invite client alice --curl > alice.curl',
    'A member that lost its key, let its certificate expire, or whose key was copied\nnatspki invite --again alice',
    'Which invitations are open, and one that must not be used any more\nnatspki invite --list\nnatspki invite --withdraw 0123456789abcdef',
  ];
  static override args = {
    profile: Args.custom<ProfileName>({ parse: async (text) => parseProfile(text, 'invite') })({
      description: `What the certificate is for: ${profileNames.join(', ')}.`,
      ignoreStdin: true,
    }),
    name: Args.string({ description: 'Name of the certificate.', ignoreStdin: true }),
  };
  static override flags = {
    dir: directoryFlag(),
    san: sanFlag(),
    days: daysFlag({
      description: 'Days until the certificate, and each that it is renewed into, expires.',
      usual: 365,
      default: 365,
    }),
    ttl: windowFlag({ description: 'How long the token is valid.', defaultHelp: async () => '1h' }),
    uses: numberFlag({
      description: 'How often the token can be used.',
      helpValue: 'TIMES',
      ...{ default: 1, minimum: 1, maximum: 1000, example: 1 },
    }),
    url: Flags.string({
      description: 'Where the authority answers: https://HOST:PORT, also tls://HOST:PORT. Repeatable.',
      helpValue: 'URL',
      multiple: true,
      multipleNonGreedy: true,
      defaultHelp: async () => 'where natspki serve answers',
    }),
    again: Flags.string({
      description: 'Invite a member that cannot renew its certificate any more, for one like the last.',
      helpValue: 'NAME',
      exclusive: ['san', 'days'],
    }),
    curl: Flags.boolean({
      description:
        'Print a configuration of curl that enrols, instead of the token, for hosts without natspki.',
    }),
    list: Flags.boolean({ description: 'List the invitations.', exclusive: terms.concat('again') }),
    withdraw: Flags.string({
      description: 'Make the token of an invitation useless.',
      helpValue: 'ID',
      exclusive: terms.concat('again', 'list'),
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Invite);
    const directory = new PkiDirectory(flags.dir);
    const { list, withdraw: id, again } = flags;
    const words = Object.values(args).filter((word) => word !== undefined);
    if ((list || id !== undefined || again !== undefined) && words.length > 0) {
      const mode = list ? '--list' : id === undefined ? '--again' : '--withdraw';
      throw new UsageError(
        `${mode} and "${words.join(' ')}" are mutually exclusive`,
        'natspki invite --help',
      );
    }
    if (list) return this.#list(directory);
    if (id !== undefined) {
      const invitation = await withdraw({ directory, id });
      this.print([`withdrew invitation ${id} for "${invitation.name}"`]);
      return { invitation };
    }
    const name = again ?? args.name;
    if (name === undefined) {
      throw new UsageError('a profile and a name are missing', 'natspki invite client alice');
    }
    const { san: sans, days, ttl: ttlMs, uses } = flags;
    const terms = again === undefined ? { days, ...given({ profile: args.profile, sans }) } : { again: true };
    const urls = flags.url ?? (await readAddresses(directory));
    return this.#invite({ directory, name, urls, uses, ...terms, ...given({ ttlMs }) }, flags.curl);
  }

  async #list(directory: PkiDirectory) {
    const invitations = await listInvitations({ directory });
    if (invitations.length === 0) this.log(`no invitations in ${directory.path}`);
    else this.print(invitationTable(invitations, this.terminal));
    return { invitations };
  }

  async #invite(options: InviteOptions, forCurl: boolean) {
    const made = await invite(options);
    this.print(forCurl ? curlLines(made, options.urls) : [made.token]);
    if (!this.jsonEnabled()) {
      process.stderr.write(`${invitationLines(made.invitation, options.urls, forCurl).join('\n')}\n`);
    }
    return { ...made, urls: options.urls };
  }
}
