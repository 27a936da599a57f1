// `natspki pin`: prints the SHA-256 of a public key as sha256sum does, or adds it to a configuration.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { pathFlag } from '../src/cli/flags.ts';
import { inputName, readSource } from '../src/cli/input.ts';
import { printValue } from '../src/conf/printer.ts';
import { certificateFingerprint, pinOf, type Pin as X509Pin } from '../src/x509/pin.ts';

export default class Pin extends BaseCommand {
  static override summary = 'Print the pin of a certificate, request or key, for pinned_certs.';
  static override usage = 'pin [FILE|URL|-]... [--conf | --add FILE] [--cert] [--json]';
  static override description =
    'The pin is the SHA-256 of the DER SubjectPublicKeyInfo: it stays the same when a certificate is renewed with the same key. One input prints 64 hex digits; several inputs print a line each, with the name of the input.';
  static override examples = [
    'A client certificate\nnatspki pin certs/client-cert.pem',
    'Accept only the keys of two clients\nnatspki pin certs/alice-cert.pem certs/bob-cert.pem --add nats.conf',
    'The certificate of a running server\nnatspki pin tls://localhost:4222',
  ];
  static override args = {
    input: Args.string({
      description:
        'Certificate (PEM, chain or DER), request, public or private key; the URL of a server; or - for stdin.',
      multiple: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    conf: Flags.boolean({ description: 'Print an entry for a tls block.' }),
    add: pathFlag({
      description: 'Add the pins to the tls block of this configuration.',
      helpValue: 'FILE',
      exclusive: ['conf', 'cert'],
    }),
    cert: Flags.boolean({
      description: 'Print the SHA-256 of the whole certificate instead.',
      exclusive: ['conf', 'add'],
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Pin);
    const sources = args.input ?? ['-'];
    const compute = flags.cert ? certificateFingerprint : pinOf;
    const pins = [];
    for (const source of sources)
      pins.push({ source, pin: compute(await readSource(source), inputName(source)) });
    if (flags.add !== undefined) return this.#add(flags.add, pins);
    if (flags.conf) this.log(`pinned_certs: ${printValue(pins.map(({ pin }) => pin))}`);
    else if (pins.length === 1) this.log(pins[0]?.pin);
    else this.print(pins.map(({ source, pin }) => `${pin}  ${source}`));
    return { pins };
  }

  async #add(file: string, pins: readonly { source: string; pin: string }[]) {
    const { addPins, rejectsEveryClient } = await import('../src/rollout/configuration-file.ts');
    const added = await addPins(
      file,
      'client',
      pins.map(({ pin }) => pin as X509Pin),
    );
    for (const { source, pin } of pins) {
      this.log(`${added.includes(pin as X509Pin) ? 'added' : 'already there'} ${pin}  ${source}`);
    }
    const notices = rejectsEveryClient(file, 'client')
      ? [
          'no client can connect: "pinned_certs" without "verify: true" rejects clients that were not asked for a certificate',
        ]
      : [];
    this.print(notices);
    return { pins, file, added, notices };
  }
}
