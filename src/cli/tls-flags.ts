// The flags of `natspki tls`, by the names of the options of a tls block.
import { boolean, option, string } from '@oclif/core/flags';
import { directoryFlag, numberFlag, pathFlag } from './flags.ts';

const list = (description: string) =>
  string({ description, helpValue: 'NAME,NAME', multiple: true, multipleNonGreedy: true, delimiter: ',' });

export const tlsFlags = {
  dir: directoryFlag(),
  name: string({ description: 'Certificate to serve instead of the usual one.', helpValue: 'NAME' }),
  verify: boolean({ description: 'Clients must show a certificate.', exclusive: ['verify-and-map'] }),
  'verify-and-map': boolean({ description: 'Clients must show a certificate, which names their user.' }),
  pin: string({
    description: 'Certificates, requests or keys whose pins are let in.',
    helpValue: 'FILE',
    multiple: true,
  }),
  'min-version': option({
    description: 'Lowest version of TLS: 1.2 or 1.3.',
    helpValue: 'VERSION',
    options: ['1.2', '1.3'] as const,
  })(),
  'cipher-suites': list("Cipher suites by Go's names."),
  'curve-preferences': list('Curves, the preferred one first.'),
  timeout: string({
    description: 'Time for a handshake, in seconds or as a duration.',
    helpValue: 'DURATION',
    defaultHelp: async () => '2s',
  }),
  'handshake-first': string({
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
  check: boolean({
    description: 'Write only what `nats-server -t` accepts, where there is a nats-server.',
    dependsOn: ['write'],
  }),
};
