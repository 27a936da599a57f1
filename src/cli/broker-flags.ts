// The flags of `natspki broker`: nats-server's, under their longest names, with what they mean here. Their other
// spellings are put into these by nats-server-flags.ts.
import { boolean, string } from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import { numberFlag } from './flags.ts';

const monitorPort = { helpValue: 'PORT', minimum: -1, maximum: 65_535, example: 8222 };

export const brokerFlags = {
  config: string({ char: 'c', description: 'Configuration file.', helpValue: 'FILE' }),
  t: boolean({ helpLabel: '-t', description: 'Check the configuration and exit.' }),
  addr: string({
    char: 'a',
    description: 'Address to listen on.',
    helpValue: 'HOST',
    defaultHelp: async () => '0.0.0.0',
  }),
  port: numberFlag({
    char: 'p',
    description: 'Port for clients, -1 for any free one.',
    helpValue: 'PORT',
    minimum: -1,
    maximum: 65_535,
    example: 4222,
    defaultHelp: async () => '4222',
  }),
  server_name: string({ char: 'n', description: 'Name of the server.', helpValue: 'NAME' }),
  http_port: numberFlag({
    ...monitorPort,
    char: 'm',
    description: 'Port for monitoring over HTTP, -1 for any free one.',
  }),
  https_port: numberFlag({
    ...monitorPort,
    helpLabel: '-ms, --https_port',
    description: 'Port for monitoring over HTTPS, with the certificate of the client port.',
  }),
  client_advertise: string({ description: 'Host and port that clients are told.', helpValue: 'HOST:PORT' }),
  pid: string({ char: 'P', description: 'File for the process id.', helpValue: 'FILE' }),
  ports_file_dir: string({ description: 'Folder for a file with the ports in use.', helpValue: 'DIR' }),
  signal: string({
    helpLabel: '-sl, --signal',
    description: 'Send a signal to a running server: stop, quit, term, reopen, reload or ldm.',
    helpValue: 'SIGNAL=PID|FILE',
  }),
  log: string({ char: 'l', description: 'File to log to instead of stderr.', helpValue: 'FILE' }),
  logtime: boolean({ char: 'T', description: 'Begin log lines with the time.', allowNo: true }),
  logtime_utc: boolean({ description: 'Log times in UTC.', allowNo: true }),
  debug: boolean({
    char: 'D',
    description: 'Log what is of interest when looking for a fault.',
    allowNo: true,
  }),
  trace: boolean({ char: 'V', description: 'Log the protocol.', allowNo: true }),
  DV: boolean({ helpLabel: '-DV', description: 'Both of these.', allowNo: true }),
  max_traced_msg_len: numberFlag({
    description: 'Bytes of a message that --trace shows, 0 for all.',
    helpValue: 'BYTES',
    minimum: 0,
    maximum: 2 ** 31,
    example: 256,
  }),
  user: string({ description: 'User that clients must give.', helpValue: 'USER' }),
  pass: string({ description: 'Password that clients must give.', helpValue: 'PASSWORD' }),
  auth: string({ description: 'Token that clients must give.', helpValue: 'TOKEN' }),
  tls: boolean({ description: 'TLS without client certificates.', allowNo: true }),
  tlscert: string({ description: 'Server certificate.', helpValue: 'FILE' }),
  tlskey: string({ description: 'Its private key.', helpValue: 'FILE' }),
  tlsverify: boolean({ description: 'TLS with client certificates.', allowNo: true }),
  tlscacert: string({
    description: 'Authorities that client certificates may come from.',
    helpValue: 'FILE',
  }),
  cluster: string({ description: 'URL that other servers connect to.', helpValue: 'URL' }),
  cluster_name: string({ description: 'Name of the cluster.', helpValue: 'NAME' }),
  cluster_advertise: string({
    description: 'Host and port that other servers are told.',
    helpValue: 'HOST:PORT',
  }),
  routes: string({ description: 'URLs of other servers, with commas between them.', helpValue: 'URLS' }),
  no_advertise: boolean({ description: 'Tell clients of no other servers.', allowNo: true }),
  connect_retries: numberFlag({
    description: 'Further tries to reach a server that others tell of.',
    helpValue: 'NUMBER',
    minimum: 0,
    maximum: 1_000_000,
    example: 5,
    defaultHelp: async () => '0',
  }),
  'ignore-unsupported': boolean({
    default: false,
    description: 'Warn of configuration that only nats-server has, instead of refusing it.',
  }),
  // What bin/nats-server adds.
  'as-nats-server': boolean({ hidden: true }),
  version: boolean({ char: 'v', description: 'Version of the broker.' }),
  help_tls: boolean({ description: 'Cipher suites and curves for a tls block.' }),
};

/** Names what was given as the broker's options do. */
export function brokerSettings(flags: InferredFlags<typeof brokerFlags>) {
  const { addr, port, pid, log, logtime, user, pass, auth, tls, tlscert, tlskey, tlsverify, tlscacert } =
    flags;
  const { cluster, routes } = flags;
  return {
    ...{ addr, port, pid, log, logtime, user, pass, auth, tls, tlscert, tlskey, tlsverify, tlscacert },
    ...{ cluster, routes },
    clusterName: flags.cluster_name,
    clusterAdvertise: flags.cluster_advertise,
    noAdvertise: flags.no_advertise,
    connectRetries: flags.connect_retries,
    serverName: flags.server_name,
    httpPort: flags.http_port,
    httpsPort: flags.https_port,
    clientAdvertise: flags.client_advertise,
    portsFileDir: flags.ports_file_dir,
    logtimeUtc: flags.logtime_utc,
    debug: flags.DV ?? flags.debug,
    trace: flags.DV ?? flags.trace,
    maxTracedMsgLen: flags.max_traced_msg_len,
  };
}
