// `natspki issue`: certificates for servers, routes, clients, gateways and leaf nodes, one or many in a call.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { daysFlag, directoryFlag, keyTypeFlag, passphraseFileFlag, pathFlag } from '../src/cli/flags.ts';
import { inputName, readInput } from '../src/cli/input.ts';
import { issueLines, pinNotices } from '../src/cli/issue-result.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import { withProgress } from '../src/cli/progress.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/directory.ts';
import { issueCertificates } from '../src/pki/issue.ts';
import { type ProfileName, parseProfile, profileNames } from '../src/pki/profile.ts';
import { parseSan, type San } from '../src/x509/name.ts';

export default class Issue extends BaseCommand {
  static override summary = 'Issue certificates, one or many in a call.';
  static override usage = 'issue PROFILE NAME... [--san KIND:VALUE]... [--days DAYS] [--csr FILE] [--json]';
  static override description =
    'A server certificate is for serverAuth, a client certificate for clientAuth, route, gateway and leafnode for both. Without --san a server carries its NAME; a client NAME becomes the user NAME under verify_and_map.';
  static override examples = [
    'A client\nnatspki issue client alice',
    'A server with two names and an address\nnatspki issue server n1 --san dns:n1.example.com --san ip:10.0.0.1',
    'Sign a request; the private key stays where it was made\nnatspki issue client alice --csr alice.csr',
  ];
  static override args = {
    profile: Args.custom<ProfileName>({ parse: async (text) => parseProfile(text) })({
      description: `What the certificate is for: ${profileNames.join(', ')}.`,
      required: true,
      ignoreStdin: true,
    }),
    name: Args.string({
      description: 'Name of the certificate and of its files.',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    san: Flags.custom<San>({ parse: async (text) => parseSan(text) })({
      description: 'Subject alternative name: dns:X, ip:X, email:X or uri:X. Repeatable.',
      helpValue: 'KIND:VALUE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    days: daysFlag('Days until it expires.', 365),
    'key-type': keyTypeFlag(),
    csr: pathFlag({
      description: 'Sign this PKCS#10 request instead of making a key.',
      helpValue: 'FILE',
      exclusive: ['key-type'],
    }),
    out: pathFlag({ description: 'Folder for the files, --dir unless given.', helpValue: 'DIR' }),
    'passphrase-file': passphraseFileFlag(),
    force: Flags.boolean({
      description: 'Replace certificates that exist; the old pairs go to the archive.',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Issue);
    const directory = new PkiDirectory(flags.dir);
    const passphrase = await authorityPassphrase(directory, flags);
    const request =
      flags.csr === undefined ? undefined : { bytes: await readInput(flags.csr), file: inputName(flags.csr) };
    const made = await withProgress('issuing certificates', (progress) =>
      issueCertificates({
        directory,
        profile: args.profile,
        names: args.name,
        days: flags.days,
        force: flags.force,
        progress,
        ...given({
          sans: flags.san,
          keyType: flags['key-type'],
          request,
          outDirectory: flags.out,
          passphrase,
        }),
      }),
    );
    const notices = [...made.notices, ...pinNotices(args.profile, made.certificates)];
    this.print(issueLines({ ...made, notices }, flags.out ?? flags.dir, this.terminal));
    return { ...made, notices };
  }
}
