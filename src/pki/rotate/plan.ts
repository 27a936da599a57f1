// The plan of a rotation as a printable value, computed from the content of the folder. rotate.ts executes it for leaves,
// intermediate-rollover.ts and ca-rollover.ts for authorities.
import { NatspkiError } from '../../errors.ts';
import { nearest } from '../../suggest.ts';
import { type KeyType, renewedKeyType } from '../../x509/key.ts';
import { clockSkewMs, dayMs } from '../store/authority.ts';
import { isAnyAuthority, type ListedCertificate } from '../store/listing.ts';
import type { ProfileName } from '../store/profile.ts';

/** A new root beside the old one: both are trusted, the new one signs. */
export interface TrustNew {
  readonly action: 'trust-new';
  /** Common names. */
  readonly authority: string;
  readonly succeeds: string;
  readonly keyType: KeyType;
  readonly days: number;
}

/** A new intermediate below the existing root: peers need no new trust bundle. */
export interface NewIntermediate {
  readonly action: 'new-issuer';
  /** Common names. */
  readonly intermediate: string;
  /** Absent when the root has signed the leaves itself until now. */
  readonly succeeds?: string;
  readonly root: string;
  readonly keyType: KeyType;
  readonly days: number;
}

/** A leaf certificate that is issued again. */
export interface Reissue {
  readonly action: 'reissue';
  readonly name: string;
  readonly why: string;
  readonly profile: ProfileName;
  readonly sans: readonly string[];
  /** `elsewhere`: the same key, whose private half is not in the folder (`issue --csr`). */
  readonly key: 'new' | 'kept' | 'elsewhere';
  readonly keyType: string;
  readonly days: number;
  /** Serial number of the certificate that it replaces. */
  readonly replaces: string;
}

/** The old roots leave the trust bundle, and the certificates that they cross-signed leave the certificate files. */
export interface RetireOld {
  readonly action: 'retire-old';
  /** Common names. */
  readonly authorities: readonly string[];
  /** Names of leaves whose files lose a cross-signed certificate. */
  readonly shortened: readonly string[];
  /** Names of leaves that are no longer trusted afterwards; only when forced. */
  readonly stranded: readonly string[];
}

export type RotationStep = TrustNew | NewIntermediate | Reissue | RetireOld;

export interface RotationPlan {
  readonly steps: readonly RotationStep[];
  /** One line with the reason for each requested certificate that does not change. */
  readonly left: readonly string[];
}

/** The leaves to rotate: all or the named ones; with `due`, only those that are due. */
export interface Selection {
  readonly names?: readonly string[];
  readonly due?: boolean;
  readonly keepKey?: boolean;
}

/** The facts about a leaf that its row in the list does not have. */
export interface LeafFacts {
  /** Whether it was issued for a request, so that its private key was never in the folder. */
  readonly keyElsewhere: boolean;
  /** Whether a member of the fleet renewed it since, so that this pair is out of use. */
  readonly renewedByMember: boolean;
  /** The extended key usage, as Certificate has it. */
  readonly purposes: readonly string[];
  /** Whether it expires together with an authority above it. */
  readonly endsWithAuthority: boolean;
}

const noFacts: LeafFacts = {
  keyElsewhere: false,
  renewedByMember: false,
  purposes: [],
  endsWithAuthority: false,
};

/** The lifetime in days when the replaced certificate does not reveal one: the default of `issue --days`. */
const defaultDays = 365;
const minuteMs = 60_000;

/**
 * Plans the reissue of leaves, in the order of the list. Throws `no-certificate` for an unknown name, `unknown-profile` for
 * a named certificate that cannot be issued again, and `missing-key` when `keepKey` is set and the key is missing.
 * @param listed the result of listCertificates, with `due` computed for the requested window
 * @param facts by serial number
 */
export function planReissue(
  listed: readonly ListedCertificate[],
  facts: ReadonlyMap<string, LeafFacts>,
  selection: Selection,
): { steps: Reissue[]; left: string[] } {
  const leaves = listed.filter(({ profile }) => !isAnyAuthority(profile));
  const { names, due = false, keepKey = false } = selection;
  for (const name of names ?? []) refuseUnknown(name, leaves);
  const steps: Reissue[] = [];
  const left: string[] = [];
  for (const leaf of leaves) {
    const { name, sans, serial } = leaf;
    if (names !== undefined && !names.includes(name)) continue;
    if (due && !leaf.due) continue;
    const { keyElsewhere, renewedByMember, purposes, endsWithAuthority } = facts.get(serial) ?? noFacts;
    if (renewedByMember && names === undefined) {
      left.push(`"${name}" is not rotated: its host renews it now, and this pair is out of use`);
      continue;
    }
    const profile = profileOf(leaf, purposes);
    if (profile === undefined) {
      const problem = unknownProfile(name);
      if (names !== undefined) throw problem;
      left.push(`"${name}" is not rotated: ${problem.message}`);
      continue;
    }
    const key = keyElsewhere ? 'elsewhere' : keepKey ? 'kept' : 'new';
    if (key === 'kept' && leaf.keyFile === undefined) throw missingKey(name);
    steps.push({
      action: 'reissue',
      name,
      why: reasonFor(leaf, due),
      profile,
      sans,
      key,
      keyType: key === 'new' ? renewedKeyType(leaf.keyType) : leaf.keyType,
      days: daysOf(leaf, endsWithAuthority),
      replaces: serial,
    });
  }
  if (due && names === undefined) {
    for (const { certificate, remedy } of authorityRemedies(listed)) {
      if (certificate.due)
        left.push(`the ${certificate.profile} is due, ${lifeLeft(certificate)}: ${remedy}`);
    }
  }
  return { steps, left };
}

