// `natspki issue`: certificates for servers, routes, clients, gateways and leaf nodes, one or many in a call.
import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.ts';
import { certificateLines } from '../src/cli/certificate-table.ts';
import { given } from '../src/cli/flags.ts';
import { authorityPassphrase, inputName, readInput } from '../src/cli/input.ts';
import { issueFlags } from '../src/cli/issue-flags.ts';
import { pinNotices } from '../src/cli/pin-notices.ts';
import { withProgress } from '../src/cli/progress.ts';
import { PkiDirectory } from '../src/pki/directory.ts';
import { authorityNeedsPassphrase, issueCertificates } from '../src/pki/issue.ts';
import { parseProfile, profileNames } from '../src/pki/profile.ts';
import { keyTypes } from '../src/x509/key.ts';
import { parseSan } from '../src/x509/name.ts';

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
    profile: string({
      description: `What the certificate is for: ${profileNames.join(', ')}.`,
      required: true,
      ignoreStdin: true,
    }),
    name: string({
      description: 'Name of the certificate and of its files.',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = issueFlags(keyTypes);

  async run() {
    const { args, flags } = await this.parse(Issue);
    const directory = new PkiDirectory(flags.dir);
    const passphrase = await authorityPassphrase(directory.issuerPair.keyFile, flags, () =>
      authorityNeedsPassphrase(directory),
    );
    const request =
      flags.csr === undefined ? undefined : { bytes: await readInput(flags.csr), file: inputName(flags.csr) };
    const made = await withProgress('issuing certificates', (progress) =>
      issueCertificates({
        directory,
        profile: parseProfile(args.profile),
        names: args.name,
        days: flags.days,
        progress,
        force: flags.force,
        ...given({
          sans: flags.san?.map(parseSan),
          keyType: flags['key-type'],
          request,
          outDirectory: flags.out,
          passphrase,
        }),
      }),
    );
    this.print(certificateLines(made.certificates, this.terminal, { wholePins: true }));
    const notices = [...made.notices, ...pinNotices(args.profile, made.certificates)];
    this.print(['', wrote(made.certificates, flags.out ?? flags.dir), ...notices]);
    return { ...made, notices };
  }
}

function wrote(made: readonly { certificateFile: string; keyFile?: string }[], folder: string): string {
  const [first, ...others] = made;
  if (others.length > 0) return `wrote ${made.length} certificates into ${folder}`;
  return `wrote ${[first?.certificateFile, first?.keyFile].filter((file) => file !== undefined).join(' and ')}`;
}
