// The issuing of one or many leaf certificates by the authority of a folder.
import type { KeyType } from '../x509/key.ts';
import type { San } from '../x509/name.ts';
import type { PkiDirectory } from './directory.ts';
import type { Made } from './init.ts';
import type { ProfileName } from './profile.ts';

export interface IssueOptions {
  readonly directory: PkiDirectory;
  readonly profile: ProfileName;
  readonly names: readonly string[];
  /** In place of the name itself (server, route, gateway, leafnode) or besides it (client). */
  readonly sans?: readonly San[];
  /** Default 365. */
  readonly days?: number;
  /** Default p256; not with `request`. */
  readonly keyType?: KeyType;
  /** A PKCS#10 request, PEM or DER, and the name of its file for errors; one name only. */
  readonly request?: { readonly bytes: Buffer; readonly file: string };
  /** Where the files go; default the folder itself. */
  readonly outDirectory?: string;
  readonly force?: boolean;
  /** Of the authority's key. */
  readonly passphrase?: string;
  readonly now?: () => Date;
  readonly progress?: (done: number, total: number) => void;
}

/** Issues a certificate for each name, in one step: a crash leaves none of the files or all of them. */
export async function issueCertificates(_options: IssueOptions): Promise<Made> {
  throw new Error('not yet');
}

/** Tells whether the authority's key wants a passphrase; for asking before work starts. */
export async function authorityNeedsPassphrase(_directory: PkiDirectory): Promise<boolean> {
  throw new Error('not yet');
}
