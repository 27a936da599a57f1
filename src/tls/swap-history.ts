// Records what happened to the files of a tls block, in order: loaded, reloaded or rejected, and what a reload has
// changed. Only the most recent events are kept.
import { isDeepStrictEqual } from 'node:util';
import { formatDay } from '../duration.ts';
import type { TlsBlock } from './block.ts';
import type { CertificateFacts, TlsMaterial } from './material.ts';

export interface SwapEvent {
  readonly at: Date;
  /** `opened` is the initial material, `swapped` a reload, `refused` a rejected reload. */
  readonly outcome: 'opened' | 'swapped' | 'refused';
  /** Generation of the material in use after the event. */
  readonly generation: number;
  /** The differences, one per line; empty for a rejected reload. */
  readonly changes: readonly string[];
  /** Why the reload was rejected; undefined for other events. */
  readonly reason: string | undefined;
}

const maxEvents = 50;

export class SwapHistory {
  readonly #events: SwapEvent[] = [];

  /** The oldest first. */
  get events(): readonly SwapEvent[] {
    return this.#events;
  }

  add(event: SwapEvent): void {
    this.#events.push(event);
    if (this.#events.length > maxEvents) this.#events.shift();
  }
}

/** Changes beyond this number are only counted. */
const maxLines = 10;

/** The options by their names in the configuration. */
const optionNames: Record<keyof TlsBlock, string> = {
  pairs: 'cert_file',
  caFile: 'ca_file',
  verify: 'verify',
  verifyOptional: 'verify',
  verifyAndMap: 'verify_and_map',
  verifyKnownUrls: 'verify_cert_and_check_known_urls',
  insecure: 'insecure',
  allowInsecureCipherSuites: 'allow_insecure_cipher_suites',
  cipherSuites: 'cipher_suites',
  curvePreferences: 'curve_preferences',
  minVersion: 'min_version',
  timeoutMs: 'timeout',
  connectionRateLimit: 'connection_rate_limit',
  rateLimit: 'rate_limit',
  handshakeFirst: 'handshake_first',
  pinnedCerts: 'pinned_certs',
  ocspPeer: 'ocsp_peer',
};

/** Describes the differences of the new material, one per line. @param before undefined at the start */
export function describeChanges(before: TlsMaterial | undefined, after: TlsMaterial): string[] {
  const lines = [
    ...compare(before?.certificates ?? [], after.certificates),
    ...compare(before?.authorities ?? [], after.authorities),
  ];
  const options = before === undefined ? [] : changedOptions(before.block, after.block);
  if (options.length > 0) lines.push(`options: ${options.join(', ')}`);
  if (lines.length > maxLines) lines.push(`and ${lines.splice(maxLines).length} more`);
  // The remaining possibilities are a comment, an intermediate certificate, or a key in another encoding.
  return lines.length > 0 || before === undefined ? lines : ['other content of the files'];
}

function compare(before: readonly CertificateFacts[], after: readonly CertificateFacts[]): string[] {
  const gone = before.filter((old) => !after.some((now) => isSame(old, now)));
  const lines = after
    .filter((now) => !before.some((old) => isSame(old, now)))
    .map((now) => {
      const at = gone.findIndex(({ subject }) => subject === now.subject);
      const [old] = at < 0 ? [] : gone.splice(at, 1);
      const until = `valid until ${formatDay(now.notAfter)}`;
      if (old === undefined) return `new: ${now.subject}, serial ${now.serial}, ${until}`;
      const key = old.pin === now.pin ? ', same key' : '';
      return `renewed: ${now.subject}, serial ${old.serial} to ${now.serial}, ${until}${key}`;
    });
  return [...lines, ...gone.map(({ subject, serial }) => `removed: ${subject}, serial ${serial}`)];
}

function isSame(a: CertificateFacts, b: CertificateFacts): boolean {
  return a.pin === b.pin && a.serial === b.serial;
}

function changedOptions(before: TlsBlock, after: TlsBlock): string[] {
  const keys = Object.keys(optionNames) as (keyof TlsBlock)[];
  const changed = keys.filter((key) => !isDeepStrictEqual(before[key], after[key]));
  return [...new Set(changed.map((key) => optionNames[key]))];
}
