// /tlsz: what each tls block serves and what became of its files. nats-server has no such thing.
import type { CertificateFacts } from '../tls/material.ts';
import { goTime, type Monitored } from './monitored.ts';
import type { TlsEntrance } from './tls-entrance.ts';

const dayMs = 86_400_000;

/** Answers a request. */
export function tlsz(broker: Monitored): object {
  const now = broker.now();
  return {
    server_id: broker.facts.id,
    now: goTime(now),
    tls: broker.tls === undefined ? [] : [describe('tls', broker.tls, now)],
  };
}

function describe(name: string, { block, material, status }: TlsEntrance, now: Date) {
  const { lastSwap, lastRefusal } = status;
  return {
    name,
    ca_file: block.caFile,
    verify: block.verify,
    // Whether the files are what is served.
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
    authorities: material.authorities.map((authority) => describeCertificate(authority, now)),
  };
}

function describeCertificate(certificate: CertificateFacts, now: Date) {
  const { subject, sans, issuer, serial, pin, notBefore, notAfter } = certificate;
  return {
    ...{ subject, sans, issuer, serial, pin },
    not_before: goTime(notBefore),
    not_after: goTime(notAfter),
    // Whole ones, as people count them; negative once it has expired.
    days_left: Math.floor((notAfter.getTime() - now.getTime()) / dayMs),
  };
}
