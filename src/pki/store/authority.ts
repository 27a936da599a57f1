// An authority: its signing key, the roots that peers trust, and the chain between them. The signer is a root, or an
// intermediate below a root whose key may be elsewhere. Reads and writes no files.
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { formatDay, maximumDays } from '../../duration.ts';
import { NatspkiError, UsageError } from '../../errors.ts';
import { given } from '../../given.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { constraintsOf } from '../../x509/chain.ts';
import { controlCharacterIn } from '../../x509/control-character.ts';
import { maximumCommonName, type SubjectAttributes } from '../../x509/distinguished-name.ts';
import type { San } from '../../x509/name.ts';
import { faultOfNames } from '../../x509/name-constraints.ts';
import type { Signer } from '../../x509/sign.ts';
import { noAddresses, type StatusAddresses } from '../../x509/status-addresses.ts';
import { type ProfileName, profiles } from './profile.ts';
import { encodeWholeSubject, keptSubject } from './subject.ts';

export interface Issuer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

export interface LeafRequest {
  readonly commonName: string;
  /** The whole subject (DER Name), used in place of the common name. */
  readonly subjectDer?: Buffer;
  readonly profile: ProfileName;
  readonly sans: readonly San[];
  readonly publicKey: KeyObject;
  readonly days: number;
}

export const dayMs = 24 * 60 * 60 * 1000;
/** How far notBefore of a new certificate lies in the past, in milliseconds, for peers whose clocks are behind. */
export const clockSkewMs = 5 * 60 * 1000;
/**
 * Returns the path length of a root (RFC 5280 section 4.2.1.9): one for each intermediate, and one more because in a
 * rotation the old root signs the new one.
 */
const rootPathLength = (depth: number) => depth + 1;

/** The names of an authority's files, for errors. */
interface Source {
  /** The file whose first certificate signs. */
  readonly certificate: string;
  readonly key: string;
}

interface Parts {
  /** The roots that peers trust, the current one first. */
  readonly roots: readonly [Certificate, ...Certificate[]];
  /** From the issuer of the leaves up to, but without, the root; none where the root signs leaves itself. */
  readonly intermediates?: readonly Certificate[];
  /** The current root signed by the previous one; ignored when it is of another root. */
  readonly crossSigned?: readonly Certificate[];
  /** The private key of the signing certificate. */
  readonly key: KeyObject;
  /** Where peers ask whether a leaf is revoked; default nowhere. */
  readonly addresses?: StatusAddresses;
}

/** Limits the names below a new authority; a certificate's own extension is copied with criticality. */
type NewConstraints = Certificate['nameConstraintsExtension'];

interface NewAuthority {
  readonly commonName: string;
  readonly key: KeyObject;
  readonly days: number;
  readonly now: Date;
  /** Stands before the common name in its subject. */
  readonly subject?: SubjectAttributes;
  readonly nameConstraints?: NewConstraints;
  /** What its leaves carry; an intermediate has those of its root. */
  readonly addresses?: StatusAddresses;
}

export class Authority {
  /** The signing certificate with its key. */
  readonly current: Issuer;
  /** The roots that peers trust, the current one first. */
  readonly roots: readonly [Certificate, ...Certificate[]];
  readonly intermediates: readonly Certificate[];
  /**
   * The certificates after each leaf in its file: intermediates, and the current root signed by the previous one, for
   * peers that trust only the previous one.
   */
  readonly chain: readonly Certificate[];
  /** Where peers ask whether a leaf is revoked; every leaf carries them. */
  readonly addresses: StatusAddresses;
  readonly #random: (size: number) => Buffer;
  #signer: Promise<Signer> | undefined;

  constructor(parts: Parts, source: Source, random = randomBytes as (size: number) => Buffer) {
    const { roots, intermediates = [], crossSigned = [], key, addresses = noAddresses } = parts;
    const [certificate = roots[0]] = intermediates;
    if (!certificate.authority) {
      throw new NatspkiError(
        'not-an-authority',
        `the first certificate in "${source.certificate}", ${certificate.commonName}, is not one of an authority`,
      );
    }
    if (!certificate.hasKey(key)) {
      throw new NatspkiError(
        'key-mismatch',
        `"${source.key}" is not the key of the first certificate in "${source.certificate}", ${certificate.commonName}`,
      );
    }
    this.current = { certificate, key };
    this.roots = roots;
    this.intermediates = intermediates;
    this.chain = [...intermediates, ...(crossSigned[0]?.spki.equals(roots[0].spki) ? crossSigned : [])];
    this.addresses = addresses;
    this.#random = random;
  }

