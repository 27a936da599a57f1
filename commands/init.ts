// `natspki init`: creates an authority, certificates and a configuration that a server starts with; or imports them.
import { networkInterfaces } from 'node:os';
import * as Flags from '@oclif/core/flags';
import { addressesOf, addressFlags } from '../src/cli/address-flags.ts';
import { BaseCommand, yesFlag } from '../src/cli/base-command.ts';
import {
  daysFlag,
  directoryFlag,
  keyTypeFlag,
  numberFlag,
  passphraseFileFlag,
  pathFlag,
  subjectFlags,
  subjectOf,
} from '../src/cli/flags.ts';
import { initAnswers, templateNames, usualClusterName } from '../src/cli/init-answers.ts';
import { type InitResult, importSteps, initLines, nextSteps } from '../src/cli/init-result.ts';
import { readPassphrase } from '../src/cli/passphrase.ts';
import { withProgress } from '../src/cli/progress.ts';
import { askChoice, mayAsk } from '../src/cli/prompts.ts';
import { maximumDays } from '../src/duration.ts';
import { UsageError } from '../src/errors.ts';
import { given } from '../src/given.ts';
import { importAuthority } from '../src/pki/import/import.ts';
import { initialize, mappedUsers, refuseExistingAuthority } from '../src/pki/issue/init.ts';
import { intermediateDays } from '../src/pki/issue/intermediate.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';
import { type ProfileName, parseProfile, profileNames } from '../src/pki/store/profile.ts';
import {
  refuseExistingConfigurations,
  serverConfigurations,
  serverPairs,
} from '../src/rollout/server-configuration.ts';
import { type NameConstraint, parseConstraint } from '../src/x509/name-constraints.ts';
import { noAddresses, type StatusAddresses } from '../src/x509/status-addresses.ts';

