// The metrics of /metrics as a table: name, help text and source of the value. It knows nothing of the output format.
// Names and units follow the Prometheus conventions; label values come from sets that no client can enlarge.
import type { Metric as MetricOf, Sample } from '../../../net/metrics.ts';
import { processMetrics } from '../../../net/process-metrics.ts';
import type { ListFacts } from '../../../revocation/list-source.ts';
import type { CertificateFacts } from '../../../tls/material.ts';
import type { ServerTls } from '../../transport/server-tls.ts';
import type { Traffic } from '../../transport/statistics.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { tlsBlocks } from './tlsz.ts';

/** The source of all values, gathered once per response. */
export interface Observation {
  readonly broker: MonitoredBroker;
  readonly traffic: Traffic & { readonly stalls: number };
  /** Requests to monitoring by path. */
  readonly requests: ReadonlyMap<string, number>;
  readonly files: { readonly open?: number; readonly max?: number };
}

type Metric = MetricOf<Observation>;

/** Maximum number of authorities per block: those that expire first. */
const maxAuthorities = 64;

const connections: readonly Metric[] = [
  {
    name: 'natspki_client_connections',
    help: 'Open client connections.',
    type: 'gauge',
    read: ({ broker }) => broker.sessions.size,
  },
  {
    name: 'natspki_websocket_connections',
    help: 'Open client connections over WebSocket.',
    type: 'gauge',
    read: ({ broker }) => broker.sessions.countWebsockets(),
  },
  {
    name: 'natspki_client_connections_accepted_total',
    help: 'Client connections accepted.',
    type: 'counter',
    read: ({ broker }) => broker.sessions.total,
  },
  {
    name: 'natspki_client_connections_closed_total',
    help: 'Closed client connections, by reason.',
    type: 'counter',
    labels: ['reason'],
    read: ({ broker }) => Array.from(broker.sessions.ended.reasons, ([reason, count]) => [{ reason }, count]),
  },
  {
    name: 'natspki_client_tls_connections',
    help: 'Open client connections over TLS, by version and cipher suite.',
    type: 'gauge',
    labels: ['version', 'cipher_suite'],
    read: ({ broker }) =>
      broker.sessions
        .countTls()
        .map(({ version, suite, count }) => [{ version, cipher_suite: suite }, count]),
  },
  {
    name: 'natspki_slow_consumers_total',
    help: 'Client connections closed because the client read its messages too slowly.',
    type: 'counter',
    read: ({ broker }) => broker.sessions.ended.slowConsumers,
  },
  {
    name: 'natspki_stale_connections_total',
    help: 'Client connections closed because the client did not answer PING.',
    type: 'counter',
    read: ({ broker }) => broker.sessions.ended.staleConnections,
  },
  {
    name: 'natspki_stalled_publishers_total',
    help: 'Times that reading from a publisher was paused because a consumer was behind.',
    type: 'counter',
    read: ({ traffic }) => traffic.stalls,
  },
  {
    name: 'natspki_subscriptions',
    help: 'Subscriptions of clients.',
    type: 'gauge',
    read: ({ broker }) => broker.sessions.countSubscriptions(),
  },
  {
    name: 'natspki_routes',
    help: 'Routes to other servers of the cluster.',
    type: 'gauge',
    read: ({ broker }) => broker.cluster?.routes.length ?? 0,
  },
];

const messages: readonly Metric[] = [
  {
    name: 'natspki_received_messages_total',
    help: 'Messages received from clients.',
    type: 'counter',
    read: ({ traffic }) => traffic.inMsgs,
  },
  {
    name: 'natspki_received_bytes_total',
    help: 'Bytes of headers and payload received from clients.',
    type: 'counter',
    read: ({ traffic }) => traffic.inBytes,
  },
  {
    name: 'natspki_sent_messages_total',
    help: 'Messages sent to clients.',
    type: 'counter',
    read: ({ traffic }) => traffic.outMsgs,
  },
  {
    name: 'natspki_sent_bytes_total',
    help: 'Bytes of headers and payload sent to clients.',
    type: 'counter',
    read: ({ traffic }) => traffic.outBytes,
  },
];

