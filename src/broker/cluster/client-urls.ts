// The client URLs that a server announces to its cluster (nats-server, server.go, getConnectURLs).
import { networkInterfaces } from 'node:os';
import { formatHostPort, type HostPort } from '../../net/host-port.ts';

/** Lists `host:port`; for an unspecified host, the addresses of all interfaces except loopback and link-local ones. */
export function clientUrlsOf({ host, port }: HostPort, interfaces = networkInterfaces()): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [formatHostPort({ host, port })];
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => formatHostPort({ host: address, port }));
}
