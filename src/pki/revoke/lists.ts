// Writes the revocation lists of an authority (RFC 5280 section 5) from its ledger: one for each issuer that peers may still
// trust, all in one file, since each issuer vouches for its own certificates only.
import { exists } from '../../files/files.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { writePem } from '../../x509/pem.ts';
import {
  type RevocationList,
  type RevokedCertificate,
  readRevocationLists,
} from '../../x509/revocation-list.ts';
import { dayMs } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import type { LedgerContents } from '../store/ledger.ts';
import { readIssuers } from './issuers.ts';

/** For how many days a list is valid, unless the caller or the previous list says otherwise. */
export const usualListDays = 7;

export interface ListOptions {
  readonly directory: PkiDirectory;
  /** Default: as long as the previous list was valid. */
  readonly days?: number;
  readonly passphrase?: string;
  readonly now?: () => Date;
}

export interface WrittenList {
  /** The common name of its issuer. */
  readonly issuer: string;
  /** Decimal. */
  readonly number: string;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** How many certificates are on it. */
  readonly revoked: number;
}

export interface WrittenLists {
  readonly file: string;
  readonly lists: readonly WrittenList[];
  /** The issuers without a new list, because their keys are not in the folder. */
  readonly notices: readonly string[];
}

/**
 * Writes the lists of all issuers whose keys are in the folder, and keeps the existing lists of others. Throws a
 * NatspkiError when the key that signs leaves is missing or cannot be opened; nothing is written then.
 */
export async function writeRevocationLists(options: ListOptions): Promise<WrittenLists> {
  const { directory, now: clock = () => new Date() } = options;
  return directory.exclusive(async () => {
    const now = clock();
    const issuers = await readIssuers(directory, options.passphrase);
    const previous = await readPrevious(directory);
    const ledger = await directory.ledger.read();
    const { Signer } = await import('../../x509/sign.ts');
    const lists: WrittenList[] = [];
    const pem: string[] = [];
    const notices: string[] = [];
    for (const { certificate, key } of issuers) {
      const old = previous.find((list) => list.isSignedBy(certificate));
      if (key === undefined) {
        if (old !== undefined) pem.push(writePem('X509 CRL', old.der));
        notices.push(keyAway(certificate, old));
        continue;
      }
      const contents = contentsOf(certificate, old, ledger, now, options.days);
      const signer = await Signer.of(certificate, key, Buffer.alloc);
      pem.push(writePem('X509 CRL', await signer.revocationList(contents)));
      const { number, thisUpdate, nextUpdate, revoked } = contents;
      lists.push({
        issuer: certificate.commonName,
        number: number.toString(),
        thisUpdate,
        nextUpdate,
        revoked: revoked.length,
      });
    }
    const file = directory.revocationListFile;
    await directory.write({ others: [{ path: file, data: pem.join(''), mode: 0o644 }] }, now);
    return { file, lists, notices: [...directory.takeRecoveryNotices(), ...notices] };
  });
}

/** Writes the lists if they are due; returns what was written, and when they are due again. */
export async function renewRevocationLists(
  options: ListOptions,
): Promise<{ readonly written?: WrittenLists; readonly next: Date | undefined }> {
  const { directory, now = () => new Date() } = options;
  const due = await listsDue(directory, now());
  if (due === undefined || due > now()) return { next: due };
  const written = await writeRevocationLists(options);
  // A list whose issuer cannot sign stays due.
  return { written, next: earliest(written.lists.map(halfOf)) };
}

/**
 * Returns when the file needs new lists: at half of the shortest life in it, and now when it lacks a revocation of the
 * ledger. Undefined when there is no file: the operator does not use lists.
 */
async function listsDue(directory: PkiDirectory, now: Date): Promise<Date | undefined> {
  if (!exists(directory.revocationListFile)) return undefined;
  const lists = await readPrevious(directory);
  const { revocations, entries } = await directory.ledger.read();
  const listed = new Set(lists.flatMap(({ revoked }) => revoked.map(({ serial }) => serial)));
  const expired = new Set(
    entries.flatMap(({ serial, notAfter }) => (new Date(notAfter) < now ? [serial] : [])),
  );
  const isMissing = [...revocations.keys()].some((serial) => !listed.has(serial) && !expired.has(serial));
  return isMissing ? now : earliest(lists.map(halfOf));
}

function halfOf({ thisUpdate, nextUpdate }: { thisUpdate: Date; nextUpdate: Date | undefined }): Date {
  return new Date((thisUpdate.getTime() + (nextUpdate ?? thisUpdate).getTime()) / 2);
}

function earliest(times: readonly Date[]): Date {
  return new Date(Math.min(...times.map((time) => time.getTime())));
}

async function readPrevious(directory: PkiDirectory): Promise<RevocationList[]> {
  const file = directory.revocationListFile;
  if (!exists(file)) return [];
  return readRevocationLists(await directory.read(file), file);
}

function contentsOf(
  issuer: Certificate,
  old: RevocationList | undefined,
  { entries, revocations }: LedgerContents,
  now: Date,
  days: number | undefined,
) {
  const lifeMs =
    days !== undefined
      ? days * dayMs
      : old?.nextUpdate === undefined
        ? usualListDays * dayMs
        : old.nextUpdate.getTime() - old.thisUpdate.getTime();
  const thisUpdate = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const issued = new Map(entries.map((entry) => [entry.serial, entry]));
  const revoked = [...revocations.values()].flatMap(
    ({ time, revoked: serial, reason }): RevokedCertificate[] => {
      const entry = issued.get(serial);
      // Serial numbers are random: one of an unknown issuer does no harm on the list of another.
      if (entry !== undefined && entry.issuer !== issuer.pin) return [];
      // It stays on the list beyond its life, for at least one list (RFC 5280 section 3.3).
      if (entry !== undefined && new Date(entry.notAfter).getTime() + lifeMs < now.getTime()) return [];
      const revokedAt = new Date(time);
      return [reason === undefined ? { serial, revokedAt } : { serial, revokedAt, reason }];
    },
  );
  // Also grows when the file was lost, and when the clock was set back.
  const byClock = BigInt(Math.floor(now.getTime() / 1000));
  const next = (old?.number ?? 0n) + 1n;
  const number = next > byClock ? next : byClock;
  return { number, thisUpdate, nextUpdate: new Date(thisUpdate.getTime() + lifeMs), revoked };
}

function keyAway({ commonName }: Certificate, old: RevocationList | undefined): string {
  const kept =
    old?.nextUpdate === undefined
      ? 'it has no list'
      : `its list is valid until ${old.nextUpdate.toISOString()}`;
  return `the key of "${commonName}" is not in the folder: ${kept}`;
}
