// `natspki enroll`: exchanges a token for the first certificate of this host, whose key is made here.
import * as Args from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.ts';
import { certificateLines } from '../src/cli/certificate-table.ts';
import { directoryFlag, keyTypeFlag } from '../src/cli/flags.ts';
import { readToken } from '../src/cli/input.ts';
import { enrol } from '../src/fleet/member/enroll.ts';
import { decodeToken } from '../src/fleet/token.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';

export default class Enroll extends BaseCommand {
  static override summary = 'Exchange a token for the first certificate of this host.';
  static override usage = 'enroll TOKEN|FILE|- [--dir DIR] [--key-type TYPE] [--json]';
  static override description =
    'Makes a key here, asks the authority for its certificate over HTTPS (EST, RFC 7030), and writes both and ca.pem. `natspki invite` prints the token on the host of the authority. The pin in it is the only trust that is needed. After a failure, run it again with the same token. `natspki renew` renews the certificate from then on.';
  static override examples = [
    'The token from stdin, so that no other user of this host sees it\nnatspki enroll - < web-1.token',
    'A file that has the token, another folder\nnatspki enroll web-1.token --dir /etc/nats/certs',
  ];
  static override args = {
    token: Args.string({
      description: 'The token, a file that has it, or - for stdin.',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = { dir: directoryFlag(), 'key-type': keyTypeFlag() };

  async run() {
    const { args, flags } = await this.parse(Enroll);
    const directory = new PkiDirectory(flags.dir);
    const token = decodeToken(await readToken(args.token));
    // A signal ends the process: the next run goes on where this one was.
    const { signal } = new AbortController();
    const options = { directory, token, signal, ...given({ keyType: flags['key-type'] }) };
    const enrolled = await enrol(options);
    const { certificate, repeated, notices } = enrolled;
    const { name, certificateFile, keyFile } = certificate;
    this.print([
      ...certificateLines([certificate], this.terminal, { wholePins: true }),
      '',
      repeated
        ? 'this host was enrolled with this token before: nothing was changed'
        : `wrote ${certificateFile}, ${keyFile} and ${directory.authorityFile}`,
      ...notices,
      `next: natspki renew ${name} --daemon --dir ${flags.dir}`,
    ]);
    return { directory: flags.dir, ...enrolled };
  }
}
