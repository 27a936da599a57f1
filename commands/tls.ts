// `natspki tls`: prints a tls block for any part of a server's configuration, or writes it into the file.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { isKnownOption } from '../src/broker/options/known-option.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import { directoryFlag, numberFlag, pathFlag, withOptionalValue } from '../src/cli/flags.ts';
import { readInput } from '../src/cli/input.ts';
import { given } from '../src/given.ts';
import { writeTlsBlock } from '../src/rollout/configuration-file.ts';
import { readPins } from '../src/rollout/lockout.ts';
import { testWithNatsServer } from '../src/rollout/nats-server-test.ts';
import { parseContext, printWantedBlock, tlsContexts } from '../src/rollout/wanted-block.ts';
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
  static override summary = 'Print a tls block, or write it into a configuration.';
  static override usage =
    'tls CONTEXT [--verify | --verify-and-map] [--pin FILE...] [--write FILE [--check]] [FLAGS]';
  static override description =
    'The block has the certificate of its context: server for clients, route for the cluster, gateway, leafnode. Relative paths in it start in the folder where the server starts.';
  static override examples = [
    'For clients that must present a certificate\nnatspki tls client --verify',
    'Accept only two clients, over TLS 1.3, in a file that nats-server accepts\nnatspki tls client --verify --pin certs/alice-cert.pem certs/bob-cert.pem --min-version 1.3 --write nats.conf --check',
    'Clients whose certificates name a responder are asked about\nnatspki tls client --verify --ocsp-peer --write nats.conf',
    'For routes\nnatspki tls cluster --write nats.conf',
  ];
  static override args = {
    context: Args.string({
      description: `The part of the configuration: ${tlsContexts.join(', ')}.`,
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    dir: directoryFlag(),
    name: Flags.string({ description: 'Certificate to use instead of the default one.', helpValue: 'NAME' }),
    verify: Flags.boolean({
      description: 'Clients must present a certificate.',
      exclusive: ['verify-and-map'],
    }),
    'verify-and-map': Flags.boolean({
      description: 'Clients must present a certificate, which names their user.',
    }),
    pin: Flags.string({
      description: 'Certificates, requests or keys to accept; all others are rejected.',
      helpValue: 'FILE',
      multiple: true,
    }),
    'ocsp-peer': Flags.boolean({
      description: 'Ask the OCSP responders that client certificates name, and reject revoked ones.',
    }),
    'min-version': Flags.option({
      description: 'Lowest TLS version: 1.2 or 1.3.',
      helpValue: 'VERSION',
      options: ['1.2', '1.3'] as const,
    })(),
    'cipher-suites': list('Cipher suites, by their names in Go.'),
    'curve-preferences': list('Curves, the preferred one first.'),
    timeout: Flags.string({
      description: 'Time limit of a handshake, in seconds or as a duration.',
      helpValue: 'DURATION',
      defaultHelp: async () => '2s',
    }),
    'handshake-first': Flags.string({
      description:
        'Handshake before INFO; with auto or a duration, send INFO to a client that is silent for that long.',
      helpValue: '[auto|DURATION]',
    }),
    'connection-rate-limit': numberFlag({
      description: 'Handshakes per second.',
      helpValue: 'NUMBER',
      minimum: 1,
      maximum: 1_000_000,
      example: 1000,
    }),
    write: pathFlag({
      description:
        'Write the block into this file and keep every other byte; definitions that only the old block used become comments.',
      helpValue: 'FILE',
    }),
    check: Flags.boolean({
      description: 'Write only if `nats-server -t` accepts the result; skipped if there is no nats-server.',
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
      ocspPeer: flags['ocsp-peer'],
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
    const pinsBefore = readPins(file, context);
    let checked: boolean | undefined;
    const check = async (whole: string) => {
      if (flags.check) checked = await testWithNatsServer(file, whole);
    };
    const commentedOut = await writeTlsBlock(file, { context, block, isOption: isKnownOption, check });
    const checkedBy =
      checked === undefined
        ? ''
        : checked
          ? ', which nats-server accepts'
          : '; no nats-server was found to check it';
    this.log(`wrote the tls block for ${context} into ${file}${checkedBy}`);
    for (const name of commentedOut) this.log(`commented out "${name}", which nothing uses any more`);
    const notices = pins.length === 0 && pinsBefore.size > 0 ? [unpinnedNotice(pinsBefore.size)] : [];
    this.print(notices);
    return { context, block, file, commentedOut, notices, ...given({ checked }) };
  }
}

function unpinnedNotice(count: number): string {
  const pins = count === 1 ? 'the pin' : `${count} pins`;
  return `removed ${pins}: any certificate of the authority is accepted again, revoked ones included`;
}
