// `natspki issue`: issues certificates for servers, routes, clients, gateways and leaf nodes.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { addressesOf, addressFlags, addressNotices } from '../src/cli/address-flags.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import {
  daysFlag,
  directoryFlag,
  keyTypeFlag,
  passphraseFileFlag,
  pathFlag,
  sanFlag,
  subjectFlags,
  subjectOf,
} from '../src/cli/flags.ts';
import { inputName, readInput } from '../src/cli/input.ts';
import { issueLines, pinNotices, userNotices } from '../src/cli/issue-result.ts';
import { authorityPassphrase } from '../src/cli/passphrase.ts';
import { withProgress } from '../src/cli/progress.ts';
import { given } from '../src/given.ts';
import { issueCertificates } from '../src/pki/issue/issue.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { type ProfileName, parseProfile, profileNames } from '../src/pki/store/profile.ts';

export default class Issue extends BaseCommand {
  static override summary = 'Issue one or more certificates.';
  static override usage = 'issue PROFILE NAME... [--san KIND:VALUE]... [--days DAYS] [--csr FILE] [--json]';
  static override description =
    'A server certificate has the usage serverAuth, a client certificate clientAuth, and one for a route, gateway or leaf node both. Without --san, a certificate for a server is valid for its NAME. Under verify_and_map, the client NAME is the user NAME.';
  static override examples = [
    'A client certificate\nnatspki issue client alice',
    'A server certificate for a DNS name and an IP address\nnatspki issue server n1 --san dns:n1.example.com --san ip:10.0.0.1',
    'With an organisation in the subject\nnatspki issue client alice --subject-o Example --subject-ou Sales',
    'Sign a certificate request; the private key stays where it was generated\nnatspki issue client alice --csr alice.csr',
  ];
  static override args = {
    profile: Args.custom<ProfileName>({ parse: async (text) => parseProfile(text) })({
      description: `What the certificate is for: ${profileNames.join(', ')}.`,
      required: true,
      ignoreStdin: true,
    }),
    name: Args.string({
      description: 'Name of the certificate and its files.',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    san: sanFlag(),
    ...subjectFlags(),
    days: daysFlag({ description: 'Days until the certificate expires.', usual: 365, default: 365 }),
    'key-type': keyTypeFlag(),
    csr: pathFlag({
      description: 'Sign this PKCS#10 request instead of generating a key.',
      helpValue: 'FILE',
      exclusive: ['key-type'],
    }),
    out: pathFlag({
      description:
        'Folder for the files and for ca.pem; --dir by default. `natspki list` shows what is there.',
      helpValue: 'DIR',
    }),
    ...addressFlags(),
    'passphrase-file': passphraseFileFlag(),
    force: Flags.boolean({
      description: 'Replace existing certificates; the old pairs go to the archive.',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Issue);
    const directory = new PkiDirectory(flags.dir, flags.out);
    const addresses = addressesOf(flags);
    directory.changeAddresses(addresses);
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
          subject: subjectOf(flags),
          keyType: flags['key-type'],
          request,
          passphrase,
        }),
      }),
    );
    const notices = [
      ...made.notices,
      ...addressNotices(addresses),
      ...pinNotices(args.profile, made.certificates),
      ...userNotices(args.profile, made.certificates),
    ];
    this.print(issueLines({ ...made, notices }, flags.out ?? flags.dir, this.terminal));
    return { ...made, notices };
  }
}