/** Lists the root and the intermediate, each with the command that replaces it and the key that this needs. */
export function authorityRemedies(
  listed: readonly ListedCertificate[],
): { certificate: ListedCertificate; remedy: string }[] {
  const root = listed.find(({ profile }) => profile === 'authority');
  const intermediate = listed.find(({ profile }) => profile === 'intermediate');
  const keyed =
    root === undefined || root.keyFile !== undefined || intermediate === undefined
      ? ''
      : `, with the key of "${root.issuer}" in the folder`;
  const remedies = [
    { certificate: root, command: 'natspki rotate --ca' },
    { certificate: intermediate, command: 'natspki rotate --intermediate' },
  ];
  return remedies.flatMap(({ certificate, command }) =>
    certificate === undefined ? [] : [{ certificate, remedy: `replace it with \`${command}\`${keyed}` }],
  );
}

/** Describes a step in one line. */
export function describeStep(step: RotationStep): string {
  switch (step.action) {
    case 'trust-new':
      return `trust-new   "${step.authority}" succeeds "${step.succeeds}"; both are trusted (${step.keyType}, ${formatDays(step.days)})`;
    case 'new-issuer': {
      const from = step.succeeds === undefined ? '' : `takes over from "${step.succeeds}" `;
      return `new-issuer  "${step.intermediate}" ${from}below "${step.root}" (${step.keyType}, ${formatDays(step.days)})`;
    }
    case 'reissue': {
      const key = { new: `new ${step.keyType} key`, kept: 'same key', elsewhere: 'same key, kept elsewhere' };
      return `reissue     ${step.name}: ${step.profile}, ${key[step.key]}, ${formatDays(step.days)} (${step.why})`;
    }
    case 'retire-old':
      return `retire-old  ${step.authorities.map((name) => `"${name}"`).join(', ')}: no longer trusted`;
  }
}

/**
 * Computes the days for which a certificate was issued from its validity period. It undoes the rounding to whole seconds,
 * which would otherwise accumulate from one rotation to the next.
 */
export function issuedDays({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): number {
  const life = notAfter.getTime() - notBefore.getTime() - clockSkewMs;
  const asked = life > 60 * minuteMs ? Math.round(life / minuteMs) * minuteMs : life - 1000;
  return Math.max(asked, 0) / dayMs;
}

/** Treats a certificate for both servers and clients that the ledger does not have as a route; undefined for others. */
function profileOf({ profile }: ListedCertificate, purposes: readonly string[]): ProfileName | undefined {
  if (profile !== 'unknown') return profile as ProfileName;
  return purposes.includes('serverAuth') && purposes.includes('clientAuth') ? 'route' : undefined;
}

/** Returns its lifetime, or the default if that is longer and the end of the authority limited it. */
function daysOf(leaf: ListedCertificate, endsWithAuthority: boolean): number {
  const days = issuedDays(leaf);
  return endsWithAuthority ? Math.max(days, defaultDays) : days;
}

function reasonFor(leaf: ListedCertificate, due: boolean): string {
  return due ? `due, ${lifeLeft(leaf)}` : lifeLeft(leaf);
}

function lifeLeft({ daysLeft, notBefore, notAfter }: ListedCertificate): string {
  if (daysLeft < 0) return 'expired';
  if (daysLeft * dayMs > notAfter.getTime() - notBefore.getTime()) return 'not valid yet';
  return daysLeft === 1 ? '1 day left' : `${daysLeft} days left`;
}

function refuseUnknown(name: string, leaves: readonly ListedCertificate[]): void {
  const names = leaves.map((leaf) => leaf.name);
  if (names.includes(name)) return;
  const near = nearest(name, names);
  throw new NatspkiError('no-certificate', `no certificate "${name}" to rotate`, {
    hint: near === undefined ? 'see what there is with `natspki list`' : `did you mean "${near}"`,
  });
}

function unknownProfile(name: string): NatspkiError {
  return new NatspkiError('unknown-profile', `certificate "${name}" is for neither servers nor clients`, {
    hint: `issue one in its place with \`natspki issue PROFILE ${name} --force\``,
  });
}

function missingKey(name: string): NatspkiError {
  return new NatspkiError('missing-key', `the key of "${name}" is missing and cannot be kept`, {
    hint: `leave out --keep-key for \`natspki rotate ${name}\``,
  });
}

function formatDays(days: number): string {
  const rounded = Math.round(days * 10) / 10;
  return `${rounded} ${rounded === 1 ? 'day' : 'days'}`;
}
