// The invitations of a folder: what each token is for. The secret of a token is not kept, only its hash. Uses are recorded
// in the ledger with the certificates that they led to, in one step.
import type { Stats } from 'node:fs';
import { exists, type FileWrite, statsOf } from '../../files/files.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { type ProfileName, profileNames } from '../../pki/store/profile.ts';

export interface Invitation {
  /** 16 lower-case hex digits. */
  readonly id: string;
  /** The SHA-256 of the secret, in hex. */
  readonly hash: string;
  readonly profile: ProfileName;
  /** The name of the certificate. */
  readonly name: string;
  readonly sans: readonly string[];
  /** The life of the certificate, and of those that it is renewed into. */
  readonly days: number;
  /** How often it may be used. */
  readonly uses: number;
  /** ISO 8601 in UTC, as all times. */
  readonly created: string;
  readonly expires: string;
  readonly withdrawn?: string;
  /** Set when it replaces the certificate of a member that cannot renew it any more. */
  readonly again?: true;
}

/** How long an expired invitation stays in the list, in milliseconds. */
const keptMs = 30 * 24 * 60 * 60 * 1000;

const unknownTime = new Date(Number.NaN);

/** Reads the invitations again when their file was replaced. */
export class Invitations {
  readonly #directory: PkiDirectory;
  readonly #file: string;
  #version = '';
  #byId: ReadonlyMap<string, Invitation> = new Map();

  constructor(directory: PkiDirectory) {
    this.#directory = directory;
    this.#file = directory.stateFile('invitations.json');
  }

  /** Returns the invitations by id, the oldest first. */
  async read(): Promise<ReadonlyMap<string, Invitation>> {
    const version = versionOf(statsOf(this.#file));
    if (version === this.#version) return this.#byId;
    const all = exists(this.#file)
      ? parseInvitations((await this.#directory.read(this.#file)).toString())
      : [];
    this.#byId = new Map(all.map((invitation) => [invitation.id, invitation]));
    this.#version = version;
    return this.#byId;
  }

  /** Returns the write that replaces the invitations; drops those that expired a month ago. */
  replacedBy(invitations: Iterable<Invitation>, now: Date): FileWrite {
    const kept = [...invitations].filter(({ expires }) => Date.parse(expires) + keptMs > now.getTime());
    return { path: this.#file, data: `${JSON.stringify(kept, null, 1)}\n`, mode: 0o600 };
  }
}

/** Identifies the content of a file that is only replaced, never changed in place. */
export function versionOf(stats: Stats | undefined): string {
  return stats === undefined ? 'none' : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}

/** Returns the valid entries of the file; a damaged file counts as one without invitations. */
function parseInvitations(text: string): Invitation[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter(isInvitation) : [];
  } catch {
    return [];
  }
}

function isInvitation(value: Partial<Invitation> | null): value is Invitation {
  const { id, hash, profile, name, sans, days, uses, created, expires } = value ?? {};
  const times = [created, expires].map((time) => new Date(time ?? unknownTime).getTime());
  return (
    [id, hash, name].every((field) => typeof field === 'string') &&
    profileNames.some((known) => known === profile) &&
    Array.isArray(sans) &&
    sans.every((san) => typeof san === 'string') &&
    [days, uses].every((number) => typeof number === 'number' && number > 0) &&
    !times.some(Number.isNaN)
  );
}
