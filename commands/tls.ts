// `natspki tls`: a tls block for any part of a server's configuration, printed or put into its file.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { isKnownOption } from '../src/broker/options/known-option.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import { directoryFlag, numberFlag, pathFlag, withOptionalValue } from '../src/cli/flags.ts';
import { readInput } from '../src/cli/input.ts';
import { given } from '../src/given.ts';
import { writeTlsBlock } from '../src/tls/configuration-file.ts';
import { pinsThere } from '../src/tls/lockout.ts';
import { testWithNatsServer } from '../src/tls/nats-server-test.ts';
import { parseContext, printWantedBlock, tlsContexts } from '../src/tls/wanted-block.ts';
import { pinOf } from '../src/x509/pin.ts';

const list = (description: string) =>
  Flags.string({
    description,
    helpValue: 'NAME,NAME',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  });

export default class Tls extends BaseCommand {
  static override summary = 'Print a tls block for a configuration, or put it there.';
  static override usage =
    'tls CONTEXT [--verify | --verify-and-map] [--pin FILE...] [--write FILE [--check]] [FLAGS]';
  static override description =
    'The block serves the certificate of its context: server for clients, route for the cluster, gateway, leafnode. Relative paths start in the folder the server starts in.';
  static override examples = [
    'For clients that must show a certificate\nnatspki tls client --verify',
    'Let only two clients in, with TLS 1.3, in a file that nats-server accepts\nnatspki tls client --verify --pin certs/alice-cert.pem certs/bob-cert.pem --min-version 1.3 --write nats.conf --check',
    'For routes\nnatspki tls cluster --write nats.conf',
  ];
  static override args = {
    context: Args.string({
      description: `The block it stands in: ${tlsContexts.join(', ')}.`,
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    name: Flags.string({ description: 'Certificate to serve instead of the usual one.', helpValue: 'NAME' }),
    verify: Flags.boolean({ description: 'Clients must show a certificate.', exclusive: ['verify-and-map'] }),
    'verify-and-map': Flags.boolean({
      description: 'Clients must show a certificate, which names their user.',
    }),
    pin: Flags.string({
      description: 'Certificates, requests or keys whose pins are let in.',
      helpValue: 'FILE',
      multiple: true,
    }),
    'min-version': Flags.option({
      description: 'Lowest version of TLS: 1.2 or 1.3.',
      helpValue: 'VERSION',
      options: ['1.2', '1.3'] as const,
    })(),
    'cipher-suites': list("Cipher suites by Go's names."),
    'curve-preferences': list('Curves, the preferred one first.'),
    timeout: Flags.string({
      description: 'Time for a handshake, in seconds or as a duration.',
      helpValue: 'DURATION',
      defaultHelp: async () => '2s',
    }),
    'handshake-first': Flags.string({
      description: 'Shake hands before INFO; with auto or a duration, INFO comes after that much silence.',
      helpValue: '[auto|DURATION]',
    }),
    'connection-rate-limit': numberFlag({
      description: 'Handshakes in a second.',
      helpValue: 'NUMBER',
      minimum: 1,
      maximum: 1_000_000,
      example: 1000,
    }),
    write: pathFlag({
      description:
        'Put the block into this file; every other byte stays, and a definition that only the old block used becomes a comment.',
      helpValue: 'FILE',
    }),
    check: Flags.boolean({
      description: 'Write only what `nats-server -t` accepts, where there is a nats-server.',
      dependsOn: ['write'],
    }),
  };

  async run() {
    const argv = withOptionalValue(this.argv, '--handshake-first', /^(auto|true|[\d.]+[a-zµ]+)/, 'true');
    const { args, flags } = await this.parse(Tls, argv);
    const context = parseContext(args.context);
    const pins = [];
    for (const file of flags.pin ?? []) pins.push(pinOf(await readInput(file), file));
    const block = printWantedBlock({
      context,
      directory: flags.dir,
      verify: flags.verify,
      verifyAndMap: flags['verify-and-map'],
      pins,
      ...given({
        name: flags.name,
        minVersion: flags['min-version'],
        cipherSuites: flags['cipher-suites'],
        curvePreferences: flags['curve-preferences'],
        timeout: flags.timeout,
        handshakeFirst: flags['handshake-first'],
        connectionRateLimit: flags['connection-rate-limit'],
      }),
    });
    const { write: file } = flags;
    if (file === undefined) {
      this.log(block);
      return { context, block };
    }
    const pinsBefore = pinsThere(file, context);
    let checked: boolean | undefined;
    const check = async (whole: string) => {
      if (flags.check) checked = await testWithNatsServer(file, whole);
    };
    const commentedOut = await writeTlsBlock(file, { context, block, isOption: isKnownOption, check });
    const verdict =
      checked === undefined
        ? ''
        : checked
          ? ', which nats-server accepts'
          : '; there is no nats-server here to check it';
    this.log(`wrote the tls block for ${context} into ${file}${verdict}`);
    for (const name of commentedOut) this.log(`made a comment of "${name}", which nothing uses any more`);
    const notices = pins.length === 0 && pinsBefore.size > 0 ? [unpinnedNotice(pinsBefore.size)] : [];
    this.print(notices);
    return { context, block, file, commentedOut, notices, ...given({ checked }) };
  }
}

function unpinnedNotice(count: number): string {
  const pins = count === 1 ? 'the pin is gone that was' : `the ${count} pins are gone that were`;
  return `${pins} in the block: who is let in is up to the authority alone, those who were revoked included`;
}
