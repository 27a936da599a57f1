// What a member believes of an answer: a certificate for its own key below a root that it trusts, and new roots only from a
// statement that a root which it trusts already stands behind.
import type { KeyObject } from 'node:crypto';
import { NatspkiError } from '../../errors.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { anchorOf } from '../../x509/trust-anchor.ts';
import { type TrustStatement, verifyTrustStatement } from '../messages/trust-statement.ts';
import type { RenewalReply } from './link.ts';
import { type MemberFile, memberWrite } from './member-file.ts';

type Roots = readonly [Certificate, ...Certificate[]];

/** What the member trusts now. */
export interface Trust {
  readonly roots: Roots;
  readonly member: MemberFile;
}

export interface AcceptedReply {
  /** The new certificate, then those behind it. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** The trust statement, where there is one and it was verified. */
  readonly statement?: TrustStatement;
  /** Why the statement that came with the chain is not believed. */
  readonly doubt?: string;
}

/**
 * Verifies a reply. A statement that is not believed spoils nothing: the certificate is judged by the roots that are trusted
 * without it. Throws `untrusted-answer`.
 */
export async function acceptReply(
  { certificates, statement }: RenewalReply,
  key: KeyObject,
  { roots, member }: Trust,
): Promise<AcceptedReply> {
  const verified = await verifyIfThere(statement, roots, member.counter);
  const leaf = certificates.find((each) => each.hasKey(key));
  if (leaf === undefined) throw untrustedAnswer('has no certificate for the key of the request');
  const behind = certificates.filter((each) => each !== leaf && each.signsCertificates);
  const trusted = 'statement' in verified ? verified.statement.roots : roots;
  const anchored = anchorOf(leaf, behind, trusted) ?? anchorOf(leaf, behind, roots);
  if (anchored === undefined) {
    throw untrustedAnswer(`has a certificate that "${leaf.issuerCommonName}" signed, which is not trusted`);
  }
  // A cross-signed certificate follows the leaf although the new root is trusted already: for peers that do not know it yet.
  const rest = behind.filter((each) => !anchored.intermediates.includes(each) && !isAmong(each, trusted));
  return { chain: [leaf, ...anchored.intermediates, ...rest], ...verified };
}

/** Verifies a statement; throws as verifyTrustStatement does. */
export async function acceptStatement(text: string, { roots, member }: Trust): Promise<TrustStatement> {
  return verifyTrustStatement(text, roots, member.counter);
}

/**
 * Writes the roots of a statement to ca.pem, if it is newer than the last one; hold the lock of the folder.
 * @returns whether the roots are others than before
 */
export async function takeRoots(
  directory: PkiDirectory,
  { roots, member }: Trust,
  { counter, roots: next }: TrustStatement,
  now: Date,
): Promise<boolean> {
  if (counter <= member.counter) return false;
  const isNew = toPem(next) !== toPem(roots);
  const bundle = { path: directory.authorityFile, data: toPem(next), mode: 0o644 };
  const others = [...(isNew ? [bundle] : []), memberWrite(directory, { ...member, counter })];
  await directory.write({ others }, now);
  return isNew;
}

async function verifyIfThere(
  text: string | undefined,
  roots: readonly Certificate[],
  last: number,
): Promise<{ statement: TrustStatement } | { doubt: string } | Record<never, never>> {
  if (text === undefined) return {};
  try {
    return { statement: await verifyTrustStatement(text, roots, last) };
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    return { doubt: error.message };
  }
}

function isAmong(certificate: Certificate, some: readonly Certificate[]): boolean {
  return some.some(({ der }) => der.equals(certificate.der));
}

function untrustedAnswer(what: string): NatspkiError {
  return new NatspkiError('untrusted-answer', `the answer ${what}`, {
    hint: 'another program may have answered in place of the authority',
  });
}
