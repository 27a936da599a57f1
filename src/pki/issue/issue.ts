// The issuing of one or many leaf certificates by the authority of a folder.
import { dirname } from 'node:path';
import { NatspkiError, UsageError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { readOwnFile } from '../../files/own-files.ts';
import { type KeyType, weaknessOf } from '../../x509/key.ts';
import { readMaterialOf } from '../../x509/material.ts';
import { formatSan, parseSan, type San } from '../../x509/name.ts';
import { type CertificateRequest, readRequest } from '../../x509/request.ts';
import { type Authority, checkDays } from '../store/authority.ts';
import { checkNames, type PairFiles, type PkiDirectory } from '../store/directory.ts';
import { type ProfileName, profiles } from '../store/profile.ts';
import {
  type KeyedPlan,
  type LeafPlan,
  leafNotices,
  type Made,
  makeKeys,
  planLeaf,
  signLeaves,
} from './leaf.ts';

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
  /** Called with the steps that are done, of all: a key and a signature a certificate. */
  readonly progress?: (done: number, total: number) => void;
}

/** Issues a certificate for each name, in one step: a crash leaves none of the files or all of them. */
export async function issueCertificates(options: IssueOptions): Promise<Made> {
  const { directory, profile, names, days = 365, keyType = 'p256', force = false, passphrase } = options;
  const { progress = () => undefined, now: clock = () => new Date() } = options;
  const now = clock();
  checkNames(names);
  checkDays(days, 'the certificate');
  const request = options.request === undefined ? undefined : acceptRequest(options.request, names);
  // A client's names decide which user it becomes, and that is not for the one who asks to say.
  const requested = profiles[profile].dialed && options.sans === undefined ? request : undefined;
  const sans = options.sans ?? (requested === undefined ? [] : possibleSans(requested));
  const plans = names.map((name) =>
    planLeaf(directory.pair(name, options.outDirectory), profile, days, sans),
  );
  const files = plans.map((plan) => plan.files);
  // Everything that can be refused is, before time goes into keys; and again below, where nobody can interfere.
  const authority = await openAuthority(directory, passphrase);
  authority.refuseOutsideLife(now);
  if (!force) await directory.refuseExisting(files);
  let done = 0;
  const step = () => progress(++done, 2 * plans.length);
  const keyed: KeyedPlan[] =
    request === undefined
      ? await makeKeys(plans, keyType, step)
      : plans.map((plan) => ({ ...plan, key: request.publicKey }));
  return directory.exclusive(async () => {
    if (!force) await directory.refuseExisting(files);
    const current = await stillCurrent(authority, directory, passphrase);
    const { pairs, entries, listed } = await signLeaves(current, keyed, now, step);
    const outside = !directory.holds(files[0] as PairFiles);
    const recorded = outside ? entries.map((entry) => ({ ...entry, outside })) : entries;
    await directory.write({ entries: recorded, pairs }, now);
    return {
      certificates: listed,
      notices: [
        ...directory.tellRecovery(),
        ...(request === undefined ? [] : requestNotices(request, plans[0] as LeafPlan)),
        ...leafNotices(current, plans, now),
      ],
    };
  });
}

/**
 * Tells whether the key that signs wants a passphrase, or, to sign authorities, the root's; for asking before work
 * starts.
 */
export async function authorityNeedsPassphrase(directory: PkiDirectory, root = false): Promise<boolean> {
  await directory.settle();
  const { issuerPair, authorityPair } = directory;
  const keys = root ? [authorityPair.keyFile, issuerPair.keyFile] : [issuerPair.keyFile];
  return (await Promise.all(keys.map(keyNeedsPassphrase))).includes(true);
}

/** Tells whether a private key wants a passphrase; one that is not there wants none. */
export async function keyNeedsPassphrase(file: string): Promise<boolean> {
  if (!exists(file)) return false;
  return (
    readMaterialOf('private-key', await readOwnFile(dirname(file), file), file)[0]?.encryption !== undefined
  );
}

async function openAuthority(directory: PkiDirectory, passphrase: string | undefined): Promise<Authority> {
  await directory.settle();
  return directory.readAuthority(passphrase);
}

/** Gives the authority again, read anew when it was replaced while keys were made. */
async function stillCurrent(
  authority: Authority,
  directory: PkiDirectory,
  passphrase: string | undefined,
): Promise<Authority> {
  const [root] = await directory.readBundle();
  const [issuer = root] = await directory.readIntermediates();
  const same =
    root.der.equals(authority.roots[0].der) && issuer.der.equals(authority.current.certificate.der);
  return same ? authority : directory.readAuthority(passphrase);
}

type AcceptedRequest = CertificateRequest & { readonly file: string };

/** Reads a request and refuses one that must not be signed. */
function acceptRequest(source: { bytes: Buffer; file: string }, names: readonly string[]): AcceptedRequest {
  if (names.length !== 1)
    throw new UsageError(`a request is for one certificate, found ${names.length} names`);
  const request = readRequest(source.bytes, source.file);
  const refuse = (code: string, message: string) =>
    new NatspkiError(code, `request "${source.file}" ${message}`);
  if (!request.signatureValid) {
    throw refuse('bad-request-signature', `is not signed by its own key (${request.signatureAlgorithm})`);
  }
  const weakness = weaknessOf(request.publicKey);
  if (weakness !== undefined) throw refuse('weak-key', `has a key of ${weakness}`);
  return { ...request, file: source.file };
}

/** Gives the names that a request asks for; throws `impossible-san` for one that no peer could match. */
function possibleSans({ sans, file }: AcceptedRequest): San[] {
  try {
    return sans.map((san) => parseSan(formatSan(san)));
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    throw new NatspkiError(error.code, `request "${file}" asks for an ${error.message}`, {
      hint: 'give the names in place of those in the request with --san',
      cause: error,
    });
  }
}

/** Says what of a request the certificate does not have. */
function requestNotices(request: CertificateRequest, { profile, sans }: LeafPlan): string[] {
  const notices: string[] = [];
  const given = new Set(sans.map(formatSan));
  const left = request.sans.map(formatSan).filter((san) => !given.has(san));
  if (left.length > 0) {
    const why = profiles[profile].dialed
      ? 'for those given'
      : 'unless given with --san: they say who a client is';
    notices.push(`names in the request are left out ${why}: ${left.join(' ')}`);
  }
  if (request.otherNameKinds.length > 0) {
    notices.push(
      `names in the request of kinds that NATS does not use are left out: ${request.otherNameKinds.join(', ')}`,
    );
  }
  if (request.otherExtensions.length > 0) {
    notices.push('extensions that the request asks for are left out: the profile decides on usages');
  }
  return notices;
}
