// The intermediate authority. It signs the leaves, so that the key of the root is needed only for the next intermediate and
// can be stored offline until then. Peers need not trust it explicitly: each certificate file carries it after the leaf.
import type { KeyObject } from 'node:crypto';
import { given } from '../../given.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { type Authority, nextName } from '../store/authority.ts';
import type { PairWrite, PkiDirectory } from '../store/directory.ts';
import { type LedgerEntry, ledgerEntry } from '../store/ledger.ts';
import { type ListedCertificate, rowOf } from '../store/listing.ts';
import { keptSubject } from '../store/subject.ts';
import { pairOf } from './leaf.ts';

/** The default lifetime in days. */
export const intermediateDays = 1825;

/** A new intermediate that is not written to files yet. */
export interface SignedIntermediate {
  readonly authority: Authority;
  readonly pair: PairWrite;
  readonly entry: LedgerEntry;
  readonly row: ListedCertificate;
}

/** Names the intermediate of a root. */
export function intermediateName(root: string): string {
  return nextName(root, 'intermediate');
}

/** Has a root sign an intermediate; throws as Authority.intermediate does. */
export async function signIntermediate(
  directory: PkiDirectory,
  root: Authority,
  wanted: {
    commonName: string;
    key: KeyObject;
    days: number;
    now: Date;
    passphrase?: string | undefined;
    /** The intermediate that it replaces, whose subject and name constraints it keeps. */
    replaces?: Certificate | undefined;
  },
): Promise<SignedIntermediate> {
  const { key, now, passphrase } = wanted;
  const { replaces } = wanted;
  const authority = await root.intermediate({
    ...wanted,
    nameConstraints: replaces?.nameConstraintsExtension,
    ...given({ subject: replaces && keptSubject(replaces) }),
  });
  const { certificate } = authority.current;
  const files = directory.intermediatePair;
  const facts = { name: files.name, profile: 'intermediate', issuer: root.current.certificate.pin } as const;
  return {
    authority,
    pair: await pairOf(files, authority.intermediates, key, passphrase),
    entry: ledgerEntry(certificate, { ...facts, now }),
    row: rowOf(certificate, files, 'intermediate', now),
  };
}
