// `natspki broker`: the bundled broker, with nats-server's flags.
import { checkConfiguration } from '../src/broker/options/check.ts';
import { sendSignal } from '../src/broker/signal.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import { brokerFlags, brokerSettings } from '../src/cli/broker-flags.ts';
import { throwOnErrors } from '../src/conf/error.ts';
import { UsageError } from '../src/errors.ts';
import { secureSuiteNames, supportedCurves } from '../src/tls/ciphers.ts';

export default class Broker extends BaseCommand {
  static override summary = 'Run the bundled NATS broker.';
  static override usage = 'broker [-c FILE] [-a HOST] [-p PORT] [FLAGS]';
  static override description =
    "Takes nats-server's flags, with one dash or two, and its configuration. It notices changed certificates and configuration by itself. SIGHUP reloads, SIGUSR1 reopens the log, SIGUSR2 lets clients go one by one, SIGINT and SIGTERM stop.";
  static override examples = [
    'With the configuration of `natspki init`\nnatspki broker -c nats.conf',
    'On any free port of this machine, with debug and protocol traces\nnatspki broker -a 127.0.0.1 -p -1 -DV',
    'Reload a running one\nnatspki broker --signal reload=nats.pid',
  ];
  static override flags = brokerFlags;

  async run() {
    const { flags } = await this.parse(Broker);
    const { config, 'as-nats-server': asNatsServer } = flags;
    const { version } = this.config;
    if (flags.version) {
      // For those who parse what nats-server says: still a semantic version.
      const line = asNatsServer ? `nats-server: v${version}+natspki` : `natspki broker: v${version}`;
      return this.#say({ version }, line);
    }
    if (flags.help_tls) return this.#tlsHelp();
    if (flags.signal !== undefined) {
      sendSignal(flags.signal);
      return { sent: flags.signal };
    }
    const source = { config, flags: brokerSettings(flags), ignoreUnsupported: flags['ignore-unsupported'] };
    if (flags.t) {
      if (config === undefined)
        throw new UsageError(
          '-t checks a configuration, and none is named',
          'natspki broker -t -c nats.conf',
        );
      throwOnErrors(await checkConfiguration(config, source));
      const line = `configuration file ${config} is valid`;
      if (!asNatsServer) return this.#say({ config, valid: true }, `natspki broker: ${line}`);
      this.logToStderr(`nats-server: ${line}`);
      return { config, valid: true };
    }
    const { runBroker } = await import('../src/broker/process.ts');
    await runBroker(source, {
      version,
      program: asNatsServer ? 'nats-server' : undefined,
      colors: process.stderr.isTTY && !process.env.NO_COLOR,
      onReady: ({ address, port, clientUrl: url, monitorUrl: monitoring }) => {
        if (flags.json) this.logJson({ pid: process.pid, address, port, url, monitoring });
      },
    });
    return undefined;
  }

  #say<T>(document: T, line: string): T {
    this.log(line);
    return document;
  }

  #tlsHelp() {
    const [cipherSuites, curves] = [secureSuiteNames(), supportedCurves()];
    this.print([
      'cipher_suites:',
      ...cipherSuites.map((name) => `  ${name}`),
      '',
      'curve_preferences:',
      ...curves.map((name) => `  ${name}`),
    ]);
    return { cipherSuites, curves };
  }
}
