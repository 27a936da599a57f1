// Finds the headers by which a request asks to be traced (accounts.go, shouldSample): those of Jaeger, Zipkin and the
// W3C, in this order. Parses headers as Go's textproto does: canonicalizes names, and rejects the block if one line
// is invalid.

/** Values by canonical name, as latency results contain them. */
export type Headers = Readonly<Record<string, readonly string[]>>;

/** Returns the headers that ask for tracing; undefined if none does. @param block from `NATS/1.0` to its empty line */
export function tracingHeaders(block: string): Headers | undefined {
  const headers = readHeaders(block);
  if (headers === undefined) return undefined;
  const { 'Uber-Trace-Id': uber, B3: b3, Traceparent: parent } = headers;
  const sampled = headers['X-B3-Sampled']?.[0];
  if (uber !== undefined) {
    return isUberSampled(uber[0] ?? '') ? pick(headers, /^(Uber-Trace-Id$|Uberctx-)/) : undefined;
  }
  if (sampled === '0') return undefined;
  // Without a sampling header the receiver decides: nats-server then samples.
  if (sampled === '1' || headers['X-B3-Traceid'] !== undefined) {
    return pick(headers, /^X-B3-(Sampled|Traceid|Parentspanid|Spanid)$/);
  }
  if (b3 !== undefined) return isB3Denied(b3[0] ?? '') ? undefined : { B3: b3 };
  if (parent === undefined || !isParentSampled(parent[0] ?? '')) return undefined;
  return pick(headers, /^(Traceparent|Tracestate)$/);
}

/** Format `trace:span:parent:flags`; if the flags have two digits, nats-server looks only at the second. */
function isUberSampled(id: string): boolean {
  const flags = /^[^:]*:[^:]*:[^:]*:[!-9;-~]?([0-9a-fA-F])$/s.exec(id)?.[1];
  return flags !== undefined && (Number.parseInt(flags, 16) & 1) === 1;
}

/** Format `trace-span-sampled-parent`, or the sampling flag alone. */
function isB3Denied(b3: string): boolean {
  const parts = b3.split('-');
  return parts.length > 2 ? parts[2] === '0' : b3 === '0';
}

/**
 * Format `version-trace-span-flags`; nats-server parses the flags as a signed byte, so hex 80 and above are invalid.
 */
export function isParentSampled(parent: string): boolean {
  const parts = parent.split('-');
  const flags = parts[3] ?? '';
  if (parts.length !== 4 || !/^([0-7+])[0-9a-fA-F]$/.test(flags)) return false;
  return (Number.parseInt(flags, 16) & 1) === 1;
}

/** Returns the headers with these names, sorted as Go prints them. */
function pick(headers: Headers, names: RegExp): Headers {
  const found = Object.entries(headers).filter(([name]) => names.test(name));
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readHeaders(block: string): Headers | undefined {
  const headers: Record<string, string[]> = Object.create(null);
  const lines = readLines(block);
  if (lines === undefined) return undefined;
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1);
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z ]+$/.test(name) || isControl.test(value)) return undefined;
    const spelt = name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
    const key = name.includes(' ') ? name : spelt;
    const values = headers[key] ?? [];
    headers[key] = values;
    values.push(value.replace(/^[ \t]+/, ''));
  }
  return headers;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are invalid in a value
const isControl = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Unfolds continuation lines, which start with a blank: one line per header. Undefined for an invalid block. */
function readLines(block: string): string[] | undefined {
  const lines: string[] = [];
  for (const raw of block.split('\n').slice(1)) {
    const line = raw.replace(/\r$/, '');
    if (line === '') return lines;
    const text = line.replace(/^[ \t]+|[ \t]+$/g, '');
    const isMore = /^[ \t]/.test(line);
    if (isMore ? lines.length === 0 : !line.includes(':')) return undefined;
    lines.push(isMore ? `${lines.pop()} ${text}` : text);
  }
  return undefined;
}
