// Judges each tls block of a configuration by a revoked certificate: whether the block would let it in, and what can keep it
// out. A NATS server rejects a certificate of an authority that it trusts by `pinned_certs`, or by `ocsp_peer`.
import type { MapValue } from '../conf/value.ts';
import type { TlsBlock, TlsContext } from '../tls/block.ts';
import type { Pin } from '../x509/pin.ts';
import { tlsBlockOf, tlsBlockPath } from './configuration-file.ts';

/**
 * What is done about a block. `remove`: pins leave its list. `pin`: from now on it accepts pinned keys only. `none`: its pins
 * reject the keys already. `ocsp`: it asks the responder that the certificate names. `skip`: the certificate cannot get in
 * by it. `open`: the certificate gets in, and nothing was done about it.
 */
export type DoorAction = 'remove' | 'pin' | 'none' | 'ocsp' | 'skip' | 'open';

/** The planned change of one tls block. */
export interface LockoutStep {
  readonly file: string;
  /** `tls`, `cluster.tls`, ... */
  readonly block: string;
  readonly context: TlsContext;
  readonly action: DoorAction;
  /** The pins that are removed, or those that will be accepted. */
  readonly pins: readonly Pin[];
  /** Why nothing is done; only with `skip` and `open`. */
  readonly reason?: string;
}

/** What the revoked certificates can do. */
export interface RevokedKeys {
  readonly out: ReadonlySet<Pin>;
  /** Whether one of them can be presented by a client: not where all are for servers alone. Default true. */
  readonly canConnect?: boolean;
  /** Whether each of them names an OCSP responder. Default false. */
  readonly nameResponder?: boolean;
  /** Returns whether peers of a block are verified by the authority of the keys, given the path of its ca_file. */
  readonly isTrusted?: (caFile: string | undefined) => boolean;
}

/** A pin that no key has: an empty list would accept every key (nats-server, server/opts.go). */
export const impossiblePin = '0'.repeat(64) as Pin;

/** The blocks that accept connections with certificates; monitoring over https asks for none (nats-server, server.go). */
export const acceptingContexts: readonly TlsContext[] = [
  'client',
  'cluster',
  'gateway',
  'leafnodes',
  'websocket',
  'mqtt',
];

/**
 * Plans the step for the block of a context; undefined when the configuration has no such block.
 * @param others the pins that a block without pins will accept
 */
export function planDoor(
  root: MapValue,
  file: string,
  context: TlsContext,
  keys: RevokedKeys,
  others: readonly Pin[],
): LockoutStep | undefined {
  const block = tlsBlockOf(root, context);
  if (block === undefined) return undefined;
  const location = { file, block: tlsBlockPath(context).join('.'), context };
  const { pinnedCerts, verify, verifyOptional, ocspPeer } = block;
  const asks = verify || verifyOptional;
  if (asks && pinnedCerts !== undefined) {
    const pins = [...pinnedCerts].filter((pin) => keys.out.has(pin));
    return { ...location, action: pins.length === 0 ? 'none' : 'remove', pins };
  }
  const idle = (action: DoorAction, reason?: string): LockoutStep => ({
    ...location,
    action,
    pins: [],
    ...(reason !== undefined && { reason }),
  });
  const unable = reasonToSkip(block, keys);
  if (unable !== undefined) return idle('skip', unable);
  // A block of a cluster or a gateway has no such policy: no server asks about its peers there.
  const asksResponder = ocspPeer !== undefined && !ocspPeer.warnOnly;
  if (verify && keys.nameResponder === true && asksResponder) return idle('ocsp');
  if (verifyOptional) return idle('open', 'it accepts clients without a certificate too');
  return { ...location, action: 'pin', pins: others.length === 0 ? [impossiblePin] : others };
}

function reasonToSkip(block: TlsBlock, { canConnect = true, isTrusted = () => true }: RevokedKeys) {
  if (!(block.verify || block.verifyOptional)) return 'it asks for no certificate';
  if (!isTrusted(block.caFile)) return 'it trusts another authority';
  return canConnect ? undefined : 'the certificate is for servers only';
}
