// `natspki serve`: gives certificates to the members of a fleet and renews them, over NATS and over EST.
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.ts';
import {
  addressFlag,
  configurationFlag,
  directoryFlag,
  passphraseFileFlag,
  windowFlag,
} from '../src/cli/flags.ts';
import { configurationsHere } from '../src/cli/input.ts';
import { authorityPassphrase, systemdCredential } from '../src/cli/passphrase.ts';
import { processLogger, untilStopped } from '../src/cli/watch-process.ts';
import { UsageError } from '../src/errors.ts';
import { checkUrls } from '../src/fleet/authority/invite.ts';
import { permissionBlocks } from '../src/fleet/nats/subjects.ts';
import { serveFleet } from '../src/fleet/serve/serve-fleet.ts';
import { given } from '../src/given.ts';
import { PkiDirectory } from '../src/pki/store/directory.ts';

export default class Serve extends BaseCommand {
  static override summary = 'Give and renew certificates of hosts that keep their keys.';
  static override usage =
    'serve [--listen HOST:PORT] [--nats URL]... [--http HOST:PORT] [--config FILE]... | serve --print-permissions';
  static override description =
    'Serves the authority in --dir. With --nats it is a NATS service, so its host needs no open port. With --listen it speaks EST (RFC 7030), which first certificates need. With --http it shows the public what it may read: ca.pem, ca.crl, answers to OCSP requests at /ocsp, metrics, and a page with every certificate. It renews the pairs that it uses itself. It decides by the ledger, so other commands may change the folder meanwhile, and several may serve one folder. Each decision is in .natspki/audit.log. SIGINT and SIGTERM stop it.';
  static override examples = [
    'For EST clients, with the page at http://localhost:8080\nnatspki serve --listen :8443 --http localhost:8080',
    'Over NATS, keeping the pins in nats.conf true\nnatspki serve --nats tls://localhost:4222 --config nats.conf --reload nats.pid',
    'What the users of the servers need\nnatspki serve --print-permissions',
  ];
  static override flags = {
    dir: directoryFlag(),
    listen: addressFlag({ description: 'Serve EST over HTTPS here.' }),
    http: addressFlag({ description: 'Serve the public parts over plain HTTP here.' }),
    nats: Flags.string({
      description:
        'Serve over this NATS server, with the client pair "authority". Repeatable, for one system.',
      helpValue: 'URL',
      multiple: true,
      multipleNonGreedy: true,
    }),
    pair: Flags.string({
      description: 'The pair in --dir that --listen serves with.',
      helpValue: 'NAME',
      default: 'server',
    }),
    url: Flags.string({
      description: 'Where members find --listen, for new invitations. Repeatable.',
      helpValue: 'URL',
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ['listen'],
      defaultHelp: async () => 'its port, and the first name in the certificate of --pair',
    }),
    grace: windowFlag({
      description: 'How long after its end a certificate may still be renewed.',
      defaultHelp: async () => '0s',
    }),
    config: configurationFlag(
      'Configuration whose pins to keep true when a member changes its key; repeatable.',
    ),
    reload: Flags.string({
      description:
        'Send SIGHUP to this nats-server after each change of its pins, and of the pairs that this process renews; repeatable.',
      helpValue: 'PID|PIDFILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'passphrase-file': passphraseFileFlag('without it, the systemd credential "passphrase", or a prompt'),
    'print-permissions': Flags.boolean({
      description: 'Print blocks of nats.conf with the permissions that serving and renewing need, and exit.',
      exclusive: ['listen', 'http', 'nats', 'config', 'reload'],
    }),
  };

  async run() {
    const { flags } = await this.parse(Serve);
    if (flags['print-permissions']) {
      const permissions = permissionBlocks();
      this.print([permissions.trimEnd()]);
      return { permissions };
    }
    const { listen, http, nats = [], pair, url: urls, grace: graceMs, reload = [] } = flags;
    if (listen === undefined && nats.length === 0) {
      throw new UsageError(
        'nothing to serve members with: neither --listen nor --nats',
        'natspki serve --listen :8443',
      );
    }
    for (const url of nats) checkNatsUrl(url);
    if (urls !== undefined) checkUrls(urls);
    const directory = new PkiDirectory(flags.dir);
    const file = flags['passphrase-file'] ?? systemdCredential('passphrase');
    const passphrase = await authorityPassphrase(directory, { ...flags, 'passphrase-file': file });
    const logger = processLogger();
    await untilStopped(logger, (signal) =>
      serveFleet({
        ...{
          directory,
          nats,
          pair,
          logger,
          signal,
          configurations: flags.config ?? configurationsHere(),
          reload,
        },
        version: this.config.version,
        ...given({ passphrase, graceMs, listen, http, urls }),
      }),
    );
    return { directory: flags.dir };
  }
}

function checkNatsUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^(nats|tls):$/.test(url.protocol) && url.host !== '') return;
  throw new UsageError(
    `--nats is "${text}", expected the URL of a NATS server`,
    '--nats tls://localhost:4222',
  );
}
