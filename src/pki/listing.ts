// What is in an authority's folder, as values for a table.
import type { Pin } from '../x509/pin.ts';
import type { PkiDirectory } from './directory.ts';
import type { ProfileName } from './profile.ts';

export interface ListedCertificate {
  /** `ca` for the authority itself. */
  readonly name: string;
  readonly profile: ProfileName | 'authority' | 'unknown';
  /** As parseSan reads them: `dns:localhost`. */
  readonly sans: readonly string[];
  readonly keyType: string;
  /** The issuer's common name. */
  readonly issuer: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Whole days until notAfter, rounded down; negative when expired. */
  readonly daysLeft: number;
  /** How much of its life is left, 1 to 0. */
  readonly lifeLeft: number;
  /** Whether it should be renewed: in the last third of its life, or within the window asked for. */
  readonly due: boolean;
  readonly pin: Pin;
  readonly certificateFile: string;
  /** Absent when the key stays where it was made (`issue --csr`). */
  readonly keyFile?: string;
}

/**
 * Reads every certificate of the folder, the authority first, then by name.
 * @param options.dueMs what is due: expires within this many milliseconds; default the last third of its life
 */
export async function listCertificates(
  _directory: PkiDirectory,
  _options: { now?: () => Date; dueMs?: number } = {},
): Promise<ListedCertificate[]> {
  throw new Error('not yet');
}
