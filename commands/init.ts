// `natspki init`: from an empty folder to an authority, certificates and a configuration that a server starts with.
import { BaseCommand } from '../src/cli/base-command.ts';
import { given } from '../src/cli/flags.ts';
import { initAnswers, initFlags } from '../src/cli/init-answers.ts';
import { type InitResult, initLines } from '../src/cli/init-result.ts';
import { readPassphrase } from '../src/cli/input.ts';
import { importSteps, nextSteps } from '../src/cli/next-steps.ts';
import { withProgress } from '../src/cli/progress.ts';
import { printValue } from '../src/conf/printer.ts';
import { checkNames, PkiDirectory } from '../src/pki/directory.ts';
import { importAuthority } from '../src/pki/import.ts';
import { defaultHosts, initialize, refuseExistingAuthority } from '../src/pki/init.ts';
import { intermediateDays } from '../src/pki/intermediate.ts';
import { mappedUser } from '../src/pki/profile.ts';
import {
  refuseExistingConfigurations,
  serverConfigurations,
  serverPairs,
} from '../src/server-configuration.ts';
import { keyTypes } from '../src/x509/key.ts';
import { sanOfHost } from '../src/x509/name.ts';

export default class Init extends BaseCommand {
  static override summary = 'Make an authority, first certificates and a configuration.';
  static override usage = 'init [--template NAME] [--host HOST...] [--client NAME...] [--yes] [--json]';
  static override description =
    'Certificates for a server, its routes and clients. On a terminal it asks for what the flags leave open. An authority or a configuration that exists is left alone.';
  static override examples = [
    'Ready to run on this machine\nnatspki init --yes',
    'Two names for the server, users alice and bob\nnatspki init --yes --template verify-and-map --host nats.example.com 10.0.0.1 --client alice bob',
    'A cluster of three\nnatspki init --yes --node n1=n1.example.com n2=n2.example.com n3=n3.example.com',
    "The root's key can be taken away afterwards\nnatspki init --yes --intermediate",
    'Take over what openssl, mkcert or easy-rsa made\nnatspki init --import ./old-certs',
  ];
  static override flags = initFlags(keyTypes);

  async run() {
    const { flags } = await this.parse(Init);
    const { dir, config, force, 'cluster-name': clusterName } = flags;
    const directory = new PkiDirectory(dir);
    if (flags.import !== undefined) return this.#import(directory, flags.import, flags);
    if (!force) await refuseExistingAuthority(directory);
    const answers = await initAnswers(flags, {
      ...{ keyTypes, intermediateDays, defaultHosts, checkHost: sanOfHost },
      checkClient: (name) => checkNames([name]),
    });
    const { template, hosts, clients, nodes } = answers;
    const servers = serverPairs(template, hosts);
    const users = clients.map(mappedUser);
    const plan = { template, file: config, directory: dir, servers, users, clusterName, nodes };
    const files = serverConfigurations(plan, printValue);
    if (!force) refuseExistingConfigurations(files);
    const { certificates, notices } = await withProgress('making keys and certificates', (progress) =>
      initialize({
        ...{ directory, servers, ...answers, force, progress, days: flags.days },
        ...{ authorityName: flags['ca-name'], authorityDays: flags['ca-days'] },
        files: files.map(({ path, text }) => ({ path, data: text, mode: 0o644 })),
      }),
    );
    const configurations = files.map(({ path }) => path);
    const next = nextSteps({
      ...{ directory: dir, configurations, client: clients[0] },
      hosts: [...nodes.flatMap((node) => node.hosts), ...hosts],
      ...given({ rootKey: answers.intermediate && directory.authorityKeyFile }),
    });
    return this.#end({ directory: dir, certificates, notices, configurations, next });
  }

  async #import(
    directory: PkiDirectory,
    sources: readonly string[],
    { force, 'passphrase-file': file }: { 'passphrase-file'?: string | undefined; force: boolean },
  ) {
    const passphrase = file && (await readPassphrase(file));
    const made = await importAuthority({ directory, sources, force, ...given({ passphrase }) });
    const server = made.certificates.find(({ profile }) => profile === 'server')?.name;
    return this.#end({ directory: directory.path, ...made, next: importSteps(directory.path, server) });
  }

  #end<R extends InitResult>(result: R): R {
    this.print(initLines(result, this.terminal));
    return result;
  }
}
