// The authority: an issuer with its key, the retired ones that are still trusted, and what it signs. Reads and writes
// no files.
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { maximumDays } from '../duration.ts';
import { NatspkiError, UsageError } from '../errors.ts';
import { type Certificate, toPem } from '../x509/certificate.ts';
import { maximumCommonName } from '../x509/distinguished-name.ts';
import type { San } from '../x509/name.ts';
import type { Signer } from '../x509/sign.ts';
import { type ProfileName, profiles } from './profile.ts';

export interface Issuer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

export interface LeafRequest {
  readonly commonName: string;
  /** The whole subject (DER Name) in place of the common name alone. */
  readonly subjectDer?: Buffer;
  readonly profile: ProfileName;
  readonly sans: readonly San[];
  readonly publicKey: KeyObject;
  readonly days: number;
}

export const dayMs = 24 * 60 * 60 * 1000;
/** How long ago a new certificate's life began, in milliseconds, for peers whose clock is behind. */
export const clockSkewMs = 5 * 60 * 1000;
/** Room for one authority below: a rotation has the old one sign the new one. */
const pathLength = 1;

/** Names the files of an authority, for errors. */
interface Source {
  readonly bundle: string;
  readonly key: string;
}

export class Authority {
  readonly current: Issuer;
  readonly retired: readonly Certificate[];
  /** What goes behind each leaf: the current authority signed by the one before, for peers that trust only that one. */
  readonly chain: readonly Certificate[];
  readonly #random: (size: number) => Buffer;
  #signer: Signer | undefined;

  /**
   * Puts an authority together from its trust bundle, the current one first, and its key.
   * @param chain is left out where it belongs to another authority
   */
  constructor(
    bundle: readonly [Certificate, ...Certificate[]],
    key: KeyObject,
    source: Source,
    chain: readonly Certificate[] = [],
    random = randomBytes as (size: number) => Buffer,
  ) {
    const [certificate, ...retired] = bundle;
    if (!certificate.authority) {
      throw new NatspkiError(
        'not-an-authority',
        `the first certificate in "${source.bundle}", ${certificate.commonName}, is not one of an authority`,
      );
    }
    if (!certificate.hasKey(key)) {
      throw new NatspkiError(
        'key-mismatch',
        `"${source.key}" is not the key of the first certificate in "${source.bundle}", ${certificate.commonName}`,
      );
    }
    this.current = { certificate, key };
    this.retired = retired;
    this.chain = chain[0]?.spki.equals(certificate.spki) ? chain : [];
    this.#random = random;
  }

  /** Makes a new self-signed authority around a key. */
  static async create(
    options: { commonName: string; key: KeyObject; days: number; now: Date },
    random = randomBytes as (size: number) => Buffer,
  ): Promise<Authority> {
    const { commonName, key, days, now } = options;
    const { Signer } = await import('../x509/sign.ts');
    const contents = {
      commonName,
      publicKey: createPublicKey(key),
      notBefore: new Date(now.getTime() - clockSkewMs),
      notAfter: endOf(days, now),
      pathLength,
    };
    const certificate = await Signer.selfSigned(contents, key, random);
    return new Authority([certificate], key, unwritten, [], random);
  }

  /**
   * Makes the authority that takes over from this one. It still trusts this one, and this one vouches for it where it
   * can: while it is alive, and when it allows an authority below it. This one does not get to be vouched for by the
   * new one, or what it signed would be accepted after its retirement.
   */
  async successor(options: {
    commonName: string;
    key: KeyObject;
    days: number;
    now: Date;
  }): Promise<Authority> {
    const { certificate } = this.current;
    const { current } = await Authority.create(options, this.#random);
    const bundle = [current.certificate, certificate, ...this.retired] as const;
    const vouches = options.now < certificate.notAfter && certificate.pathLength !== 0;
    const chain = vouches ? [await this.#vouchFor(current.certificate)] : [];
    return new Authority([...bundle], options.key, unwritten, chain, this.#random);
  }

  /** Signs another authority's name and key, which may sign leaves only. */
  async #vouchFor(other: Certificate): Promise<Certificate> {
    const { notAfter } = this.current.certificate;
    return (await this.#signing()).authority({
      commonName: other.commonName,
      subjectDer: other.subjectDer,
      publicKey: other.publicKey,
      notBefore: other.notBefore,
      notAfter: notAfter < other.notAfter ? notAfter : other.notAfter,
      pathLength: 0,
    });
  }

  async #signing(): Promise<Signer> {
    const { certificate, key } = this.current;
    this.#signer ??= (await import('../x509/sign.ts')).Signer.of(certificate, key, this.#random);
    return this.#signer;
  }

