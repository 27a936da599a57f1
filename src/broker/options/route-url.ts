// URLs of routes: nats://user:password@host:port. They carry secrets, so that nothing here prints one whole.

/** Gives a URL with a host and a port as it is to be used; undefined for anything else. */
export function parseRouteUrl(text: string): string | undefined {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) return undefined;
  const { hostname, port } = new URL(trimmed);
  return hostname === '' || port === '' ? undefined : trimmed;
}

/** Gives the host of a route's URL, an IPv6 address without its brackets. */
export function hostOfRoute(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}
