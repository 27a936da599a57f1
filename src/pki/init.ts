// The making of an authority and its first certificates, all or nothing.
import type { FileWrite } from '../files.ts';
import type { KeyType } from '../x509/key.ts';
import type { PkiDirectory } from './directory.ts';
import type { ListedCertificate } from './listing.ts';

export interface InitOptions {
  readonly directory: PkiDirectory;
  /** DNS names and IP addresses of the server and the route certificate. */
  readonly hosts: readonly string[];
  readonly clients: readonly string[];
  /** Each gets the pairs `NAME-server` and `NAME-route`. */
  readonly nodes?: readonly { name: string; hosts: readonly string[] }[];
  /** Server pairs in place of the one called `server` (the multi-certificate template: one for each domain). */
  readonly servers?: readonly { name: string; hosts: readonly string[] }[];
  readonly authorityName: string;
  readonly authorityDays: number;
  readonly days: number;
  readonly keyType: KeyType;
  /** Encrypts the authority's key. */
  readonly passphrase?: string;
  /** Replaces an existing authority; what it replaces goes to the archive. */
  readonly force?: boolean;
  /** Further files, such as nats.conf, that appear in the same step as the certificates or not at all. */
  readonly files?: (made: readonly ListedCertificate[]) => readonly FileWrite[];
  readonly now?: () => Date;
  readonly progress?: (done: number, total: number) => void;
}

/** What a command has made: the certificates, and remarks for the user (one line each). */
export interface Made {
  readonly certificates: readonly ListedCertificate[];
  readonly notices: readonly string[];
}

/** Lists the hosts of a server that says nothing else: localhost, 127.0.0.1, ::1 and this host's name when it is a DNS name. */
export function defaultHosts(_hostname: string): string[] {
  throw new Error('not yet');
}

/** Throws `authority-exists` unless forced. For asking before the questions are put to the user. */
export async function refuseExistingAuthority(_directory: PkiDirectory): Promise<void> {
  throw new Error('not yet');
}

/** Makes the authority (first in the result, named `ca`), server, route, client and node certificates in one step. */
export async function initialize(_options: InitOptions): Promise<Made> {
  throw new Error('not yet');
}
