// Leaf certificates on their way from a wish to files: keys made, certificates signed, and what is to be recorded and
// shown of them. Writes nothing.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { encodePrivateKey, generateKey, type KeyType } from '../../x509/key.ts';
import { isHost, type San } from '../../x509/name.ts';
import { type Authority, formatDay } from '../store/authority.ts';
import type { PairFiles, PairWrite } from '../store/directory.ts';
import { type LedgerEntry, ledgerEntry } from '../store/ledger.ts';
import { describe, type ListedCertificate } from '../store/listing.ts';
import { mappedSan, mappedUser, type ProfileName, profiles, sansFor } from '../store/profile.ts';

/** A certificate that is wanted. */
export interface LeafPlan {
  readonly files: PairFiles;
  readonly profile: ProfileName;
  readonly sans: readonly San[];
  readonly days: number;
  /** The whole subject (DER Name) in place of the name as its common name. */
  readonly subjectDer?: Buffer;
}

/** A plan with its key, or with the public half of one that is elsewhere. */
export type KeyedPlan = LeafPlan & { readonly key: KeyObject };

/** What a command has made: the certificates, and remarks for the user (one line each). */
export interface Made {
  readonly certificates: readonly ListedCertificate[];
  readonly notices: readonly string[];
}

/** Certificates that are signed and not yet written anywhere. */
export interface SignedLeaves {
  readonly pairs: readonly PairWrite[];
  readonly entries: readonly LedgerEntry[];
  readonly listed: readonly ListedCertificate[];
}

/** Plans a certificate; throws `no-san` when it must be dialed and no name is known. */
export function planLeaf(
  files: PairFiles,
  profile: ProfileName,
  days: number,
  asked: readonly San[] = [],
): LeafPlan {
  return { files, profile, days, sans: sansFor(profile, files.name, asked) };
}

/** Makes a key for each plan; they are made side by side. */
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

/** The number of certificates that are signed in about a fiftieth of a second. */
const turn = 8;

/** Signs a certificate for each plan. */
export async function signLeaves(
  authority: Authority,
  plans: readonly KeyedPlan[],
  now: Date,
  signed: () => void,
): Promise<SignedLeaves> {
  const issuer = authority.current.certificate.pin;
  const pairs: PairWrite[] = [];
  const entries: LedgerEntry[] = [];
  const listed: ListedCertificate[] = [];
  const chain = authority.chain.filter(({ notAfter }) => now < notAfter);
  for (const { files, profile, sans, days, subjectDer, key } of plans) {
    const request = key.type === 'public';
    const publicKey = request ? key : createPublicKey(key);
    const certificate = await authority.issue(
      {
        commonName: files.name,
        profile,
        sans,
        publicKey,
        days,
        ...(subjectDer === undefined ? {} : { subjectDer }),
      },
      now,
    );
    const { keyFile, ...rest } = files;
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
    listed.push(describe(certificate, request ? rest : { ...rest, keyFile }, profile, now));
    signed();
    // Whoever shows how far it is gets to draw.
    if (pairs.length % turn === 0) await setImmediate();
  }
  return { pairs, entries, listed };
}

/** Puts a certificate, with what goes behind it, and its key into PEM. */
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

/** Says what a user may not expect of the certificates about to be made. */
export function leafNotices(authority: Authority, plans: readonly LeafPlan[], now: Date): string[] {
  const notices: string[] = [];
  const days = Math.max(...plans.map((plan) => plan.days));
  const { notAfter, shortened } = authority.notAfterOf(days, now);
  if (shortened) {
    notices.push(
      `no certificate outlives its authority: they end with it on ${formatDay(notAfter)}, not after ${days} days`,
    );
  }
  const unmapped = plans.filter(
    ({ profile, files }) => !profiles[profile].dialed && mappedSan(files.name).length === 0,
  );
  for (const { files } of unmapped) {
    const what = isHost(files.name) ? 'an IP address' : 'neither a DNS name nor an e-mail address';
    notices.push(
      `"${files.name}" is ${what}: under verify_and_map nats-server knows this client as the user '${mappedUser(files.name)}'`,
    );
  }
  return notices;
}
