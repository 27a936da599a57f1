// Decides by the Origin header which pages may connect (nats-server, websocket.go, checkOrigin).

export interface OriginRules {
  /** Whether a page may connect only to the host that it came from. */
  readonly sameOrigin: boolean;
  /** Http or https URLs; empty for any origin. */
  readonly allowedOrigins: readonly string[];
}

interface Origin {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

/**
 * Returns why an origin is rejected; undefined to accept it.
 * @param origin empty for a client that is no browser, which could name any origin
 * @param host the Host header
 */
export function rejectedOrigin(
  origin: string,
  host: string,
  isTls: boolean,
  { sameOrigin, allowedOrigins }: OriginRules,
): string | undefined {
  if (origin === '' || (!sameOrigin && allowedOrigins.length === 0)) return undefined;
  const from = parseOrigin(origin);
  if (from === undefined) return 'it is not a URL';
  if (sameOrigin && !isSame(from, parseOrigin(`${isTls ? 'https' : 'http'}://${host}`))) {
    return 'not same origin';
  }
  const isListed = allowedOrigins.some((allowed) => isSame(from, parseOrigin(allowed)));
  return isListed || allowedOrigins.length === 0 ? undefined : 'not in the allowed list';
}

function isSame(one: Origin, other: Origin | undefined): boolean {
  return one.scheme === other?.scheme && one.host === other.host && one.port === other.port;
}

/** Reads scheme, host and port of a URL; the default port is that of https or http. */
function parseOrigin(text: string): Origin | undefined {
  const [, scheme = '', authority = ''] = /^([a-z][a-z\d+.-]*):\/\/([^/?#]*)/i.exec(text) ?? [];
  const place = authority.slice(authority.lastIndexOf('@') + 1);
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(place) ?? [];
  const host = (bracketed ?? plain ?? '').toLowerCase();
  if (host === '') return undefined;
  const lower = scheme.toLowerCase();
  return { scheme: lower, host, port: port || (lower === 'https' ? '443' : '80') };
}
