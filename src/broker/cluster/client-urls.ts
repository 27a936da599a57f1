// Where clients of other servers of the cluster are told to come to (nats-server, server.go, getConnectURLs).
import { networkInterfaces } from 'node:os';
import { formatHostPort, type HostPort } from '../options/host-port.ts';

/** Lists `host:port`; for all addresses of this machine, those of its interfaces but the loopback. */
export function clientUrlsOf({ host, port }: HostPort, interfaces = networkInterfaces()): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [formatHostPort({ host, port })];
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => formatHostPort({ host: address, port }));
}
