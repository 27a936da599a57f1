// What each kind of certificate is for, as a table, and the names it carries.
import { NatspkiError } from '../../errors.ts';
import { readChoice } from '../../suggest.ts';
import { formatName } from '../../x509/distinguished-name.ts';
import { formatSan, isHost, parseSan, type San, sanOfHost } from '../../x509/name.ts';
import type { Purpose } from '../../x509/sign.ts';

export const profileNames = ['server', 'route', 'client', 'gateway', 'leafnode'] as const;
export type ProfileName = (typeof profileNames)[number];

export interface Profile {
  /** Servers of a cluster, of gateways and of leaf nodes are clients of each other (nats-server, server/opts.go). */
  readonly purposes: readonly Purpose[];
  /** Whether others dial it by its names, so that it must have some. */
  readonly dialed: boolean;
}

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  server: { purposes: ['serverAuth'], dialed: true },
  route: { purposes: ['serverAuth', 'clientAuth'], dialed: true },
  client: { purposes: ['clientAuth'], dialed: false },
  gateway: { purposes: ['serverAuth', 'clientAuth'], dialed: true },
  leafnode: { purposes: ['serverAuth', 'clientAuth'], dialed: true },
};

/** Reads the name of a profile; throws a UsageError with the nearest one. */
export function parseProfile(text: string): ProfileName {
  return readChoice('profile', text, profileNames, 'natspki issue --help');
}

/**
 * Gives the alternative names of a certificate. One that is dialed has those asked for, or else its own name, and
 * throws `no-san` when that is not a host; a client's begin with the one that nats-server maps to the user of that name
 * (verify_and_map, nats-server server/auth.go), where there is one.
 */
export function sansFor(profile: ProfileName, name: string, asked: readonly San[]): San[] {
  if (!profiles[profile].dialed) return withoutRepeats([...mappedSan(name), ...asked]);
  if (asked.length > 0) return withoutRepeats(asked);
  if (isHost(name)) return [sanOfHost(name)];
  throw new NatspkiError('no-san', `"${name}" is not a host name, and a ${profile} certificate needs one`, {
    hint: `natspki issue ${profile} ${name} --san dns:HOST`,
  });
}

/** Gives the name that nats-server maps to the user `name`: e-mail, or DNS; none when it can be neither. */
export function mappedSan(name: string): San[] {
  try {
    return [parseSan(`${name.includes('@') ? 'email' : 'dns'}:${name}`)];
  } catch {
    return [];
  }
}

/** Names the user as which nats-server knows the client `name` under verify_and_map: by its subject where by no other. */
export function mappedUser(name: string): string {
  return mappedSan(name).length > 0 ? name : formatName([{ type: 'CN', value: name }]);
}

function withoutRepeats(sans: readonly San[]): San[] {
  return [...new Map(sans.map((san) => [formatSan(san), san])).values()];
}
