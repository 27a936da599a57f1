// Issues one or more leaf certificates from the authority of a folder.
import { dirname } from 'node:path';
import { NatspkiError, UsageError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { readOwnFile } from '../../files/own-files.ts';
import { controlCharacterIn } from '../../x509/control-character.ts';
import { readMaterialOf } from '../../x509/decode.ts';
import { formatName, type SubjectAttributes, subjectTypes } from '../../x509/distinguished-name.ts';
import { decodePrivateKey, type KeyType, weaknessOf } from '../../x509/key.ts';
import { formatSan, parseSan, type San } from '../../x509/name.ts';
import { type CertificateRequest, readRequest } from '../../x509/request.ts';
import { type Authority, checkDays } from '../store/authority.ts';
import { checkNames, type PkiDirectory } from '../store/directory.ts';
import { type ProfileName, profiles } from '../store/profile.ts';
import { checkSubject } from '../store/subject.ts';
import {
  type IssuedCertificates,
  type KeyedPlan,
  type LeafPlan,
  leafNotices,
  makeKeys,
  permittedSans,
  planLeaf,
  signLeaves,
  withSubject,
} from './leaf.ts';
import { besidePairs } from './other-folder.ts';

export interface IssueOptions {
  /** Its authority signs; its pair folder gets the files. */
  readonly directory: PkiDirectory;
  readonly profile: ProfileName;
  readonly names: readonly string[];
  /** Replace the name itself (server, route, gateway, leafnode), or are added to it (client). */
  readonly sans?: readonly San[];
  /** Stands before the common name in the subject of each certificate. */
  readonly subject?: SubjectAttributes;
  /** Default 365. */
  readonly days?: number;
  /** Default p256; not with `request`. */
  readonly keyType?: KeyType;
  /** A PKCS#10 request, PEM or DER, and the name of its file for errors; with a single name only. */
  readonly request?: { readonly bytes: Buffer; readonly file: string };
  readonly force?: boolean;
  /** Opens the key of the authority. */
  readonly passphrase?: string;
  readonly now?: () => Date;
  /** Called after each step; a certificate counts as two, its key and its signature. */
  readonly progress?: (done: number, total: number) => void;
}

/** Issues a certificate for each name in one step: a crash leaves all of the files or none. */
export async function issueCertificates(options: IssueOptions): Promise<IssuedCertificates> {
  const { directory, profile, names, days = 365, keyType = 'p256', force = false, passphrase } = options;
  const { progress = () => undefined, now: clock = () => new Date() } = options;
  const now = clock();
  checkNames(names);
  checkDays(days, 'the certificate');
  const { subject = {} } = options;
  checkSubject(subject);
  const request = options.request === undefined ? undefined : acceptRequest(options.request, names);
  // The names of a client decide which user it is, so a request must not choose them.
  const requested = profiles[profile].dialed && options.sans === undefined ? request : undefined;
  const sans = options.sans ?? (requested === undefined ? [] : possibleSans(requested));
  const plans = await Promise.all(
    names.map((name) => withSubject(planLeaf(directory.pair(name), profile, days, sans), subject)),
  );
  const files = plans.map((plan) => plan.files);
  // Check everything before keys are made, which takes time; and again below, under the lock.
  const authority = await openAuthority(directory, passphrase);
  authority.refuseOutsideLife(now);
  for (const {
    files: { name },
    sans,
  } of plans) {
    authority.refuseNames(name, permittedSans(authority, name, profile, sans));
  }
  if (!force) await directory.refuseExistingPairs(files);
  let done = 0;
  const step = () => progress(++done, 2 * plans.length);
  const keyed: KeyedPlan[] =
    request === undefined
      ? await makeKeys(plans, keyType, step)
      : plans.map((plan) => ({ ...plan, key: request.publicKey }));
  return directory.exclusive(async () => {
    if (!force) await directory.refuseExistingPairs(files);
    const current = await stillCurrent(authority, directory, passphrase);
    const { pairs, entries, listed } = await signLeaves(current, keyed, now, step);
    const { notices, ...beside } = await besidePairs(directory, current, entries);
    await directory.write({ pairs, ...beside }, now);
    return {
      certificates: listed,
      notices: [
        ...directory.takeRecoveryNotices(),
        ...notices,
        ...(request === undefined ? [] : requestNotices(request, plans[0] as LeafPlan, subject)),
        ...leafNotices(current, plans, now),
      ],
    };
  });
}

/** An encrypted key of the authority. */
export interface EncryptedKey {
  readonly name: string;
  /** Tells whether a passphrase opens it. */
  opens(passphrase: string): boolean;
}

/**
 * Returns the encrypted keys that a command needs, so that it can ask for the passphrase first.
 * @param root includes the key of the root, which signs authorities
 */
export async function encryptedAuthorityKeys(directory: PkiDirectory, root = false): Promise<EncryptedKey[]> {
  await directory.recover();
  const { issuerPair, authorityPair } = directory;
  const files = new Set(root ? [authorityPair.keyFile, issuerPair.keyFile] : [issuerPair.keyFile]);
  const encrypted: EncryptedKey[] = [];
  for (const name of files) {
    if (!(await keyNeedsPassphrase(name))) continue;
    const bytes = await directory.read(name);
    encrypted.push({ name, opens: (passphrase) => isOpened(bytes, name, passphrase) });
  }
  return encrypted;
}

function isOpened(bytes: Buffer, file: string, passphrase: string): boolean {
  try {
    decodePrivateKey(bytes, file, passphrase);
    return true;
  } catch (error) {
    if (error instanceof NatspkiError) return error.code !== 'wrong-passphrase';
    throw error;
  }
}

/** Returns whether a private key is encrypted; false when the file does not exist. */
export async function keyNeedsPassphrase(file: string): Promise<boolean> {
  if (!exists(file)) return false;
  return (
    readMaterialOf('private-key', await readOwnFile(dirname(file), file), file)[0]?.encryption !== undefined
  );
}

async function openAuthority(directory: PkiDirectory, passphrase: string | undefined): Promise<Authority> {
  await directory.recover();
  return directory.readAuthority(passphrase);
}

/** Returns the authority; reads it again if another process replaced it while keys were made. */
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
  const unseen = controlCharacterIn(textOf(request));
  if (unseen !== undefined) {
    throw new NatspkiError(
      'control-character',
      `request "${source.file}" contains the control character ${unseen} in its names`,
      { hint: 'make the request again, with -subj and names of visible characters' },
    );
  }
  return { ...request, file: source.file };
}

