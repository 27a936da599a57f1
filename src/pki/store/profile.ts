// The profiles of leaf certificates: their purposes as a table, and their alternative names.
import { NatspkiError } from '../../errors.ts';
import { readChoice } from '../../suggest.ts';
import { formatName, type NameAttribute, nameWith } from '../../x509/distinguished-name.ts';
import { formatSan, isHost, parseSan, type San, sanOfHost } from '../../x509/name.ts';
import type { Purpose } from '../../x509/sign.ts';

export const profileNames = ['server', 'route', 'client', 'gateway', 'leafnode'] as const;
export type ProfileName = (typeof profileNames)[number];

export interface Profile {
  /** Servers of clusters, gateways and leaf nodes need both: they connect to each other (nats-server, server/opts.go). */
  readonly purposes: readonly Purpose[];
  /** Whether peers connect to it by name or address, so that it needs alternative names. */
  readonly dialed: boolean;
}

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  server: { purposes: ['serverAuth'], dialed: true },
  route: { purposes: ['serverAuth', 'clientAuth'], dialed: true },
  client: { purposes: ['clientAuth'], dialed: false },
  gateway: { purposes: ['serverAuth', 'clientAuth'], dialed: true },
  leafnode: { purposes: ['serverAuth', 'clientAuth'], dialed: true },
};

/** Parses the name of a profile; throws a UsageError that suggests the nearest one. */
export function parseProfile(text: string, command = 'issue'): ProfileName {
  return readChoice('profile', text, profileNames, `natspki ${command} client ${text}`);
}

/**
 * Returns the alternative names of a certificate. A profile that peers dial has the requested names, else its own name;
 * throws `no-san` when that is not a host. A client certificate begins with the name that nats-server maps to the user
 * `name` (verify_and_map, nats-server server/auth.go), if there is one.
 * @param command the command that the hint shows
 */
export function sansFor(
  profile: ProfileName,
  name: string,
  requested: readonly San[],
  command = 'issue',
): San[] {
  if (!profiles[profile].dialed) return withoutRepeats([...mappedSan(name), ...requested]);
  if (requested.length > 0) return withoutRepeats(requested);
  if (isHost(name)) return [sanOfHost(name)];
  throw new NatspkiError('no-san', `"${name}" is not a host name, and a ${profile} certificate needs one`, {
    hint: `natspki ${command} ${profile} ${name} --san dns:HOST`,
  });
}

/** Returns the alternative name that nats-server maps to the user `name`: e-mail or DNS; none when it can be neither. */
export function mappedSan(name: string): San[] {
  try {
    return [parseSan(`${name.includes('@') ? 'email' : 'dns'}:${name}`)];
  } catch {
    return [];
  }
}

/**
 * Returns the user of the client `name` under verify_and_map: the subject if nats-server can map no other name, the common
 * name first (RFC 2253 section 2.1).
 * @param isForbidden whether name constraints leave that name out of the certificate
 * @param subject in the order of the certificate; default the common name alone
 */
export function mappedUser(
  name: string,
  isForbidden = false,
  subject: readonly NameAttribute[] = nameWith({}, name),
): string {
  return mappedSan(name).length > 0 && !isForbidden ? name : formatName(subject.toReversed());
}

function withoutRepeats(sans: readonly San[]): San[] {
  return [...new Map(sans.map((san) => [formatSan(san), san])).values()];
}
