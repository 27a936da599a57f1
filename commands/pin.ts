// `natspki pin`: prints the SHA-256 of a public key as sha256sum does, or adds it to a configuration.
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import { pathFlag } from '../src/cli/flags.ts';
import { holdsPem, inputName, readSource } from '../src/cli/input.ts';
import { printValue } from '../src/conf/printer.ts';
import { NatspkiError, UsageError } from '../src/errors.ts';
import { certificateFingerprint, pinOf, type Pin as X509Pin } from '../src/x509/pin.ts';

export default class Pin extends BaseCommand {
  static override summary = 'Print the pin of a certificate, request or key, for pinned_certs.';
  static override usage = 'pin [FILE|URL|-]... [--conf | --add FILE | --remove FILE] [--cert] [--json]';
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
    remove: pathFlag({
      description: 'Remove the pins from this configuration and its includes.',
      helpValue: 'FILE',
      exclusive: ['conf', 'cert', 'add'],
    }),
    cert: Flags.boolean({
      description: 'Print the SHA-256 of the whole certificate instead.',
      exclusive: ['conf', 'add'],
    }),
  };

  async run() {
    const { args, flags } = await this.parse(Pin);
    const sources = args.input ?? ['-'];
    const edited = flags.add ?? flags.remove;
    if (edited !== undefined)
      await refuseSwapped(sources, edited, flags.add === undefined ? '--remove' : '--add');
    const compute = flags.cert ? certificateFingerprint : pinOf;
    const pins = [];
    for (const source of sources)
      pins.push({ source, pin: compute(await readSource(source), inputName(source)) });
    if (flags.add !== undefined) return this.#add(flags.add, pins);
    if (flags.remove !== undefined) return this.#remove(flags.remove, pins);
    if (flags.conf) this.log(`pinned_certs: ${printValue(pins.map(({ pin }) => pin))}`);
    else if (pins.length === 1) this.log(pins[0]?.pin);
    else this.print(pins.map(({ source, pin }) => `${pin}  ${source}`));
    return { pins };
  }

  async #add(file: string, pins: readonly { source: string; pin: string }[]) {
    const { addPins, rejectsEveryClient } = await import('../src/rollout/configuration-file.ts');
    const { readPins } = await import('../src/rollout/lockout.ts');
    const before = readPins(file, 'client').size;
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
          `no client can connect: "pinned_certs" without "verify: true" rejects clients that were not asked for a certificate; \`natspki tls client --verify --write ${file}\` asks them`,
        ]
      : before === 0 && added.length > 0
        ? [
            `from now on ${file} accepts pinned keys only: add each other client with \`natspki pin certs/NAME-cert.pem --add ${file}\``,
          ]
        : [];
    this.print([...notices, ...(added.length > 0 ? [reloadNotice] : [])]);
    return { pins, file, added, notices };
  }

  async #remove(file: string, pins: readonly { source: string; pin: string }[]) {
    const { configurationFiles, removePins } = await import('../src/rollout/pin-update.ts');
    const { readPins } = await import('../src/rollout/lockout.ts');
    const before = readPins(file, 'client');
    const removed = (
      await removePins(configurationFiles(file), new Set(pins.map(({ pin }) => pin as X509Pin)))
    ).flatMap((edit) => edit.pins);
    const left = readPins(file, 'client');
    for (const { source, pin } of pins) {
      const isGone = removed.includes(pin as X509Pin);
      this.log(`${isGone ? 'removed' : left.has(pin as X509Pin) ? 'kept' : 'not there'} ${pin}  ${source}`);
    }
    const isLast = before.size > 0 && pins.some(({ pin }) => left.has(pin as X509Pin));
    if (isLast) {
      this.report(
        new NatspkiError(
          'last-pin',
          `"${file}" has no other pins, and an empty list would accept every key`,
          {
            hint: `to accept every client of the authority again: natspki tls client --verify --write ${file}`,
          },
        ),
      );
    }
    if (removed.length > 0) this.print([reloadNotice]);
    return { pins, file, removed };
  }
}

const reloadNotice =
  'next: the bundled broker reloads by itself; nats-server after `nats-server --signal reload=PIDFILE`';

/** Throws a UsageError where the certificate stands in the place of the configuration. */
async function refuseSwapped(sources: readonly string[], file: string, flag: string): Promise<void> {
  if (!(await holdsPem(file))) return;
  const configuration = sources.find((source) => source.endsWith('.conf')) ?? './nats.conf';
  const hint = `natspki pin ${file} ${flag} ${configuration}`;
  throw new UsageError(`"${file}" holds a certificate or key, expected the configuration of a server`, hint);
}
