// `natspki export`: hands a pair over as PKCS#12, a Secret of Kubernetes, a context of the nats command, or PEM.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { directoryFlag, pathFlag } from '../src/cli/flags.ts';
import { exportPassword } from '../src/cli/passphrase.ts';
import { withProgress } from '../src/cli/progress.ts';
import { UsageError } from '../src/errors.ts';
import { given } from '../src/given.ts';
import { type ExportOptions, exportedContent, exportPair } from '../src/pki/export/export.ts';
import { exportFormats } from '../src/pki/export/exported.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';

/** The formats that a flag is for. */
const only: Readonly<Record<string, string>> = {
  'password-file': 'pkcs12',
  legacy: 'pkcs12',
  secret: 'kubernetes',
  namespace: 'kubernetes',
  'sealed-by': 'kubernetes',
  server: 'nats-context',
};

export default class Export extends BaseCommand {
  static override summary = 'Hand a certificate and its key over in another format.';
  static override usage = 'export NAME --format FORMAT [--out FILE|-] [FLAGS]';
  static override description =
    'pkcs12 is for Windows, browsers and Java: its key stores are PKCS#12. kubernetes is a Secret of type kubernetes.io/tls with the keys tls.crt, tls.key and ca.crt. nats-context lets the nats command connect with --context NAME. pem is the key, its chain and ca.pem in one file, or in one folder if --out is a folder. Every file with a private key has mode 0600.';
  static override examples = [
    'A key store for a Java client, with the password in a file\nnatspki export alice --format pkcs12 --password-file password.txt',
    'A Secret for a cluster\nnatspki export server --format kubernetes --out - | kubectl apply -f -',
    'Connect with the nats command\nnatspki export alice --format nats-context\nnats --context alice pub greeting hello',
  ];
  static override args = {
    name: Args.string({ description: 'Name of the certificate.', required: true, ignoreStdin: true }),
  };
  static override flags = {
    format: Flags.option({
      description: `Format: ${exportFormats.join(', ')}.`,
      helpValue: 'FORMAT',
      options: exportFormats,
      required: true,
    })(),
    out: pathFlag({ description: 'File to write, or - for stdout.', helpValue: 'FILE' }),
    dir: directoryFlag(),
    'password-file': pathFlag({
      description: 'File whose first line is the password of the PKCS#12 file; without it, the command asks.',
      helpValue: 'FILE',
    }),
    legacy: Flags.boolean({ description: 'Use 3DES and SHA-1, for old versions of Windows and Java.' }),
    secret: Flags.string({ description: 'Name of the Secret; NAME by default.', helpValue: 'SECRET' }),
    namespace: Flags.string({ description: 'Namespace of the Secret.', helpValue: 'NAMESPACE' }),
    'sealed-by': Flags.string({
      description: 'Pipe the Secret through this shell command, and write what it prints.',
      helpValue: 'COMMAND',
    }),
    server: Flags.string({
      description: 'Server of the context.',
      helpValue: 'URL',
      defaultHelp: async () => 'nats://localhost:4222',
    }),
    force: Flags.boolean({ description: 'Replace existing files.' }),
  };

  async run() {
    const { args, flags } = await this.parse(Export);
    const { format } = flags;
    for (const [flag, wanted] of Object.entries(only)) {
      if (flag in flags && wanted !== format) {
        throw new UsageError(`--${flag} is for --format ${wanted}, found ${format}`, `--format ${wanted}`);
      }
    }
    const toStdout = flags.out === '-';
    if (toStdout && flags.json) throw new UsageError('--json and --out - both print to stdout', '--out FILE');
    if (toStdout && format === 'pkcs12' && process.stdout.isTTY) {
      throw new UsageError('PKCS#12 is binary, and stdout is a terminal', '--out FILE');
    }
    const password = format === 'pkcs12' ? await exportPassword(flags) : undefined;
    const options: ExportOptions = {
      directory: new PkiDirectory(flags.dir),
      name: args.name,
      format,
      force: flags.force,
      ...given({
        out: flags.out,
        password,
        legacy: flags.legacy,
        secret: flags.secret,
        namespace: flags.namespace,
        sealedBy: flags['sealed-by'],
        url: flags.server,
      }),
    };
    if (toStdout) {
      process.stdout.write(await withProgress('encrypting', () => exportedContent(options)));
      return { name: args.name, format };
    }
    const files = await withProgress('encrypting', () => exportPair(options));
    this.log(`wrote ${files.join(', ')}`);
    return { name: args.name, format, files };
  }
}
