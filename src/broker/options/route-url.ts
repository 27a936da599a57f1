// Parses the URLs of routes: nats://user:password@host:port. They contain secrets: nothing here prints a whole URL.

/** Returns the trimmed URL if it has a host and a port; undefined otherwise. */
export function parseRouteUrl(text: string): string | undefined {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) return undefined;
  const { hostname, port } = new URL(trimmed);
  return hostname === '' || port === '' ? undefined : trimmed;
}

/** Returns the host of a route's URL, an IPv6 address without its brackets. */
export function hostOfRoute(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}
