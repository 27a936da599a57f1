// Which headers of a request ask for it to be traced (accounts.go, shouldSample): those of Jaeger, of Zipkin and of the
// W3C, in this order. Reads headers as Go's textproto does: with its spelling of the names, and not at all where one
// line is wrong.

/** Values by name, as the results of a measurement show them. */
export type Headers = Readonly<Record<string, readonly string[]>>;

/** Finds those that ask; undefined where none does. @param block from `NATS/1.0` to its empty line */
export function tracingHeaders(block: string): Headers | undefined {
  const headers = readHeaders(block);
  if (headers === undefined) return undefined;
  const { 'Uber-Trace-Id': uber, B3: b3, Traceparent: parent } = headers;
  const sampled = headers['X-B3-Sampled']?.[0];
  if (uber !== undefined) {
    return isUberSampled(uber[0] ?? '') ? pick(headers, /^(Uber-Trace-Id$|Uberctx-)/) : undefined;
  }
  if (sampled === '0') return undefined;
  // Where nothing is said of sampling, that is for whoever receives it to decide.
  if (sampled === '1' || headers['X-B3-Traceid'] !== undefined) {
    return pick(headers, /^X-B3-(Sampled|Traceid|Parentspanid|Spanid)$/);
  }
  if (b3 !== undefined) return isB3Denied(b3[0] ?? '') ? undefined : { B3: b3 };
  if (parent === undefined || !isParentSampled(parent[0] ?? '')) return undefined;
  return pick(headers, /^(Traceparent|Tracestate)$/);
}

/** `trace:span:parent:flags`; of two digits of the flags nats-server looks at the second alone. */
function isUberSampled(id: string): boolean {
  const flags = /^[^:]*:[^:]*:[^:]*:[!-9;-~]?([0-9a-fA-F])$/s.exec(id)?.[1];
  return flags !== undefined && (Number.parseInt(flags, 16) & 1) === 1;
}

/** `trace-span-sampled-parent`, or the flag alone. */
function isB3Denied(b3: string): boolean {
  const parts = b3.split('-');
  return parts.length > 2 ? parts[2] === '0' : b3 === '0';
}

/** `version-trace-span-flags`; nats-server reads the flags as a signed byte, so that none from 80 on are any. */
function isParentSampled(parent: string): boolean {
  const parts = parent.split('-');
  const flags = parts[3] ?? '';
  if (parts.length !== 4 || !/^([0-7+])[0-9a-fA-F]$/.test(flags)) return false;
  return (Number.parseInt(flags, 16) & 1) === 1;
}

/** By name, in the order in which Go prints them. */
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

// biome-ignore lint/suspicious/noControlCharactersInRegex: what no value may have in it
const isControl = /[\x00-\x08\x0a-\x1f\x7f]/;

/** One line a header: what begins with a blank goes on with the one before. Undefined where that is no block of headers. */
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
