// Keeps web sites from reading monitoring through a browser on this machine. A site can resolve its own name to
// 127.0.0.1 (DNS rebinding), but it cannot keep that name out of the Host header.
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Returns the Host of a request over the loopback interface if it is not a name of this machine; undefined if the
 * request may be answered. Over other interfaces any name may belong to this machine.
 * @param named the names of this machine in the configuration
 */
export function foreignHost(
  localAddress: string | undefined,
  header: string | undefined,
  named: readonly string[],
): string | undefined {
  if (header === undefined || !/^(::1$|(::ffff:)?127\.)/.test(localAddress ?? '')) return undefined;
  const host = header
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  const own = ['localhost', hostname().toLowerCase(), ...named.map((name) => name.toLowerCase())];
  if (host === '' || isIP(host) !== 0 || own.includes(host) || host.endsWith('.localhost')) return undefined;
  return header;
}
