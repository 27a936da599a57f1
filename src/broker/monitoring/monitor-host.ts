// Keeps web sites from reading monitoring through a browser on this machine: a site can give its own name the address
// 127.0.0.1 (DNS rebinding), but it cannot keep that name out of the Host header.
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Returns the name that a request over the loopback interface is for, where it is no name of this machine; undefined
 * where the request may be answered. Over other interfaces any name may be one of this machine.
 * @param named those that the configuration gives it
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