  /** Throws `authority-expired`, or `authority-not-yet-valid`, outside its life. */
  refuseOutsideLife(now: Date): void {
    const { commonName, notAfter } = this.current.certificate;
    if (now >= notAfter) {
      throw new NatspkiError(
        'authority-expired',
        `authority "${commonName}" expired on ${formatDay(notAfter)}`,
        {
          hint: 'make a new one with `natspki rotate --ca`',
        },
      );
    }
    this.refuseBeforeLife(now);
  }

  /** Throws `authority-not-yet-valid` before its life, which a clock that was set back does. */
  refuseBeforeLife(now: Date): void {
    const { commonName, notBefore } = this.current.certificate;
    if (now < notBefore) {
      throw new NatspkiError(
        'authority-not-yet-valid',
        `authority "${commonName}" is valid from ${formatDay(notBefore)} on, and the clock says ${formatDay(now)}`,
        { hint: 'set the clock with `timedatectl set-ntp true`' },
      );
    }
  }

  /** The day a certificate of that many days would end, or the authority's own when that is before. */
  notAfterOf(days: number, now: Date): { notAfter: Date; shortened: boolean } {
    const own = this.current.certificate.notAfter;
    const wanted = endOf(days, now);
    return wanted > own ? { notAfter: own, shortened: true } : { notAfter: wanted, shortened: false };
  }

  /** Signs a leaf certificate, which never outlives the authority. Throws as refuseOutsideLife does. */
  async issue(request: LeafRequest, now: Date): Promise<Certificate> {
    this.refuseOutsideLife(now);
    return (await this.#signing()).leaf({
      commonName: request.commonName,
      ...(request.subjectDer === undefined ? {} : { subjectDer: request.subjectDer }),
      publicKey: request.publicKey,
      sans: request.sans,
      purposes: profiles[request.profile].purposes,
      notBefore: new Date(now.getTime() - clockSkewMs),
      notAfter: this.notAfterOf(request.days, now).notAfter,
    });
  }

  /** The PEM that peers trust: the current authority first. */
  trustBundle(): string {
    return toPem([this.current.certificate, ...this.retired]);
  }
}

/** The source of an authority that is in no file yet. */
const unwritten: Source = { bundle: 'the new bundle', key: 'the new key' };

/** Gives the end of a life of that many days, in the whole seconds of a certificate, rounded in the owner's favour. */
function endOf(days: number, now: Date): Date {
  return new Date(Math.ceil(now.getTime() / 1000) * 1000 + days * dayMs);
}

/** Throws a UsageError unless `days` is a whole number of days that a certificate can live. */
export function checkDays(days: number, what: string): void {
  if (Number.isInteger(days) && days >= 1 && days <= maximumDays) return;
  throw new UsageError(`${what} has ${days} days, expected a whole number from 1 to ${maximumDays}`);
}

/** Throws a UsageError unless a text can be a common name. */
export function checkCommonName(name: string, what: string): void {
  if (name === '') throw new UsageError(`${what} is empty`);
  if ([...name].length <= maximumCommonName) return;
  throw new UsageError(
    `${what} has ${[...name].length} characters, a common name holds at most ${maximumCommonName}`,
  );
}

/** Prints the day of a time in UTC, `2027-01-31`. */
export function formatDay(time: Date): string {
  return time.toISOString().slice(0, 10);
}