  /**
   * Makes a new self-signed root for a key.
   * @param depth the number of intermediates between the root and its leaves
   */
  static async create(
    { commonName, subject = {}, key, days, now, nameConstraints, addresses = noAddresses }: NewAuthority,
    depth = 0,
    random = randomBytes as (size: number) => Buffer,
  ): Promise<Authority> {
    const contents = {
      commonName,
      ...given({ subjectDer: await encodeWholeSubject(subject, commonName) }),
      publicKey: createPublicKey(key),
      notBefore: new Date(now.getTime() - clockSkewMs),
      notAfter: endOf(days, now),
      pathLength: rootPathLength(depth),
      nameConstraints,
    };
    const { Signer } = await import('../../x509/sign.ts');
    const certificate = await Signer.selfSigned(contents, key, random);
    return new Authority({ roots: [certificate], key, addresses }, unwritten, random);
  }

  /** The roots that the current one replaced and that are still trusted. */
  get retired(): readonly Certificate[] {
    return this.roots.slice(1);
  }

  /**
   * Makes an intermediate below this root. It signs leaves but no authorities, and does not outlive the root. Throws as
   * refuseOutsideLife does, and `path-too-long` when the path length of the root allows no intermediate.
   * @param options without a subject, it has that of the root
   */
  async intermediate({ commonName, key, days, now, ...options }: NewAuthority): Promise<Authority> {
    this.refuseOutsideLife(now);
    const { certificate: root } = this.current;
    if (root.pathLength === 0)
      throw new NatspkiError('path-too-long', `"${root.commonName}" allows no authority below it`);
    const { subject = keptSubject(root), nameConstraints = root.nameConstraintsExtension } = options;
    const signer = await this.#signing();
    const certificate = await signer.authority({
      commonName,
      ...given({ subjectDer: await encodeWholeSubject(subject, commonName) }),
      publicKey: createPublicKey(key),
      notBefore: new Date(now.getTime() - clockSkewMs),
      notAfter: this.notAfterOf(days, now).notAfter,
      pathLength: 0,
      nameConstraints,
    });
    const { roots, chain: crossSigned, addresses } = this;
    const parts = { roots, intermediates: [certificate], crossSigned, key, addresses };
    return new Authority(parts, unwritten, this.#random);
  }

  /**
   * Makes the root that replaces this one, with its subject beside the common name and its name constraints; both stay
   * trusted. This root cross-signs the new one, unless it has expired or its path length does not allow it. The new root does
   * not cross-sign this one: peers would then accept its leaves after its retirement.
   * @param depth the number of intermediates between the new root and its leaves
   */
  async successor(options: NewAuthority, depth = 0): Promise<Authority> {
    const { certificate } = this.current;
    const nameConstraints = certificate.nameConstraintsExtension;
    const kept = { subject: keptSubject(certificate), nameConstraints };
    const { current } = await Authority.create({ ...options, ...kept }, depth, this.#random);
    const roots = [current.certificate, ...this.roots] as const;
    const canCrossSign = options.now < certificate.notAfter && (certificate.pathLength ?? Infinity) > depth;
    const crossSigned = canCrossSign ? [await this.#crossSign(current.certificate, depth)] : [];
    const { addresses } = this;
    return new Authority({ roots, crossSigned, key: options.key, addresses }, unwritten, this.#random);
  }

  /** Signs the name and key of another root. */
  async #crossSign(other: Certificate, pathLength: number): Promise<Certificate> {
    const { notAfter } = this.current.certificate;
    const signer = await this.#signing();
    return signer.authority({
      commonName: other.commonName,
      subjectDer: other.subjectDer,
      publicKey: other.publicKey,
      notBefore: other.notBefore,
      notAfter: notAfter < other.notAfter ? notAfter : other.notAfter,
      pathLength,
      nameConstraints: other.nameConstraintsExtension,
    });
  }

  /** Loads sign.ts on first use: it loads slowly, and commands that only read an authority do not need it. */
  #signing(): Promise<Signer> {
    const { certificate, key } = this.current;
    this.#signer ??= import('../../x509/sign.ts').then(({ Signer }) =>
      Signer.of(certificate, key, this.#random),
    );
    return this.#signer;
  }

  /** Throws `authority-expired` or `authority-not-yet-valid` outside the validity period. */
  refuseOutsideLife(now: Date): void {
    const { commonName, notAfter } = this.current.certificate;
    if (now >= notAfter) {
      throw new NatspkiError(
        'authority-expired',
        `authority "${commonName}" expired on ${formatDay(notAfter)}`,
        { hint: this.#renewalHint() },
      );
    }
    this.refuseBeforeLife(now);
  }

  #renewalHint(): string {
    if (this.intermediates.length === 0) return 'make a new one with `natspki rotate --ca`';
    const root = this.roots[0].commonName;
    return `make a new one with \`natspki rotate --intermediate\`, which needs the key of "${root}" in the folder`;
  }

  /** Throws `authority-not-yet-valid` before the validity period, as after the clock was set back. */
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

  /** Returns when a certificate of `days` days would expire; no later than the authority itself. */
  notAfterOf(days: number, now: Date): { notAfter: Date; shortened: boolean } {
    const own = this.current.certificate.notAfter;
    const wanted = endOf(days, now);
    return wanted > own ? { notAfter: own, shortened: true } : { notAfter: wanted, shortened: false };
  }

  /** What the name constraints of the root and of the intermediates say, for people; empty without any. */
  get nameConstraints(): string[] {
    return constraintsOf([...this.intermediates, this.roots[0]]);
  }

  /** Returns why its name constraints forbid a name; undefined when they allow it. */
  faultOfNames(sans: readonly San[]): string | undefined {
    for (const { nameConstraints } of [...this.intermediates, this.roots[0]]) {
      const fault = nameConstraints && faultOfNames(nameConstraints, { sans });
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Throws `name-not-permitted` when a certificate would have a name outside the name constraints. */
  refuseNames(name: string, sans: readonly San[]): void {
    const fault = this.faultOfNames(sans);
    if (fault === undefined) return;
    const { commonName } = this.current.certificate;
    throw new NatspkiError(
      'name-not-permitted',
      `authority "${commonName}" may not sign "${name}": ${fault}`,
      {
        hint: `give names that it may sign with --san: ${this.nameConstraints.join(', ')}`,
      },
    );
  }

  /** Signs a leaf certificate that does not outlive the authority. Throws as refuseOutsideLife does. */
  async issue(request: LeafRequest, now: Date): Promise<Certificate> {
    this.refuseOutsideLife(now);
    this.refuseNames(request.commonName, request.sans);
    const signer = await this.#signing();
    return signer.leaf({
      commonName: request.commonName,
      ...given({ subjectDer: request.subjectDer }),
      publicKey: request.publicKey,
      sans: request.sans,
      purposes: profiles[request.profile].purposes,
      addresses: this.addresses,
      notBefore: new Date(now.getTime() - clockSkewMs),
      notAfter: this.notAfterOf(request.days, now).notAfter,
    });
  }

  /** Returns the roots that peers trust as PEM, the current one first. */
  trustBundle(): string {
    return toPem(this.roots);
  }
}

/** The source of an authority that is not in a file yet. */
const unwritten: Source = { certificate: 'the new bundle', key: 'the new key' };

/** Returns notAfter for a lifetime of `days` days, rounded up to whole seconds, as certificates have them. */
function endOf(days: number, now: Date): Date {
  return new Date(Math.ceil(now.getTime() / 1000) * 1000 + days * dayMs);
}

/** Throws a UsageError unless a certificate's lifetime can have `days` days, or a part of one, down to a minute. */
export function checkDays(days: number, what: string): void {
  if (days * dayMs >= 60_000 && days <= maximumDays) return;
  throw new UsageError(`${what} has ${days} days, expected a life between 1 minute and ${maximumDays} days`);
}

/** Throws a UsageError unless a text can be a common name. */
export function checkCommonName(name: string, what: string): void {
  if (name === '') throw new UsageError(`${what} is empty`);
  const character = controlCharacterIn(name);
  if (character !== undefined) {
    throw new UsageError(`${what} "${name}" contains the control character ${character}`, '--ca-name NAME');
  }
  if ([...name].length <= maximumCommonName) return;
  throw new UsageError(
    `${what} has ${[...name].length} characters, a common name holds at most ${maximumCommonName}`,
  );
}

/**
 * Increments the number at the end of a name, or appends 2: `natspki CA`, `natspki CA 2`. With `word`, appends the word
 * instead. The result is shortened to fit a common name, and has no control characters, which imported names may have.
 */
export function nextName(name: string, word?: string): string {
  const [, base = name, number = '1'] = /^(.*\S) (\d{1,9})$/.exec(name) ?? [];
  const [stem, suffix] = word === undefined ? [base, ` ${Number(number) + 1}`] : [name, ` ${word}`];
  const visible = [...stem].filter((character) => controlCharacterIn(character) === undefined);
  return `${visible.slice(0, maximumCommonName - suffix.length).join('')}${suffix}`;
}
