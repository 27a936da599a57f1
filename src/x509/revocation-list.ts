// Reads certificate revocation lists (RFC 5280 section 5).
import { signatureAlgorithmName } from './algorithm.ts';
import { readExtensions } from './certificate.ts';
import { wrapDerErrors } from './decode.ts';
import { type DerValue, readChildren, readDer, readHexInteger, readTime, tags } from './der.ts';
import { type NameAttribute, readName } from './distinguished-name.ts';

export interface RevokedCertificate {
  /** Lower-case hex. */
  readonly serial: string;
  readonly revokedAt: Date;
  /** As in RFC 5280 section 5.3.1: `keyCompromise`; absent when the list gives none. */
  readonly reason?: string;
}

export interface RevocationList {
  readonly issuer: readonly NameAttribute[];
  readonly thisUpdate: Date;
  readonly nextUpdate: Date | undefined;
  readonly signatureAlgorithm: string;
  readonly revoked: readonly RevokedCertificate[];
}

const reasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  '',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
];

/**
 * Reads a revocation list; throws `damaged-revocation-list`.
 * @param source the name of the file, for errors
 */
export function readRevocationList(der: Buffer, source: string): RevocationList {
  return wrapDerErrors('revocation-list', source, () => {
    const [tbs, algorithm] = readChildren(readDer(der));
    const all = readChildren(tbs);
    const [, issuer, thisUpdate, ...rest] = all[0]?.tag === tags.integer ? all.slice(1) : all;
    const nextUpdate = isTime(rest[0]) ? rest.shift() : undefined;
    const entries = rest[0]?.tag === tags.sequence ? readChildren(rest[0]) : [];
    return {
      issuer: readName(issuer),
      thisUpdate: readTime(thisUpdate),
      nextUpdate: nextUpdate === undefined ? undefined : readTime(nextUpdate),
      signatureAlgorithm: signatureAlgorithmName(algorithm),
      revoked: entries.map(readEntry),
    };
  });
}

function isTime(value: DerValue | undefined): boolean {
  return value?.tag === tags.utcTime || value?.tag === tags.generalizedTime;
}

function readEntry(entry: DerValue): RevokedCertificate {
  const [serial, revokedAt, extensions] = readChildren(entry);
  const code = extensions === undefined ? undefined : reasonCode(extensions);
  return {
    serial: readHexInteger(serial),
    revokedAt: readTime(revokedAt),
    ...(code === undefined ? {} : { reason: reasons[code] ?? String(code) }),
  };
}

function reasonCode(extensions: DerValue): number | undefined {
  // In an entry, unlike in a certificate, no context tag surrounds the extensions.
  const byOid = readExtensions({ tag: tags.sequence, raw: extensions.raw, content: extensions.raw });
  const value = byOid.get('2.5.29.21');
  return value === undefined ? undefined : readDer(value.value).content[0];
}
