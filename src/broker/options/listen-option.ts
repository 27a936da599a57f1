// Reads an option for a listening socket: a port, or a host with a port.
import type { MapReader } from '../../conf/reader.ts';
import { type HostPort, parseHostPort } from '../../net/host-port.ts';

/** Reads an option that is a port or `host:port`. */
export function readListen(reader: MapReader, name: string): HostPort | undefined {
  const value = reader.value(name);
  if (value === undefined) return undefined;
  if (value.kind === 'integer') return { host: '', port: Number(value.value) };
  const parsed = value.kind === 'string' ? parseHostPort(value.value) : undefined;
  if (parsed === undefined) reader.error(value.position, `"${name}" must be a port or a host with a port`);
  return parsed;
}
