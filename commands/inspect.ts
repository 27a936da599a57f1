// `natspki inspect`: shows the contents of a file of X.509 material, or the certificate that a server presents.
import * as Args from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.ts';
import { detailLines, formatTime } from '../src/cli/details.ts';
import { windowFlag } from '../src/cli/flags.ts';
import { inputName, readSource } from '../src/cli/input.ts';
import { formatDuration } from '../src/duration.ts';
import { NatspkiError } from '../src/errors.ts';
import { type InspectedCertificate, inspect } from '../src/pki/verify/inspection.ts';

export default class Inspect extends BaseCommand {
  static override summary = "Show a certificate, request, key, bundle or CRL, or a server's certificates.";
  static override usage = 'inspect FILE|URL... [--expires-within WINDOW] [--json]';
  static override description =
    'Reads PEM, with any number of blocks, and DER. It never shows private values. For a URL, it shows the certificates that the server presents, trusted or not, and does not log in: tls:// and nats:// are for NATS servers, https:// and wss:// for others. A NATS server that asks for a certificate gets that of a client in ./certs, so that it logs no failed handshake.';
  static override examples = [
    'A certificate\nnatspki inspect certs/server-cert.pem',
    'Every authority of a trust bundle, as JSON\nnatspki inspect certs/ca.pem --json',
    'The certificate of a running server; for monitoring, exit with 1 when it expires within two weeks\nnatspki inspect tls://localhost:4222 --expires-within 14d',
  ];
  static override args = {
    file: Args.string({
      description: 'A file, - for stdin, or the URL of a server.',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    'expires-within': windowFlag({
      description:
        'Exit with 1 when a certificate of the file or chain expires within this time: 30d, 12h, 1y, or a date.',
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Inspect);
    const window = flags['expires-within'];
    const last = window === undefined ? 0 : Date.now() + window;
    const files = [];
    const lines: string[] = [];
    for (const file of args.file) {
      const items = inspect(await readSource(file), inputName(file));
      lines.push(...items.flatMap((item) => ['', ...detailLines(inputName(file), item, this.terminal)]));
      files.push({ file, items });
    }
    this.print(lines.slice(1));
    const expiring = files.flatMap(({ file, items }) =>
      items.flatMap((item) =>
        item.kind === 'certificate' && item.notAfter.getTime() <= last ? [{ file, item }] : [],
      ),
    );
    for (const { file, item } of expiring) this.report(expiry(inputName(file), item, window ?? 0));
    if (window === undefined) return { files };
    return {
      files,
      expiring: expiring.map(({ file, item: { subject, notAfter } }) => ({ file, subject, notAfter })),
    };
  }
}

function expiry(source: string, item: InspectedCertificate, windowMs: number): NatspkiError {
  const { subject, notAfter } = item;
  const verb = notAfter.getTime() <= Date.now() ? 'expired' : 'expires';
  const time = formatTime(notAfter);
  return new NatspkiError('expires-soon', `${source}: certificate ${subject} ${verb} on ${time}`, {
    hint: renewal(item, windowMs),
  });
}

/** Returns the command that makes a certificate which lasts longer than the window. */
function renewal(
  { authority, subject, issuer, notBefore, notAfter }: InspectedCertificate,
  windowMs: number,
): string {
  if (authority) {
    return subject === issuer
      ? '`natspki rotate --ca` makes a new authority beside it'
      : '`natspki rotate --intermediate` makes a new one';
  }
  if (notAfter.getTime() - notBefore.getTime() > windowMs) {
    return `\`natspki rotate --due ${formatDuration(windowMs)} --reload PIDFILE\` renews it`;
  }
  const days = Math.ceil((2 * windowMs) / 86_400_000);
  return `its whole life is shorter: \`natspki issue PROFILE NAME --days ${days} --force\` makes one that lasts`;
}