/** Returns the subject and the names of a request as one text. */
function textOf({ subject, sans }: CertificateRequest): string {
  return [...subject, ...sans].map(({ value }) => value).join(' ');
}

/** Returns the names in a request; throws `impossible-san` for a name that no peer could match. */
function possibleSans({ sans, file }: AcceptedRequest): San[] {
  try {
    return sans.map((san) => {
      const { value } = parseSan(formatSan(san));
      if (value === san.value) return san;
      // Bytes above ASCII are read as Latin-1 here: another name than the requester's tool shows.
      throw new NatspkiError('impossible-san', `impossible subject alternative name: it is not in ASCII`);
    });
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    throw new NatspkiError(error.code, `request "${file}" asks for an ${error.message}`, {
      hint: 'give the names in place of those in the request with --san',
      cause: error,
    });
  }
}

/** Lists the contents of a request that the certificate leaves out. */
function requestNotices(
  request: CertificateRequest,
  { profile, sans }: LeafPlan,
  subject: SubjectAttributes,
): string[] {
  const notices: string[] = [];
  const asked = request.subject.filter(
    ({ type, value }) => type !== 'CN' && subject[type as keyof SubjectAttributes] !== value,
  );
  if (asked.length > 0) {
    const flags = asked.flatMap(({ type, value }) =>
      (subjectTypes as readonly string[]).includes(type)
        ? [`--subject-${type.toLowerCase()} '${value}'`]
        : [],
    );
    const keep = flags.length === 0 ? '' : `; \`${flags.join(' ')}\` keeps it`;
    notices.push(`the subject of the request is left out: ${formatName(asked)}${keep}`);
  }
  const given = new Set(sans.map(formatSan));
  const left = request.sans.map(formatSan).filter((san) => !given.has(san));
  if (left.length > 0) {
    const why = profiles[profile].dialed
      ? 'for those given'
      : 'unless given with --san: they decide which user a client is';
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