const certificateLabels = ['block', 'role', 'file', 'subject', 'serial', 'pin'];

const certificates: readonly Metric[] = [
  {
    name: 'natspki_tls_certificate_not_after_timestamp_seconds',
    help: 'Expiry time of a certificate in use; role is server, intermediate for what stands behind it in its file, or authority for certificates in ca_file.',
    type: 'gauge',
    labels: certificateLabels,
    read: ({ broker }) => certificateTimes(broker, ({ notAfter }) => notAfter),
  },
  {
    name: 'natspki_tls_certificate_not_before_timestamp_seconds',
    help: 'Time from which a certificate in use is valid.',
    type: 'gauge',
    labels: certificateLabels,
    read: ({ broker }) => certificateTimes(broker, ({ notBefore }) => notBefore),
  },
  {
    name: 'natspki_tls_swaps_total',
    help: 'Reloads that put other certificates or options in force.',
    type: 'counter',
    labels: ['block'],
    read: ({ broker }) => perBlock(broker, ({ status }) => status.swaps),
  },
  {
    name: 'natspki_tls_refused_swaps_total',
    help: 'Reloads that kept the previous certificates because the changed files are unusable.',
    type: 'counter',
    labels: ['block'],
    read: ({ broker }) => perBlock(broker, ({ status }) => status.refused),
  },
  {
    name: 'natspki_tls_files_current',
    help: 'Whether the broker serves the certificates in the files: 1, or 0 while the files are unusable.',
    type: 'gauge',
    labels: ['block'],
    read: ({ broker }) => perBlock(broker, ({ status }) => (status.current ? 1 : 0)),
  },
  {
    name: 'natspki_tls_last_swap_timestamp_seconds',
    help: 'Time of the last reload that put other certificates or options in force.',
    type: 'gauge',
    labels: ['block'],
    read: ({ broker }) => perBlock(broker, ({ status: { lastSwap } }) => lastSwap && seconds(lastSwap)),
  },
  {
    name: 'natspki_tls_handshakes_total',
    help: 'TLS handshakes by result: ok, or the reason of the failure.',
    type: 'counter',
    labels: ['block', 'listener', 'result'],
    read: ({ broker }) =>
      tlsBlocks(broker).flatMap(({ name: block, listener: own, serverTls }) =>
        serverTls
          .outcomes(own)
          .flatMap(([listener, outcomes]) =>
            Object.entries(outcomes).map(([result, count]): Sample => [{ block, listener, result }, count]),
          ),
      ),
  },
];

const revocation: readonly Metric[] = [
  {
    name: 'natspki_revocation_lists_current',
    help: 'Whether the revocation lists in the files are in use: 1, or 0 while a file is unusable.',
    type: 'gauge',
    read: ({ broker }) => {
      const status = broker.revocations.lists?.status;
      return status && (status.current ? 1 : 0);
    },
  },
  {
    name: 'natspki_revocation_list_next_update_timestamp_seconds',
    help: 'Time by which the issuer promises another revocation list.',
    type: 'gauge',
    labels: ['file', 'issuer'],
    read: ({ broker }) => perList(broker, ({ nextUpdate }) => nextUpdate && seconds(nextUpdate)),
  },
  {
    name: 'natspki_revocation_list_certificates',
    help: 'Certificates on a revocation list in use.',
    type: 'gauge',
    labels: ['file', 'issuer'],
    read: ({ broker }) => perList(broker, ({ size }) => size),
  },
  {
    name: 'natspki_ocsp_requests_total',
    help: 'Questions to OCSP responders about certificates of peers, by result.',
    type: 'counter',
    labels: ['result'],
    read: ({ broker: { revocations } }) => {
      if (revocations.ocsp === undefined) return [];
      const { answered, unreachable, unusable } = revocations.ocsp.statistics;
      return Object.entries({ answered, unreachable, unusable }).map(([result, count]) => [
        { result },
        count,
      ]);
    },
  },
  {
    name: 'natspki_ocsp_answers',
    help: 'OCSP answers that are kept, by status.',
    type: 'gauge',
    labels: ['status'],
    read: ({ broker: { revocations } }) => {
      const statuses = revocations.ocsp === undefined ? [] : (['good', 'revoked', 'unknown'] as const);
      return statuses.map((status) => [{ status }, revocations.cache.count(status)]);
    },
  },
  {
    name: 'natspki_ocsp_staple_next_update_timestamp_seconds',
    help: 'Time at which the OCSP answer about the certificate of a block ends.',
    type: 'gauge',
    labels: ['block'],
    read: ({ broker }) =>
      perBlock(broker, ({ stapler }) => stapler.status?.nextUpdate && seconds(stapler.status.nextUpdate)),
  },
];

