// /healthz: whether the server accepts connections (monitor.go, healthz). It has no streams whose health could be
// checked, but rejects invalid parameters for them as nats-server does.

import type { MonitoredBroker } from './monitored-broker.ts';
import type { Query } from './query.ts';

export interface Health {
  readonly status: 'ok' | 'error';
  /** The HTTP status. */
  readonly code: number;
  readonly error?: string;
  readonly errors?: readonly { readonly type: string; readonly error: string }[];
}

/** Options without effect on this broker, in the order in which nats-server validates them. */
const ignoredOptions = [
  'js-enabled',
  'js-enabled-only',
  'js-server-only',
  'js-meta-only',
  'leaf-remotes-connected',
];

/** Answers a request; throws BadQuery. */
export function healthz(query: Query, { isReady }: MonitoredBroker): Health {
  for (const name of ignoredOptions) query.boolean(name);
  const isDetailed = query.boolean('details');
  const fail = (code: number, type: string, error: string): Health => ({
    status: 'error',
    code,
    ...(isDetailed ? { errors: [{ type, error }] } : { error }),
  });
  const stream = query.text('stream');
  if (query.text('account') === '' && stream !== '') {
    return fail(400, 'BAD_REQUEST', '"account" must not be empty when checking stream health');
  }
  if (stream === '' && query.text('consumer') !== '') {
    return fail(400, 'BAD_REQUEST', '"stream" must not be empty when checking consumer health');
  }
  return isReady ? { status: 'ok', code: 200 } : fail(500, 'CONNECTION', 'not ready for connections');
}
