// `natspki inspect`: what a file of X.509 material holds, for people.
import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.ts';
import { detailLines } from '../src/cli/details.ts';
import { inputName, readInput } from '../src/cli/input.ts';
import { inspect } from '../src/pki/inspection.ts';

export default class Inspect extends BaseCommand {
  static override summary = 'Show what a certificate, request, key, bundle or CRL holds.';
  static override usage = 'inspect FILE... [--json]';
  static override description =
    'Reads PEM, with any number of blocks, and DER. Private values are never shown.';
  static override examples = [
    'A certificate\nnatspki inspect certs/server-cert.pem',
    'Every authority of a trust bundle, as JSON\nnatspki inspect certs/ca.pem --json',
    'What a server sends that speaks HTTPS; for one that speaks NATS see `natspki pin URL`\nopenssl s_client -connect localhost:8443 </dev/null | natspki inspect -',
  ];
  static override args = {
    file: string({
      description: 'A file, or - for stdin.',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run() {
    const { args } = await this.parse(Inspect);
    const files = [];
    const lines: string[] = [];
    for (const file of args.file) {
      const items = inspect(await readInput(file), inputName(file));
      lines.push(...items.flatMap((item) => ['', ...detailLines(inputName(file), item, this.terminal)]));
      files.push({ file, items });
    }
    this.print(lines.slice(1));
    return { files };
  }
}
