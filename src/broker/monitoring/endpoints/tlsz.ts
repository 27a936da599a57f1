// /tlsz: the certificates that each tls block serves, and the state of its files. nats-server has no such endpoint.

import { goTime } from '../../../protocol/go-format.ts';
import type { CertificateFacts } from '../../../tls/material.ts';
import type { ServerTls } from '../../transport/server-tls.ts';
import type { MonitoredBroker } from './monitored-broker.ts';

const dayMs = 86_400_000;

/** Answers a request. */
export function tlsz(broker: MonitoredBroker) {
  const now = broker.now();
  return {
    server_id: broker.facts.id,
    now: goTime(now),
    tls: tlsBlocks(broker).map((named) => describe(named, now)),
    revocation: describeRevocation(broker, now),
  };
}

/** A tls block in use. */
export interface NamedTls {
  /** As in the log: `tls`, `websocket.tls`, `cluster.tls`. */
  readonly name: string;
  /** What connects there. */
  readonly listener: 'client' | 'websocket' | 'route';
  readonly serverTls: ServerTls;
}

/** Lists the tls blocks in use. */
export function tlsBlocks({ tls, websocket, cluster }: MonitoredBroker): NamedTls[] {
  const blocks: NamedTls[] = [];
  if (tls !== undefined) blocks.push({ name: 'tls', listener: 'client', serverTls: tls });
  if (websocket?.tls !== undefined) {
    blocks.push({ name: 'websocket.tls', listener: 'websocket', serverTls: websocket.tls });
  }
  if (cluster?.tls !== undefined) {
    blocks.push({ name: 'cluster.tls', listener: 'route', serverTls: cluster.tls });
  }
  return blocks;
}

function describe({ name, serverTls }: NamedTls, now: Date) {
  const { block, material, status } = serverTls;
  const { lastSwap, lastRefusal } = status;
  return {
    name,
    ca_file: block.caFile,
    verify: block.verifyOptional ? 'optional' : block.verify,
    // Whether the broker serves the certificates in the files.
    current: status.current,
    generation: status.generation,
    swaps: status.swaps,
    last_swap: lastSwap === undefined ? undefined : goTime(lastSwap),
    refused_swaps: status.refused,
    last_refusal:
      lastRefusal === undefined ? undefined : { at: goTime(lastRefusal.at), reason: lastRefusal.reason },
    certificates: material.certificates.map((certificate, index) => ({
      cert_file: certificate.certFile,
      key_file: block.pairs[index]?.keyFile,
      ...describeCertificate(certificate, now),
    })),
    // What stands behind the certificates in their files.
    intermediates: material.intermediates.map((intermediate) => ({
      cert_file: intermediate.certFile,
      ...describeCertificate(intermediate, now),
    })),
    authorities: material.authorities.map((authority) => describeCertificate(authority, now)),
    ocsp_peer: block.ocspPeer === undefined ? undefined : true,
    staple: describeStaple(serverTls),
    history: status.history.map(({ at, ...event }) => ({ at: goTime(at), ...event })),
  };
}

function describeStaple({ stapler }: ServerTls) {
  const { status, thisUpdate, nextUpdate } = stapler.status ?? {};
  return (
    status && {
      status,
      this_update: thisUpdate && goTime(thisUpdate),
      next_update: nextUpdate && goTime(nextUpdate),
    }
  );
}

/** The revocation lists in use and the OCSP answers that are kept; each is undefined where it is not configured. */
export function describeRevocation({ revocations: { lists, ocsp, cache } }: MonitoredBroker, now: Date) {
  const state = lists?.status;
  return {
    lists: state && {
      // Whether the lists in the files are those in use.
      current: state.current,
      reloads: state.reloads,
      last_reload: state.lastReload && goTime(state.lastReload),
      refused_reloads: state.refused,
      last_refusal: state.lastRefusal && {
        at: goTime(state.lastRefusal.at),
        reason: state.lastRefusal.reason,
      },
      files: state.lists.map(({ file, issuer, number, size, thisUpdate, nextUpdate }) => ({
        file,
        issuer,
        number,
        revoked: size,
        this_update: goTime(thisUpdate),
        next_update: nextUpdate && goTime(nextUpdate),
        expired: nextUpdate !== undefined && nextUpdate < now,
      })),
    },
    ocsp: ocsp && {
      ...ocsp.statistics,
      // Questions in progress, and certificates of connected peers whose answers are renewed.
      open: ocsp.open,
      renewed: ocsp.held,
      kept: cache.entries.size,
    },
  };
}

function describeCertificate(certificate: CertificateFacts, now: Date) {
  const { subject, sans, issuer, serial, pin, notBefore, notAfter } = certificate;
  return {
    subject,
    sans,
    issuer,
    serial,
    pin,
    not_before: goTime(notBefore),
    not_after: goTime(notAfter),
    // Whole days, rounded down; negative after expiry.
    days_left: Math.floor((notAfter.getTime() - now.getTime()) / dayMs),
  };
}
