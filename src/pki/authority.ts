// The authority: an issuer with its key, the retired ones that are still trusted, and what it signs. Reads and writes
// no files.
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { NatspkiError, UsageError } from '../errors.ts';
import type { Certificate } from '../x509/certificate.ts';
import { maximumCommonName, type San } from '../x509/name.ts';
import type { Signer } from '../x509/sign.ts';
import { type ProfileName, profiles } from './profile.ts';

export interface Issuer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

export interface LeafRequest {
  readonly commonName: string;
  readonly profile: ProfileName;
  readonly sans: readonly San[];
  readonly publicKey: KeyObject;
  readonly days: number;
}

const dayMs = 24 * 60 * 60 * 1000;
/** How long ago a new certificate's life began, for peers whose clock is behind. */
const clockSkewMs = 5 * 60 * 1000;
/** A hundred years: what is meant to last longer is meant wrong. */
const maximumDays = 36_525;
/** Room for one authority below: a rotation has the old one sign the new one. */
const pathLength = 1;

export class Authority {
  readonly current: Issuer;
  readonly retired: readonly Certificate[];
  readonly #random: (size: number) => Buffer;
  #signer: Signer | undefined;

  /**
   * Puts an authority together from its trust bundle, the current one first, and its key.
   * @param source names the files, for errors
   */
  constructor(
    bundle: readonly [Certificate, ...Certificate[]],
    key: KeyObject,
    source: { bundle: string; key: string },
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
      notAfter: new Date(now.getTime() + days * dayMs),
      pathLength,
    };
    const certificate = await Signer.selfSigned(contents, key, random);
    return new Authority([certificate], key, { bundle: 'the new bundle', key: 'the new key' }, random);
  }

  /** Throws `authority-expired`, or `authority-not-yet-valid`, outside its life. */
  refuseOutsideLife(now: Date): void {
    const { commonName, notBefore, notAfter } = this.current.certificate;
    if (now >= notAfter) {
      throw new NatspkiError(
        'authority-expired',
        `authority "${commonName}" expired on ${formatDay(notAfter)}`,
        {
          hint: 'make a new one with `natspki rotate --ca`',
        },
      );
    }
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
    const wanted = new Date(now.getTime() + days * dayMs);
    return wanted > own ? { notAfter: own, shortened: true } : { notAfter: wanted, shortened: false };
  }

  /** Signs a leaf certificate, which never outlives the authority. Throws as refuseOutsideLife does. */
  async issue(request: LeafRequest, now: Date): Promise<Certificate> {
    this.refuseOutsideLife(now);
    const { certificate, key } = this.current;
    this.#signer ??= (await import('../x509/sign.ts')).Signer.of(certificate, key, this.#random);
    return this.#signer.leaf({
      commonName: request.commonName,
      publicKey: request.publicKey,
      sans: request.sans,
      purposes: profiles[request.profile].purposes,
      notBefore: new Date(now.getTime() - clockSkewMs),
      notAfter: this.notAfterOf(request.days, now).notAfter,
    });
  }

  /** The PEM that peers trust: the current authority first. */
  trustBundle(): string {
    return [this.current.certificate, ...this.retired].map((certificate) => certificate.toPem()).join('');
  }
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