export default class Init extends BaseCommand {
  static override summary = 'Create an authority, the first certificates and a configuration.';
  static override usage = 'init [--template NAME] [--host HOST...] [--client NAME...] [--yes] [--json]';
  static override description =
    'Issues certificates for a server, its routes and its clients, and writes a configuration that uses them. On a terminal, it asks for whatever the flags leave open. It never replaces an existing authority or configuration without --force.';
  static override examples = [
    'Ready to run on this machine\nnatspki init --yes',
    'Two names for the server, users alice and bob\nnatspki init --yes --template verify-and-map --host nats.example.com 10.0.0.1 --client alice bob',
    'A cluster of three servers\nnatspki init --yes --node n1=n1.example.com n2=n2.example.com n3=n3.example.com',
    "An intermediate, so that the root's key can be kept offline\nnatspki init --yes --intermediate",
    'An authority that can sign internal names only\nnatspki init --yes --permit dns:.internal --host n1.internal',
    "The organisation in each subject, the authority's too\nnatspki init --yes --subject-o Example",
    'Import what openssl, mkcert or easy-rsa created\nnatspki init --import ./old-certs',
    'Import encrypted keys and PKCS#12 files as well; alice is a client, whatever her usages\nnatspki init --import ./old-certs --passphrase-file pass.txt --as alice=client',
  ];
  static override flags = {
    dir: directoryFlag(),
    config: pathFlag({
      char: 'c',
      description: 'Configuration file to write; with --node, nats-NODE.conf beside it for each node.',
      helpValue: 'FILE',
      default: './nats.conf',
    }),
    template: Flags.option({
      description: `Template of the configuration: ${templateNames.join(', ')}.`,
      helpValue: 'NAME',
      options: templateNames,
      defaultHelp: async () => 'verify, or cluster with --node',
    })(),
    host: Flags.string({
      description: 'DNS names and IP addresses of the server.',
      helpValue: 'HOST',
      multiple: true,
      defaultHelp: async () => 'localhost, 127.0.0.1, ::1 and the name of this host',
    }),
    client: Flags.string({
      description: 'Clients to issue certificates for.',
      helpValue: 'NAME',
      multiple: true,
      defaultHelp: async () => 'client',
    }),
    node: Flags.string({
      description:
        'Cluster nodes; each gets a server certificate, a route certificate and a configuration file.',
      helpValue: 'NAME=HOST[,HOST]',
      multiple: true,
    }),
    'cluster-name': Flags.string({
      description: 'Name of the cluster.',
      helpValue: 'NAME',
      defaultHelp: async () => usualClusterName,
    }),
    'ca-name': Flags.string({
      description: 'Common name of the authority.',
      helpValue: 'NAME',
      default: 'natspki CA',
    }),
    ...subjectFlags(),
    permit: Flags.custom<NameConstraint>({ parse: async (text) => parseConstraint(text) })({
      description:
        'Names that the authority may sign, and no others of their kind: dns:.internal, ip:10.0.0.0/8, email:X or uri:X. Repeatable.',
      helpValue: 'KIND:VALUE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'ca-days': daysFlag({ description: 'Days until the authority expires.', usual: 3650, default: 3650 }),
    intermediate: Flags.boolean({
      description: "Have an intermediate sign the certificates, so that the root's key can be kept offline.",
      allowNo: true,
    }),
    'intermediate-days': numberFlag({
      description: 'Days until the intermediate expires.',
      helpValue: 'DAYS',
      dependsOn: ['intermediate'],
      minimum: 1,
      maximum: maximumDays,
      example: intermediateDays,
      defaultHelp: async () => String(intermediateDays),
    }),
    days: daysFlag({ description: 'Days until the certificates expire.', usual: 365, default: 365 }),
    'key-type': keyTypeFlag(),
    ...addressFlags(),
    'passphrase-file': passphraseFileFlag('encrypts the key'),
    yes: yesFlag(),
    import: pathFlag({
      description: 'Import an authority and the certificates it signed from this folder instead; repeatable.',
      helpValue: 'DIR',
      multiple: true,
      multipleNonGreedy: true,
      exclusive: [
        'config',
        'template',
        'host',
        'client',
        'node',
        'cluster-name',
        'ca-name',
        'ca-days',
        ...Object.keys(subjectFlags()),
        'permit',
        'intermediate',
        'intermediate-days',
        'days',
        'key-type',
      ],
    }),
    as: Flags.custom<readonly [string, ProfileName]>({ parse: async (text) => parseAs(text) })({
      description:
        'With --import: what a certificate for servers and clients is: client, route, server, ... Repeatable.',
      helpValue: 'NAME=PROFILE',
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ['import'],
    }),
    force: Flags.boolean({
      description: 'Replace an existing authority and configuration; the old pairs go to the archive.',
    }),
  };

  async run() {
    const { flags } = await this.parse(Init);
    const directory = new PkiDirectory(flags.dir);
    const addresses = { ...noAddresses, ...addressesOf(flags) };
    if (flags.import !== undefined) return this.#import(directory, flags.import, addresses, flags);
    if (!flags.force) await refuseExistingAuthority(directory);
    const answers = await initAnswers(flags);
    const subject = subjectOf(flags);
    const { template, hosts, clients, nodes } = answers;
    const servers = serverPairs(template, hosts);
    const files = serverConfigurations({
      template,
      file: flags.config,
      directory: flags.dir,
      servers,
      users: mappedUsers(clients, flags.permit, subject),
      clusterName: answers.clusterName,
      nodes,
      localAddresses: new Set(
        Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
      ),
    });
    if (!flags.force) refuseExistingConfigurations(files);
    const { certificates, notices } = await withProgress('generating keys and certificates', (progress) =>
      initialize({
        ...answers,
        directory,
        servers,
        authorityName: flags['ca-name'],
        authorityDays: flags['ca-days'],
        days: flags.days,
        addresses,
        force: flags.force,
        files: files.map(({ path, text }) => ({ path, data: text, mode: 0o644 })),
        progress,
        ...given({ permitted: flags.permit, subject }),
      }),
    );
    const configurations = files.map(({ path }) => path);
    const next = nextSteps({
      directory: flags.dir,
      configurations,
      client: clients[0],
      hosts: [...nodes.flatMap((node) => node.hosts), ...hosts],
      ...given({ rootKey: answers.intermediate && directory.authorityKeyFile }),
    });
    return this.#end({ directory: flags.dir, certificates, notices, configurations, next });
  }

  async #import(
    directory: PkiDirectory,
    sources: readonly string[],
    addresses: StatusAddresses,
    flags: {
      readonly 'passphrase-file'?: string | undefined;
      readonly as?: readonly (readonly [string, ProfileName])[] | undefined;
      readonly force: boolean;
      readonly yes?: boolean;
      readonly json?: boolean;
    },
  ) {
    const { force, 'passphrase-file': file, as = [] } = flags;
    const passphrase = file && (await readPassphrase(file));
    const choose = mayAsk(flags)
      ? (name: string, sans: readonly string[], guess: ProfileName) =>
          askChoice<ProfileName>(
            `"${name}" is for servers and clients (${sans.join(' ') || 'no alternative names'}). It is a`,
            guess,
            profileNames,
          )
      : undefined;
    const made = await importAuthority({
      directory,
      sources,
      addresses,
      force,
      profiles: new Map(as),
      ...given({ passphrase, choose }),
    });
    const server = made.certificates.find(({ profile }) => profile === 'server')?.name;
    return this.#end({ directory: directory.path, ...made, next: importSteps(directory.path, server) });
  }

  #end<R extends InitResult>(result: R): R {
    this.print(initLines(result, this.terminal));
    return result;
  }
}

/** Parses `NAME=PROFILE`; throws a UsageError. */
function parseAs(text: string): readonly [string, ProfileName] {
  const [, name, profile] = /^(.+)=([a-z]+)$/.exec(text) ?? [];
  if (name === undefined || profile === undefined)
    throw new UsageError(`--as is "${text}", expected NAME=PROFILE`, '--as alice=client');
  return [name, parseProfile(profile)];
}
