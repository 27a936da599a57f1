// Reads `ocsp_peer` of a tls block (nats-server, server/ocsp_peer.go, parseOCSPPeer).
import type { ConfProblem } from '../conf/error.ts';
import { MapReader } from '../conf/reader.ts';
import { defaultOcspPolicy, type OcspPolicy } from '../revocation/ocsp-policy.ts';

const option = 'ocsp_peer';

/**
 * Returns what is asked for; undefined when the option is absent or turned off.
 * @param context the block that contains the tls block: `client`, `cluster`, ...
 * @param verify whether client certificates are required
 */
export function readOcspPeer(
  reader: MapReader,
  problems: ConfProblem[],
  context: string,
  verify: boolean,
): OcspPolicy | undefined {
  const found = reader.value(option);
  if (found === undefined) return undefined;
  if (found.kind !== 'boolean' && found.kind !== 'map') {
    reader.error(found.position, `"${option}" must be true, false or a block`);
    return undefined;
  }
  const policy =
    found.kind === 'map' ? readPolicy(new MapReader(found, problems, option)) : defaultOcspPolicy;
  if (found.kind === 'boolean' ? !found.value : policy === undefined) {
    if (found.kind === 'map') {
      const text = `"${option}" is off: without "verify: true" in its block no responder is asked`;
      reader.warning(found.position, text, `add verify: true to ${option}, or remove it`, 'ocsp-peer-off');
    }
    return undefined;
  }
  if (context === 'cluster' || context === 'gateway') {
    const text = `"${option}" has no effect in a ${context} block: no server asks about the certificates of its peers there`;
    reader.warning(
      found.position,
      text,
      'use `ocsp` (stapling), or natspki broker --crl FILE',
      'ocsp-peer-off',
    );
    return undefined;
  }
  if (!verify && context !== 'leafnodes') {
    const text = `"${option}" needs client certificates, which this block does not require`;
    reader.error(found.position, text, 'add verify: true');
  }
  return policy;
}

/** Returns undefined for a block that turns itself off. */
function readPolicy(reader: MapReader): OcspPolicy | undefined {
  const milliseconds = (name: string, fallback: number) => {
    const value = reader.durationMs(name);
    if (value === undefined || value >= 0) return value ?? fallback;
    const text = `a negative "${name}" has no effect: the default applies`;
    reader.warning(reader.position(name), text, 'remove it', 'ocsp-peer-off');
    return fallback;
  };
  const base = defaultOcspPolicy;
  const verify = reader.boolean('verify') ?? false;
  const policy = {
    // Zero stands for the default (ocsp_responder.go).
    timeoutMs: milliseconds('ca_timeout', base.timeoutMs) || base.timeoutMs,
    clockSkewMs: milliseconds('allowed_clockskew', base.clockSkewMs),
    warnOnly: reader.boolean('warn_only') ?? false,
    unknownIsGood: reader.boolean('unknown_is_good') ?? false,
    allowWhenUnreachable: reader.boolean('allow_when_ca_unreachable') ?? false,
    ttlMs: milliseconds('cache_ttl_when_next_update_unset', base.ttlMs),
  };
  reader.finish();
  return verify ? policy : undefined;
}
