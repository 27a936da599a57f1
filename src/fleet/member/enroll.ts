// Enrols a host: makes its key, exchanges a token for the first certificate over EST, and writes ca.pem. The pins in the
// token are the only trust that this begins with.
import { join } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { checkName, type PkiDirectory } from '../../pki/store/directory.ts';
import { type ListedCertificate, profileByPurpose, rowOf } from '../../pki/store/listing.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { generateKey, type KeyType } from '../../x509/key.ts';
import type { TrustStatement } from '../messages/trust-statement.ts';
import type { Token } from '../token.ts';
import { EstClient, fetchPinnedRoots } from './est-client.ts';
import { unreachable } from './link.ts';
import { refuseAuthority } from './member.ts';
import { type MemberFile, memberWrite, readMemberFile } from './member-file.ts';
import { installPair, readPair } from './pair.ts';
import { type PendingKey, pendingFile, readPendingKey, writePendingKey } from './pending-key.ts';
import { acceptReply, acceptStatement, type Trust } from './trust.ts';

export interface EnrolOptions {
  readonly directory: PkiDirectory;
  readonly token: Token;
  readonly keyType?: KeyType;
  readonly signal: AbortSignal;
  readonly now?: () => Date;
}

export interface Enrolled {
  readonly certificate: ListedCertificate;
  /** The pin of the root that signs. */
  readonly authority: string;
  /** Whether an earlier run with the same token did it, and this one changed nothing. */
  readonly repeated: boolean;
  readonly notices: readonly string[];
}

/**
 * Fetches the certificate that a token is for. Run again with the same token it goes on where it was killed, with the same
 * key, and changes nothing when it had come to its end. Throws `untrusted-authority`, `other-authority`, `refused-by-authority`, `unreachable`, ...
 */
export async function enrol(options: EnrolOptions): Promise<Enrolled> {
  const { directory, token, keyType = 'p256', now: clock = () => new Date() } = options;
  const { id, name } = token;
  checkName(name);
  await directory.recover();
  refuseAuthority(directory);
  const earlier = await enrolledBefore(directory, token, clock());
  if (earlier !== undefined) return earlier;
  const urls = token.urls.filter((url) => /^https:/i.test(url));
  if (urls.length === 0) throw new NatspkiError('bad-token', 'the token has no https:// URL to enrol at');
  const { client, pinned } = await findServer(urls, options);
  const { key } = await directory.exclusive(async () => {
    const pending = await readPendingKey(directory, 'enrolling', name);
    // With another key, a token that was used and not answered would be lost.
    if (pending?.by === id) return pending;
    const fresh: PendingKey = { by: id, key: await generateKey(keyType) };
    await writePendingKey(directory, 'enrolling', name, fresh, clock());
    return fresh;
  });
  // Before the token is used: a folder that trusts another authority cannot take the certificate.
  const trust = await trustOf(directory, token);
  const statement = await verifiedStatement(await client.statement().catch(() => undefined), pinned, trust);
  const { makeRequest } = await import('../../x509/sign.ts');
  const certificates = await client.enroll(token, await makeRequest({ commonName: name, sans: [] }, key));
  const roots = statement?.roots ?? trust.roots ?? pinned;
  const accepted = await acceptReply({ certificates }, key, { roots, member: trust.member });
  const now = clock();
  await directory.exclusive(async () => {
    const bundle = { path: directory.authorityFile, data: toPem(roots), mode: 0o644 };
    const member = { ...trust.member, counter: statement?.counter ?? trust.member.counter };
    const done = { path: doneFile(directory, name), data: `${id}\n`, mode: 0o600 };
    const others = [bundle, memberWrite(directory, member), done];
    const removed = (['enrolling', 'pending'] as const)
      .map((purpose) => pendingFile(directory, purpose, name))
      .filter(exists);
    await installPair(directory, name, { chain: accepted.chain, key }, now, { others, removed });
  });
  const [leaf] = accepted.chain;
  return {
    certificate: rowOf(leaf, directory.pair(name), profileByPurpose(leaf), now),
    authority: roots[0].pin,
    repeated: false,
    notices: directory.takeRecoveryNotices(),
  };
}

/** Returns the path of the file that has the id of the invitation by which a name was enrolled last. */
function doneFile(directory: PkiDirectory, name: string): string {
  return directory.stateFile(join('enrolled', name));
}

/** Returns what an earlier run with the same token has led to; undefined when none came to its end. */
async function enrolledBefore(
  directory: PkiDirectory,
  { id, name }: Token,
  now: Date,
): Promise<Enrolled | undefined> {
  const file = doneFile(directory, name);
  if (!exists(file) || (await directory.read(file)).toString() !== `${id}\n`) return undefined;
  const { files, chain } = await readPair(directory, name);
  const [root] = await directory.readBundle();
  return {
    certificate: rowOf(chain[0], files, profileByPurpose(chain[0]), now),
    authority: root.pin,
    repeated: true,
    notices: [],
  };
}

/** What the folder trusts before the enrolment; no roots in a new one. */
interface Before {
  readonly roots: Trust['roots'] | undefined;
  readonly member: MemberFile;
}

async function trustOf(directory: PkiDirectory, { urls }: Token): Promise<Before> {
  const roots = exists(directory.authorityFile) ? await directory.readBundle() : undefined;
  const { from = [], counter = 0 } = (await readMemberFile(directory)) ?? {};
  return { roots, member: { from: [...new Set([...urls, ...from])], counter } };
}

/**
 * Verifies the statement of the server, if it has one. Throws `other-authority` when the folder trusts other roots, and
 * nothing that they stand behind leads to a pinned one.
 */
async function verifiedStatement(
  text: string | undefined,
  pinned: Trust['roots'],
  { roots, member }: Before,
): Promise<TrustStatement | undefined> {
  const isPinned = ({ der }: Certificate) => pinned.some((each) => der.equals(each.der));
  const statement = await acceptStatement(text ?? '', { roots: roots ?? pinned, member }).catch((error) => {
    if (!(error instanceof NatspkiError)) throw error;
    return undefined;
  });
  if ((statement?.roots ?? roots ?? pinned).some(isPinned)) return statement;
  throw new NatspkiError('other-authority', 'the folder trusts another authority than that of the token', {
    hint: 'choose another folder with --dir',
  });
}

/** Finds the first server that answers, and the pinned roots that its chain may end in. */
async function findServer(
  urls: readonly string[],
  { token, signal }: EnrolOptions,
): Promise<{ client: EstClient; pinned: Trust['roots'] }> {
  const failures: NatspkiError[] = [];
  for (const url of urls) {
    try {
      const pinned = await fetchPinnedRoots(token.authorities, { url, signal });
      return { client: new EstClient({ url, roots: pinned, signal }), pinned };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NatspkiError)) throw error;
      failures.push(error);
    }
  }
  throw failures.length === 1
    ? failures[0]
    : unreachable(urls.join(', '), 'none of them answers as it should');
}