const server: readonly Metric[] = [
  {
    name: 'natspki_build_info',
    help: 'Always 1; the labels identify the program and the server.',
    type: 'gauge',
    labels: ['version', 'node_version', 'server_name'],
    read: ({ broker: { facts } }) => [
      [{ version: facts.version, node_version: process.versions.node, server_name: facts.name }, 1],
    ],
  },
  {
    name: 'natspki_ready',
    help: 'Whether clients can connect: 1 or 0.',
    type: 'gauge',
    read: ({ broker: { isReady } }) => (isReady ? 1 : 0),
  },
  {
    name: 'natspki_config_last_load_timestamp_seconds',
    help: 'Time at which the configuration in use was read.',
    type: 'gauge',
    read: ({ broker: { configuredAt } }) => seconds(configuredAt),
  },
  {
    name: 'natspki_monitoring_requests_total',
    help: 'Requests to the monitoring port, by path.',
    type: 'counter',
    labels: ['path'],
    read: ({ requests }) => Array.from(requests, ([path, count]) => [{ path }, count]),
  },
  {
    name: 'natspki_event_loop_active_seconds_total',
    help: 'Time for which the thread that serves clients was busy.',
    type: 'counter',
    read: () => performance.eventLoopUtilization().active / 1000,
  },
];

/** The open files of the process, under the names that Prometheus client libraries use. */
const openFiles: readonly Metric[] = [
  {
    name: 'process_open_fds',
    help: 'Number of open file descriptors.',
    type: 'gauge',
    read: ({ files }) => files.open,
  },
  {
    name: 'process_max_fds',
    help: 'Maximum number of open file descriptors.',
    type: 'gauge',
    read: ({ files }) => files.max,
  },
];

/** All metrics, in the order of the response. */
export const metricTable: readonly Metric[] = [
  ...certificates,
  ...revocation,
  ...connections,
  ...messages,
  ...server,
  ...processMetrics,
  ...openFiles,
];

function perBlock(broker: MonitoredBroker, read: (serverTls: ServerTls) => number | undefined): Sample[] {
  return tlsBlocks(broker).flatMap(({ name: block, serverTls }): Sample[] => {
    const value = read(serverTls);
    return value === undefined ? [] : [[{ block }, value]];
  });
}

function perList(broker: MonitoredBroker, read: (list: ListFacts) => number | undefined): Sample[] {
  return (broker.revocations.lists?.status.lists ?? []).flatMap((list): Sample[] => {
    const value = read(list);
    return value === undefined ? [] : [[{ file: list.file, issuer: list.issuer }, value]];
  });
}

function certificateTimes(
  broker: MonitoredBroker,
  timeOf: (certificate: CertificateFacts) => Date,
): Sample[] {
  return tlsBlocks(broker).flatMap(({ name: block, serverTls: { material } }) => {
    const sample = (role: string, certificate: CertificateFacts): Sample => {
      const { certFile: file, subject, serial, pin } = certificate;
      return [{ block, role, file, subject, serial, pin }, seconds(timeOf(certificate))];
    };
    const authorities = [...material.authorities].sort((a, b) => +a.notAfter - +b.notAfter);
    return [
      ...material.certificates.map((certificate) => sample('server', certificate)),
      ...material.intermediates.map((intermediate) => sample('intermediate', intermediate)),
      ...authorities.slice(0, maxAuthorities).map((authority) => sample('authority', authority)),
    ];
  });
}

function seconds(time: Date): number {
  return time.getTime() / 1000;
}
