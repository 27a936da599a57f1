// Whether a tls block makes a server ask OCSP responders about its peers (nats-server, server/ocsp_peer.go).
import { MapReader } from '../conf/reader.ts';
import type { MapValue } from '../conf/value.ts';

/** `rejects`: a revoked peer is not let in. `warns`: it is only logged. `no`: no responder is asked. */
export type ResponderUse = 'rejects' | 'warns' | 'no';

/** Reads `ocsp_peer` of a tls block. It applies to clients and leaf nodes only: see asksAbout. */
export function responderUse(block: MapValue): ResponderUse {
  const option = new MapReader(block, [], '').value('ocsp_peer');
  if (option?.kind === 'boolean') return option.value ? 'rejects' : 'no';
  if (option?.kind !== 'map') return 'no';
  const reader = new MapReader(option, [], '');
  if (reader.boolean('verify') !== true) return 'no';
  return reader.boolean('warn_only') === true ? 'warns' : 'rejects';
}

/** Whether a server asks about peers of a context at all: not about those of clusters and gateways (plugTLSOCSPPeer). */
export function asksAbout(context: string): boolean {
  return context !== 'cluster' && context !== 'gateway';
}
