// The flags of nats-server's command line (server/opts.go, ConfigureOptions), under the names that the options have.
import type { BrokerFlags } from './options.ts';

/** `serverName` becomes `server_name`. */
type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name;

/** The flags by nats-server's longest names, and `DV`, which stands for debug and trace. */
export type NatsServerFlags = {
  readonly [Name in keyof BrokerFlags as SnakeCase<Name>]: BrokerFlags[Name];
} & { readonly DV?: boolean | undefined };

/** Puts nats-server's flags under the names of the broker's; what it does not know is left out. */
export function brokerFlags(flags: NatsServerFlags): BrokerFlags {
  const { addr, port, pid, log, logtime, user, pass, auth, DV } = flags;
  const { tls, tlscert, tlskey, tlsverify, tlscacert, cluster, routes } = flags;
  return {
    addr,
    port,
    serverName: flags.server_name,
    clientAdvertise: flags.client_advertise,
    pid,
    portsFileDir: flags.ports_file_dir,
    httpPort: flags.http_port,
    httpsPort: flags.https_port,
    log,
    logtime,
    logtimeUtc: flags.logtime_utc,
    debug: DV ?? flags.debug,
    trace: DV ?? flags.trace,
    maxTracedMsgLen: flags.max_traced_msg_len,
    user,
    pass,
    auth,
    tls,
    tlscert,
    tlskey,
    tlsverify,
    tlscacert,
    cluster,
    clusterName: flags.cluster_name,
    clusterAdvertise: flags.cluster_advertise,
    noAdvertise: flags.no_advertise,
    connectRetries: flags.connect_retries,
    routes,
  };
}
