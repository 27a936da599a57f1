// Reads where monitoring listens, if at all: `http`, `https`, their ports and their flags, as nats-server reads them.
import type { MapReader } from '../../conf/reader.ts';
import { readListen } from './listen-option.ts';

export interface MonitorOptions {
  /** Undefined for the host that clients connect to. */
  readonly host: string | undefined;
  /** 0 for any free port. */
  readonly port: number;
  /** Whether monitoring uses HTTPS, with the tls block of the client port. */
  readonly secure: boolean;
  /** Prefix of all paths: empty, or with a leading slash and no trailing one. */
  readonly basePath: string;
}

export interface MonitorFlags {
  readonly httpPort?: number | undefined;
  readonly httpsPort?: number | undefined;
}

/** Reads the options; undefined if monitoring is off. */
export function readMonitorOptions(reader: MapReader, flags: MonitorFlags): MonitorOptions | undefined {
  const http = readListen(reader, 'http');
  const https = readListen(reader, 'https');
  const plainPort = flags.httpPort || (reader.integer('http_port', 'monitor_port') ?? http?.port ?? 0);
  const securePort = flags.httpsPort || (reader.integer('https_port') ?? https?.port ?? 0);
  const basePath = readBasePath(reader.string('http_base_path') ?? '');
  if (plainPort === 0 && securePort === 0) return undefined;
  const secure = plainPort === 0;
  const position = secure
    ? reader.position('https_port', 'https')
    : reader.position('http_port', 'monitor_port', 'http');
  if (plainPort !== 0 && securePort !== 0) {
    reader.error(position, 'monitoring takes either an http port or an https port, not both');
  }
  const port = secure ? securePort : plainPort;
  if (port < -1 || port > 65_535) reader.error(position, `port ${port} is not between -1 and 65535`);
  return { host: https?.host || http?.host || undefined, port: Math.max(0, port), secure, basePath };
}

function readBasePath(text: string): string {
  const segments = text.split('/').filter((segment) => segment !== '');
  return segments.map((segment) => `/${segment}`).join('');
}
