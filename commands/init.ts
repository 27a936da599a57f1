// `natspki init`: from an empty folder to an authority, certificates and a configuration that a server starts with.
import { BaseCommand } from '../src/cli/base-command.ts';
import { certificateLines } from '../src/cli/certificate-table.ts';
import { given } from '../src/cli/flags.ts';
import { initAnswers, initFlags } from '../src/cli/init-answers.ts';
import { nextStepLines, nextSteps } from '../src/cli/next-steps.ts';
import { withProgress } from '../src/cli/progress.ts';
import { printValue } from '../src/conf/printer.ts';
import { PkiDirectory } from '../src/pki/directory.ts';
import { defaultHosts, initialize, refuseExistingAuthority } from '../src/pki/init.ts';
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
  ];
  static override flags = initFlags(keyTypes);

  async run() {
    const { flags } = await this.parse(Init);
    const directory = new PkiDirectory(flags.dir);
    if (!flags.force) await refuseExistingAuthority(directory);
    const answers = await initAnswers(flags, keyTypes, defaultHosts, sanOfHost);
    const servers = serverPairs(answers.template, answers.hosts);
    const files = serverConfigurations(
      {
        ...answers,
        servers,
        file: flags.config,
        directory: flags.dir,
        clusterName: flags['cluster-name'],
      },
      printValue,
    );
    if (!flags.force) refuseExistingConfigurations(files);
    const { certificates, notices } = await withProgress('making keys and certificates', (progress) =>
      initialize({
        directory,
        servers,
        hosts: answers.hosts,
        clients: answers.clients,
        nodes: answers.nodes,
        keyType: answers.keyType,
        authorityName: flags['ca-name'],
        authorityDays: flags['ca-days'],
        days: flags.days,
        force: flags.force,
        ...given({ passphrase: answers.passphrase }),
        files: files.map(({ path, text }) => ({ path, data: text, mode: 0o644 })),
        progress,
      }),
    );
    const configurations = files.map(({ path }) => path);
    const [host = 'localhost'] = [...answers.nodes.flatMap(({ hosts }) => hosts), ...answers.hosts];
    const next = nextSteps({ directory: flags.dir, configurations, client: answers.clients[0], host });
    this.print([
      ...certificateLines(certificates, this.terminal),
      '',
      ...notices,
      ...configurations.map((path) => `wrote ${path}`),
      '',
      ...nextStepLines(next, this.terminal),
    ]);
    return { directory: flags.dir, certificates, notices, configurations, next };
  }
}
