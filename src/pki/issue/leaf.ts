// Plans leaf certificates, makes their keys and signs them. Returns the pairs, ledger entries and list rows, and writes no
// files.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { formatDay, formatDuration } from '../../duration.ts';
import { given } from '../../given.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { readDer } from '../../x509/der.ts';
import { readName, type SubjectAttributes } from '../../x509/distinguished-name.ts';
import { encodePrivateKey, generateKey, type KeyType } from '../../x509/key.ts';
import { isHost, type San } from '../../x509/name.ts';
import { type Authority, dayMs } from '../store/authority.ts';
import type { PairFiles, PairWrite } from '../store/directory.ts';
import { type LedgerEntry, ledgerEntry } from '../store/ledger.ts';
import { type ListedCertificate, rowOf } from '../store/listing.ts';
import { mappedSan, mappedUser, type ProfileName, profiles, sansFor } from '../store/profile.ts';
import { encodeWholeSubject } from '../store/subject.ts';

/** A certificate to issue. */
export interface LeafPlan {
  readonly files: PairFiles;
  readonly profile: ProfileName;
  readonly sans: readonly San[];
  readonly days: number;
  /** The whole subject (DER Name); by default the common name is the name of the files. */
  readonly subjectDer?: Buffer;
}

/** A plan with its private key, or with the public key where the private one is elsewhere. */
export type KeyedPlan = LeafPlan & { readonly key: KeyObject };

/** The result of a command: the new certificates, and notices for the user, one line each. */
export interface IssuedCertificates {
  readonly certificates: readonly ListedCertificate[];
  readonly notices: readonly string[];
}

/** Signed certificates that are not written to files yet. */
export interface SignedLeaves {
  readonly certificates: readonly Certificate[];
  readonly pairs: readonly PairWrite[];
  readonly entries: readonly LedgerEntry[];
  readonly listed: readonly ListedCertificate[];
}

/** Plans a certificate; throws `no-san` when peers dial it and it has no name that they could match. */
export function planLeaf(
  files: PairFiles,
  profile: ProfileName,
  days: number,
  asked: readonly San[] = [],
): LeafPlan {
  return { files, profile, days, sans: sansFor(profile, files.name, asked) };
}

/** Puts attributes before the common name in the subject of a plan. */
export async function withSubject(plan: LeafPlan, subject: SubjectAttributes): Promise<LeafPlan> {
  return { ...plan, ...given({ subjectDer: await encodeWholeSubject(subject, plan.files.name) }) };
}

/**
 * Makes a key for each plan, all in parallel.
 * @param made called after each key
 */
export async function makeKeys(
  plans: readonly LeafPlan[],
  keyType: KeyType,
  made: () => void,
): Promise<KeyedPlan[]> {
  return Promise.all(
    plans.map(async (plan) => {
      const key = await generateKey(keyType);
      made();
      return { ...plan, key };
    }),
  );
}

/** How many certificates are signed between two turns of the event loop, about 20 ms. */
const batchSize = 8;

/**
 * Signs a certificate for each plan.
 * @param signed called after each certificate
 */
export async function signLeaves(
  authority: Authority,
  plans: readonly KeyedPlan[],
  now: Date,
  signed: () => void,
): Promise<SignedLeaves> {
  const issuer = authority.current.certificate.pin;
  const certificates: Certificate[] = [];
  const pairs: PairWrite[] = [];
  const entries: LedgerEntry[] = [];
  const listed: ListedCertificate[] = [];
  const chain = authority.chain.filter(({ notAfter }) => now < notAfter);
  for (const { files, profile, sans: planned, days, subjectDer, key } of plans) {
    const sans = permittedSans(authority, files.name, profile, planned);
    const request = key.type === 'public';
    const publicKey = request ? key : createPublicKey(key);
    const certificate = await authority.issue(
      {
        commonName: files.name,
        profile,
        sans,
        publicKey,
        days,
        ...given({ subjectDer }),
      },
      now,
    );
    const { keyFile, ...rest } = files;
    certificates.push(certificate);
    pairs.push(await pairOf(files, [certificate, ...chain], request ? undefined : key));
    entries.push(
      ledgerEntry(certificate, {
        name: files.name,
        profile,
        issuer,
        now,
        ...(request ? { request: true } : {}),
      }),
    );
    listed.push(rowOf(certificate, request ? rest : { ...rest, keyFile }, profile, now));
    signed();
    // Let the progress display redraw.
    if (pairs.length % batchSize === 0) await setImmediate();
  }
  return { certificates, pairs, entries, listed };
}

/**
 * Leaves out the alternative name of a client that only maps it to a user, where the name constraints of the authority
 * forbid it: the subject names the user then.
 */
export function permittedSans(
  authority: Authority,
  name: string,
  profile: ProfileName,
  sans: readonly San[],
): readonly San[] {
  if (profiles[profile].dialed) return sans;
  const mapped = mappedSan(name).filter((san) => authority.faultOfNames([san]) !== undefined);
  return sans.filter(({ kind, value }) => !mapped.some((san) => san.kind === kind && san.value === value));
}

/** Encodes a certificate chain and its key as PEM; encrypts the key if a passphrase is given. */
export async function pairOf(
  files: PairFiles,
  certificates: readonly Certificate[],
  key: KeyObject | undefined,
  passphrase?: string,
): Promise<PairWrite> {
  return {
    ...files,
    certificate: toPem(certificates),
    key: key === undefined ? undefined : await encodePrivateKey(key, passphrase),
  };
}

/** Returns notices about lifetimes and user names that differ from what the operator may expect. */
export function leafNotices(authority: Authority, plans: readonly LeafPlan[], now: Date): string[] {
  const notices: string[] = [];
  const days = Math.max(...plans.map((plan) => plan.days));
  const { notAfter, shortened } = authority.notAfterOf(days, now);
  if (shortened) {
    notices.push(
      `no certificate outlives its authority: they end with it on ${formatDay(notAfter)}, not after ${formatDuration(days * dayMs)}`,
    );
  }
  for (const { files, profile, subjectDer } of plans) {
    const [mapped] = mappedSan(files.name);
    const isForbidden = mapped !== undefined && authority.faultOfNames([mapped]) !== undefined;
    if (profiles[profile].dialed || (mapped !== undefined && !isForbidden)) continue;
    const kind = isHost(files.name) ? 'an IP address' : 'neither a DNS name nor an e-mail address';
    const what = isForbidden ? 'outside the name constraints of the authority' : kind;
    const user = mappedUser(files.name, isForbidden, subjectDer && readName(readDer(subjectDer)));
    notices.push(
      `"${files.name}" is ${what}: under verify_and_map nats-server knows this client as the user '${user}'`,
    );
  }
  return notices;
}
