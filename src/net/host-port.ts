// Parses and prints `host:port` as in nats-server's options.

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Parses `host:port`, `[::1]:port` and `:port`; undefined for anything else. A port may be -1. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):(-1|\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) return undefined;
  return { host: bracketed ?? plain ?? '', port: Number(port) };
}

/** Prints a host and port so that parseHostPort reads them back. */
export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Parses an address to advertise: a host with an optional port. Port 0, like -1, stands for that of the listener. */
export function parseAdvertised(text: string): HostPort | undefined {
  const parsed = text.includes(':') ? parseHostPort(text) : { host: text, port: 0 };
  return parsed && { ...parsed, port: Math.max(0, parsed.port) };
}

/** The host by which a program on this machine reaches a listener. */
export function localHost(host: string): string {
  return ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
}

/** Formats the URL of a server, with the scheme that clients and routes use over TLS or without it. */
export function natsUrl(where: HostPort, isTls: boolean): string {
  return `${isTls ? 'tls' : 'nats'}://${formatHostPort(where)}`;
}
