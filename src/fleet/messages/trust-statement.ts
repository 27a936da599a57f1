// The trust statement: what an authority tells its members to trust, as a JWS by its issuing key. A member takes new roots
// from nothing else.
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import { Certificate } from '../../x509/certificate.ts';
import type { Signer } from './jws.ts';
import { isMessage, parseMessage } from './signed-message.ts';
import { isTrustedIssuer } from './trusted-path.ts';

const type = 'natspki-trust+jws';
const maximumRoots = 8;

/** What an authority has its members trust. */
export interface TrustStatement {
  /** The current one first. */
  readonly roots: readonly [Certificate, ...Certificate[]];
  /** Goes up with every change, and never down. */
  readonly counter: number;
  /** The number of the revocation list. */
  readonly crlNumber: number;
  /** When it was signed, by the clock of the authority. */
  readonly time: Date;
  /** When to renew the certificate that comes with the statement. */
  readonly renewAt?: Date;
}

/**
 * Signs a statement.
 * @param signer the issuing key, and its certificate followed by those up to the roots, cross-signed ones included
 */
export async function signTrustStatement(statement: TrustStatement, signer: Signer): Promise<string> {
  const { signMessage } = await import('./jws.ts');
  const { roots, counter, crlNumber, time, renewAt } = statement;
  const payload = {
    roots: roots.map(({ der }) => der.toString('base64')),
    counter,
    crl: crlNumber,
    iat: secondsOf(time),
    ...given({ renew: renewAt && secondsOf(renewAt) }),
  };
  return signMessage(payload, signer, type);
}

/**
 * Verifies a statement for a member. Throws `untrusted-statement` unless an issuer below a root that the member trusts signed
 * it, and `outdated-statement` for one that is older than the last one that the member took.
 * @param trusted the roots that the member trusts now
 * @param last the counter of the last statement that the member took
 */
export async function verifyTrustStatement(
  text: string,
  trusted: readonly Certificate[],
  last: number,
): Promise<TrustStatement> {
  const message = parseMessage(text, type);
  if (message === undefined) throw untrusted('is not one');
  const [signer, ...behind] = message.chain;
  if (!isTrustedIssuer(signer, behind, trusted)) {
    throw untrusted(`is signed by "${signer.commonName}", which no trusted authority stands for`);
  }
  const { verifyMessage } = await import('./jws.ts');
  const statement = readStatement(await verifyMessage(message));
  if (statement === undefined) throw untrusted(`is not signed by the key of "${signer.commonName}"`);
  const { roots, counter } = statement;
  if (!isTrustedIssuer(signer, behind, roots)) {
    throw untrusted(`is signed by "${signer.commonName}", which its own roots do not stand for`);
  }
  // Revocations count as well, so that the same number means the same roots.
  if (counter < last || (counter === last && !isSameSet(roots, trusted))) {
    throw new NatspkiError(
      'outdated-statement',
      `the trust statement has the number ${counter}, expected more than ${last}, which was accepted before`,
      { hint: 'compare ca.pem with that of the authority: `natspki inspect certs/ca.pem`' },
    );
  }
  return statement;
}

function readStatement(value: unknown): TrustStatement | undefined {
  if (!isMessage(value)) return undefined;
  const { roots, counter, iat, crl, renew } = value;
  if (!Array.isArray(roots) || roots.length > maximumRoots) return undefined;
  if (![counter, crl, iat, renew ?? 0].every(isCount)) return undefined;
  try {
    const [root, ...others] = roots.map((each) => new Certificate(Buffer.from(String(each), 'base64')));
    if (root === undefined) return undefined;
    return {
      roots: [root, ...others],
      counter: counter as number,
      crlNumber: crl as number,
      time: new Date((iat as number) * 1000),
      ...(renew === undefined ? {} : { renewAt: new Date((renew as number) * 1000) }),
    };
  } catch {
    return undefined;
  }
}

function secondsOf(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/** The latest time that a Date can have, in seconds; counters are below it as well. */
const maximumCount = 8.64e12;

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= maximumCount;
}

function isSameSet(some: readonly Certificate[], others: readonly Certificate[]): boolean {
  const prints = (set: readonly Certificate[]) => set.map(({ fingerprint }) => fingerprint).sort();
  return prints(some).join() === prints(others).join();
}

function untrusted(what: string): NatspkiError {
  return new NatspkiError('untrusted-statement', `the trust statement ${what}`, {
    hint: 'something between this host and the authority may have changed it',
  });
}
