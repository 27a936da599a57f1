// `natspki broker`: runs the bundled broker, with nats-server's flags.
import * as Flags from '@oclif/core/flags';
import { checkConfiguration, restartsFor } from '../src/broker/options/check.ts';
import { brokerFlags } from '../src/broker/options/command-line.ts';
import type { ConfigurationSource } from '../src/broker/options/configuration.ts';
import { sendSignal } from '../src/broker/signal.ts';
import { BaseCommand } from '../src/cli/base-command.ts';
import { numberFlag } from '../src/cli/flags.ts';
import { ConfErrors, natsServerParseError, throwOnErrors } from '../src/conf/error.ts';
import { UsageError } from '../src/errors.ts';
import { secureSuiteNames, supportedCurves } from '../src/tls/ciphers.ts';

const monitorPort = { helpValue: 'PORT', minimum: -1, maximum: 65_535, example: 8222 };

/** The flags have nats-server's longest names; nats-server-flags.ts rewrites its other spellings to these. */
export default class Broker extends BaseCommand {
  static override summary = 'Run the bundled NATS broker.';
  static override usage = 'broker [-c FILE] [-a HOST] [-p PORT] [FLAGS]';
  static override description =
    "Takes nats-server's flags, with one dash or two, and its configuration. It reloads certificates and configuration when they change. SIGHUP reloads them too, SIGUSR1 reopens the log, SIGUSR2 starts lame duck mode, SIGINT and SIGTERM stop the broker.";
  static override examples = [
    'With the configuration of `natspki init`\nnatspki broker -c nats.conf',
    'On a free port of this machine, with debug and protocol traces\nnatspki broker -a 127.0.0.1 -p -1 -DV',
    'Make a running broker reload\nnatspki broker --signal reload=nats.pid',
  ];
  static override flags = {
    config: Flags.string({ char: 'c', description: 'Configuration file.', helpValue: 'FILE' }),
    t: Flags.boolean({ helpLabel: '-t', description: 'Check the configuration and exit.' }),
    test_reload: Flags.string({
      description:
        'With -t, check also that a running broker can reload this file; exit with 3 if it cannot.',
      helpValue: 'FILE',
    }),
    addr: Flags.string({
      char: 'a',
      description: 'Address to listen on.',
      helpValue: 'HOST',
      defaultHelp: async () => '0.0.0.0',
    }),
    port: numberFlag({
      char: 'p',
      description: 'Port for clients; -1 for a free one.',
      helpValue: 'PORT',
      minimum: -1,
      maximum: 65_535,
      example: 4222,
      defaultHelp: async () => '4222',
    }),
    server_name: Flags.string({ char: 'n', description: 'Name of the server.', helpValue: 'NAME' }),
    http_port: numberFlag({
      ...monitorPort,
      char: 'm',
      description: 'Port for monitoring over HTTP; -1 for a free one.',
    }),
    https_port: numberFlag({
      ...monitorPort,
      helpLabel: '-ms, --https_port',
      description: 'Port for monitoring over HTTPS, with the certificate of the client port.',
    }),
    client_advertise: Flags.string({
      description: 'Host and port to advertise to clients.',
      helpValue: 'HOST:PORT',
    }),
    pid: Flags.string({ char: 'P', description: 'File for the process id.', helpValue: 'FILE' }),
    ports_file_dir: Flags.string({
      description: 'Folder for a file with the ports in use.',
      helpValue: 'DIR',
    }),
    signal: Flags.string({
      helpLabel: '-sl, --signal',
      description: 'Send a signal to a running server: stop, quit, term, reopen, reload or ldm.',
      helpValue: 'SIGNAL=PID|FILE',
    }),
    log: Flags.string({ char: 'l', description: 'File to log to instead of stderr.', helpValue: 'FILE' }),
    logtime: Flags.boolean({ char: 'T', description: 'Start log lines with the time.', allowNo: true }),
    logtime_utc: Flags.boolean({ description: 'Log times in UTC.', allowNo: true }),
    debug: Flags.boolean({
      char: 'D',
      description: 'Log debugging output.',
      allowNo: true,
    }),
    trace: Flags.boolean({ char: 'V', description: 'Log the protocol messages.', allowNo: true }),
    DV: Flags.boolean({ helpLabel: '-DV', description: 'Debug and trace.', allowNo: true }),
    max_traced_msg_len: numberFlag({
      description: 'Bytes of a message that --trace shows; 0 for all.',
      helpValue: 'BYTES',
      minimum: 0,
      maximum: 2 ** 31,
      example: 256,
    }),
    user: Flags.string({ description: 'User that clients must log in with.', helpValue: 'USER' }),
    pass: Flags.string({ description: 'Password that clients must log in with.', helpValue: 'PASSWORD' }),
    auth: Flags.string({ description: 'Token that clients must log in with.', helpValue: 'TOKEN' }),
    tls: Flags.boolean({ description: 'TLS without client certificates.', allowNo: true }),
    tlscert: Flags.string({ description: 'Server certificate.', helpValue: 'FILE' }),
    tlskey: Flags.string({ description: 'Private key of the server certificate.', helpValue: 'FILE' }),
    tlsverify: Flags.custom<boolean | 'optional'>({
      helpLabel: '--tlsverify[=optional]',
      description: 'TLS with client certificates; optional ones with =optional.',
      parse: async (text) => (text === 'optional' ? text : text === 'true'),
    })(),
    tlscacert: Flags.string({
      description: 'Authorities that may sign client certificates.',
      helpValue: 'FILE',
    }),
    crl: Flags.string({
      description:
        'Revocation list, PEM or DER: rejects and disconnects peers whose certificate is on it. May be given several times.',
      helpValue: 'FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    cluster: Flags.string({ description: 'URL to accept routes on.', helpValue: 'URL' }),
    cluster_name: Flags.string({ description: 'Name of the cluster.', helpValue: 'NAME' }),
    cluster_advertise: Flags.string({
      description: 'Host and port to advertise to other servers.',
      helpValue: 'HOST:PORT',
    }),
    routes: Flags.string({
      description: 'URLs of other servers, separated by commas.',
      helpValue: 'URLS',
    }),
    no_advertise: Flags.boolean({ description: 'Advertise no other servers to clients.', allowNo: true }),
    connect_retries: numberFlag({
      description: 'Retries to connect to a server that another one advertises.',
      helpValue: 'NUMBER',
      minimum: 0,
      maximum: 1_000_000,
      example: 5,
      defaultHelp: async () => '0',
    }),
    'ignore-unsupported': Flags.boolean({
      default: false,
      description:
        'Warn about options that only nats-server supports, instead of rejecting them. The environment variable NATSPKI_IGNORE_UNSUPPORTED=1 does the same.',
    }),
    'no-common-name': Flags.boolean({
      description: 'With verify_and_map, find no user by a bare common name, as nats-server.',
    }),
    // Set by nats-server-flags.ts: one warning for each flag that has no effect.
    ignored: Flags.string({ hidden: true, multiple: true }),
    // Set by bin/nats-server.
    'as-nats-server': Flags.boolean({ hidden: true }),
    version: Flags.boolean({ char: 'v', description: 'Print the version of the broker.' }),
    help_tls: Flags.boolean({ description: 'Print the cipher suites and curves for a tls block.' }),
  };

  async run() {
    const { flags } = await this.parse(Broker);
    const { config, json, signal, 'as-nats-server': asNatsServer } = flags;
    if (flags.version) return this.#version(asNatsServer);
    if (flags.help_tls) return this.#tlsHelp();
    if (signal !== undefined) {
      sendSignal(signal);
      return { sent: signal };
    }
    const source = {
      config,
      flags: { ...brokerFlags(flags), noCommonName: flags['no-common-name'], crl: flags.crl },
      ignoreUnsupported: flags['ignore-unsupported'],
      flagWarnings: flags.ignored ?? [],
    };
    if (flags.t) return this.#check(source, flags.test_reload, asNatsServer);
    if (flags.test_reload !== undefined) {
      throw new UsageError('--test_reload needs -t', 'natspki broker -t -c nats.conf --test_reload new.conf');
    }
    const { runBroker } = await import('../src/broker/process.ts');
    await runBroker(source, {
      version: this.config.version,
      program: asNatsServer ? 'nats-server' : undefined,
      colors: process.stderr.isTTY && !process.env.NO_COLOR,
      onReady: ({ address, port, clientUrl: url, monitorUrl: monitoring }) => {
        if (json) this.logJson({ pid: process.pid, address, port, url, monitoring });
      },
    });
    // What is left, such as timers and V8's heap, must not delay a supervisor that waits for the end.
    process.exit();
  }

  protected override async catch(thrown: unknown): Promise<void> {
    const isLaunched = this.argv.includes('--as-nats-server');
    const line = isLaunched && thrown instanceof ConfErrors ? natsServerParseError(thrown) : undefined;
    if (line !== undefined) this.logToStderr(`nats-server: ${line}`);
    return super.catch(thrown);
  }

  #version(asNatsServer: boolean) {
    const { version } = this.config;
    // The suffix keeps it a semantic version, for programs that parse nats-server's output.
    this.log(asNatsServer ? `nats-server: v${version}+natspki` : `natspki broker: v${version}`);
    return { version };
  }

  async #check(source: ConfigurationSource, next: string | undefined, asNatsServer: boolean) {
    const { config } = source;
    if (config === undefined)
      throw new UsageError('-t needs a configuration file', 'natspki broker -t -c nats.conf');
    throwOnErrors(await checkConfiguration(config, source));
    const say = (line: string) => {
      if (asNatsServer) this.logToStderr(`nats-server: ${line}`);
      else this.log(`natspki broker: ${line}`);
    };
    say(`configuration file ${config} is valid`);
    if (next === undefined) return { config, valid: true };
    const kept = await restartsFor(source, next);
    if (kept.length === 0) say(`configuration file ${next} can be reloaded`);
    else {
      // As nats-server: the file is valid, but only a restart applies it.
      process.exitCode = 3;
      say(`config reload not supported for ${kept.join(', ')}`);
    }
    return { config, valid: true, reloadable: kept.length === 0, restart: kept };
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
