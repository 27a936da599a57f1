// Name constraints of an authority (RFC 5280 section 4.2.1.10): which names the certificates below it may have. Judges
// names as Go does (crypto/x509, constraints.go).
import { isAscii } from 'node:buffer';
import { UsageError } from '../errors.ts';
import { DerError, type DerValue, readChildren, readDer } from './der.ts';
import { generalNameTags, isIP, type San, type SanKind, sanKinds } from './name.ts';

/** A permitted or excluded part of the names of one kind. */
export interface NameConstraint {
  readonly kind: SanKind;
  /** A domain, with a leading dot for subdomains only; for `ip` a network, `10.0.0.0/8`; for `email` also an address. */
  readonly value: string;
}

export interface NameConstraints {
  readonly permitted: readonly NameConstraint[];
  readonly excluded: readonly NameConstraint[];
  /** Whether it limits names of other kinds, such as directory names, which Go does not check. */
  readonly hasOthers: boolean;
}

const shortest = 'dns:.internal';

/**
 * Parses `dns:.internal`, `ip:10.0.0.0/8`, `email:example.com` or `uri:.example.com`. Throws a UsageError.
 * @param flag the flag with the text, for the error
 */
export function parseConstraint(text: string, flag = 'permit'): NameConstraint {
  const kind = sanKinds.find((each) => text.toLowerCase().startsWith(`${each}:`));
  if (kind === undefined) {
    const guess = /^[\d.]+\/\d+$|:.*\//.test(text) ? 'ip' : 'dns';
    throw new UsageError(
      `--${flag} is "${text}", expected dns:, ip:, email: or uri: before the name`,
      `--${flag} ${text === '' ? shortest : `${guess}:${text.replace(/^\*/, '')}`}`,
    );
  }
  const value = text.slice(kind.length + 1);
  if (kind === 'ip') return { kind, value: parseNetwork(value, flag) };
  const domain = kind === 'email' ? value.slice(value.indexOf('@') + 1) : value;
  const isDomain = isDomainName(domain, true) && /^[\x21-\x7e]+$/.test(value) && !/[*/:@]/.test(domain);
  if (!isDomain || isIP(domain) !== 0) {
    const better = domain.replace(/^\*/, '').replace(/\.$/, '');
    throw new UsageError(
      `--${flag} is "${text}", expected a domain, with a leading dot for its subdomains only`,
      `--${flag} ${/^\.?[\w-]+(\.[\w-]+)*$/.test(better) ? `${kind}:${better}` : shortest}`,
    );
  }
  return { kind, value };
}

function parseNetwork(text: string, flag: string): string {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  const length = version === 4 ? 32 : 128;
  const prefix = bits === undefined ? length : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (version === 0 || !(prefix <= length) || more.length > 0) {
    throw new UsageError(
      `--${flag} is "ip:${text}", expected a network or an address`,
      `--${flag} ip:10.0.0.0/8`,
    );
  }
  const bytes = addressBytes(address).map((byte, i) => byte & maskByte(prefix, i));
  return formatNetwork(bytes, prefix);
}

/** Formats constraints as parseConstraint reads them. */
export function formatConstraint({ kind, value }: NameConstraint): string {
  return `${kind}:${value}`;
}

/** Lists the parts of constraints for people: `permitted dns:.internal`. */
export function describeConstraints(constraints: NameConstraints | undefined): string[] {
  if (constraints === undefined) return [];
  const { permitted, excluded, hasOthers } = constraints;
  return [
    ...permitted.map((each) => `permitted ${formatConstraint(each)}`),
    ...excluded.map((each) => `excluded ${formatConstraint(each)}`),
    ...(hasOthers ? ['other kinds of names'] : []),
  ];
}

/** Reads the value of the extension; throws DerError, as Go does (parser.go, parseNameConstraintsExtension). */
export function readNameConstraints(value: Buffer): NameConstraints {
  const parts = readChildren(readDer(value));
  const [permitted, excluded] = [0xa0, 0xa1].map((tag) => parts.find((part) => part.tag === tag));
  if (
    parts.some(
      ({ tag }, i) => tag !== (parts.length === 2 ? 0xa0 + i : tag) || (tag !== 0xa0 && tag !== 0xa1),
    )
  )
    throw new DerError('name constraints of an unknown form');
  if ((permitted?.content.length ?? 0) + (excluded?.content.length ?? 0) === 0)
    throw new DerError('empty name constraints');
  const all = [permitted, excluded].map((part) => (part === undefined ? [] : readChildren(part, part.tag)));
  const read = (subtrees: readonly DerValue[] = []) =>
    subtrees.flatMap((subtree) => {
      const [base] = readChildren(subtree);
      if (base === undefined) throw new DerError('a name constraint without a name');
      return readConstraint(base) ?? [];
    });
  const result = { permitted: read(all[0]), excluded: read(all[1]) };
  const count = result.permitted.length + result.excluded.length;
  return { ...result, hasOthers: count < all.flat().length };
}

/** Reads one constraint; undefined for a kind that Go does not check. */
function readConstraint({ tag, content }: DerValue): NameConstraint | undefined {
  const kind = sanKinds.find((each) => generalNameTags[each] === tag);
  if (kind === undefined) return undefined;
  if (kind === 'ip') return { kind, value: readNetwork(content) };
  const value = content.toString('latin1');
  const isAddress = kind === 'email' && value.includes('@');
  const isValid = isAddress ? parseMailbox(value) !== undefined : isDomainName(value, true);
  if (!isValid || !isAscii(content) || (kind === 'uri' && isIP(value) !== 0))
    throw new DerError(`name constraint ${JSON.stringify(`${kind}:${value}`)} is not valid`);
  return { kind, value };
}

function readNetwork(content: Buffer): string {
  if (content.length !== 8 && content.length !== 32) throw new DerError('an IP constraint has 8 or 32 bytes');
  const half = content.length / 2;
  const mask = [...content.subarray(half)];
  const bits = mask.map((byte) => byte.toString(2).padStart(8, '0')).join('');
  if (!/^1*0*$/.test(bits)) throw new DerError('the mask of an IP constraint has gaps');
  return formatNetwork(
    [...content.subarray(0, half)],
    bits.indexOf('0') < 0 ? bits.length : bits.indexOf('0'),
  );
}

/** What a certificate claims: its names, as far as constraints can judge them. */
interface Claims {
  readonly sans: readonly San[];
}

/**
 * Returns why constraints forbid the names of a certificate, `DNS name "www.example.com" is not permitted`; undefined when
 * they allow them.
 */
export function faultOfNames(constraints: NameConstraints, { sans }: Claims): string | undefined {
  for (const san of sans) {
    const fault = faultOfName(constraints, san);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const kindNames: Readonly<Record<SanKind, string>> = {
  dns: 'DNS name',
  ip: 'IP address',
  email: 'email address',
  uri: 'URI',
};

function faultOfName({ permitted, excluded }: NameConstraints, san: San): string | undefined {
  const { kind, value } = san;
  const what = `${kindNames[kind]} ${JSON.stringify(value)}`;
  const subject = subjectOf(san);
  // Go checks the form of every name below an authority with constraints, whatever kind they are of.
  if (subject === undefined) return `${what} cannot be compared with name constraints`;
  const of = (some: readonly NameConstraint[]) => some.filter((each) => each.kind === kind);
  const allowed = of(permitted);
  if (allowed.length > 0 && !allowed.some((each) => isWithin(subject, each.value, kind, true))) {
    return `${what} is not permitted, expected ${allowed.map(formatConstraint).join(' or ')}`;
  }
  const forbidden = of(excluded).find((each) => isWithin(subject, each.value, kind, false));
  return forbidden && `${what} is excluded by ${formatConstraint(forbidden)}`;
}

/** The part of a name that constraints are compared with. */
interface NameSubject {
  readonly domain: string;
  /** The part of an e-mail address before its last @. */
  readonly local?: string;
}

function subjectOf({ kind, value }: San): NameSubject | undefined {
  switch (kind) {
    case 'dns':
      return isDomainName(value, false) ? { domain: value } : undefined;
    case 'email':
      return parseMailbox(value);
    case 'uri': {
      const host = hostOfUri(value);
      return host === undefined || !isDomainName(host, false) ? undefined : { domain: host };
    }
    default:
      return { domain: value };
  }
}

function isWithin(subject: NameSubject, constraint: string, kind: SanKind, permits: boolean): boolean {
  if (kind === 'ip') return isInNetwork(subject.domain, constraint);
  if (kind === 'email' && constraint.includes('@')) {
    const address = parseMailbox(constraint);
    return address?.local === subject.local && address?.domain.toLowerCase() === subject.domain.toLowerCase();
  }
  return isSubdomain(subject.domain.toLowerCase(), constraint.toLowerCase(), permits);
}

/** A wildcard also collides with an excluded name that it could match. */
function isSubdomain(domain: string, constraint: string, permits: boolean): boolean {
  if (constraint === '') return true;
  if (domain === constraint) return true;
  if (domain.endsWith(constraint.startsWith('.') ? constraint : `.${constraint}`)) return true;
  if (permits || !domain.startsWith('*')) return false;
  const parent = (name: string) => (name.includes('.') ? name.slice(name.indexOf('.')) : '');
  return parent(constraint) !== '' && parent(constraint) === parent(domain);
}

function isInNetwork(address: string, network: string): boolean {
  const [base = '', bits] = network.split('/');
  const [a, b] = [addressBytes(address), addressBytes(base)];
  const prefix = Number(bits);
  return (
    a.length === b.length && a.every((byte, i) => ((byte ^ (b[i] as number)) & maskByte(prefix, i)) === 0)
  );
}

function maskByte(prefix: number, index: number): number {
  return (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * index))) & 0xff;
}

function addressBytes(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number);
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [left = [], right = []] = plain.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].flatMap((group) => {
    const number = Number.parseInt(group, 16);
    return [number >> 8, number & 0xff];
  });
}

function formatNetwork(bytes: readonly number[], prefix: number): string {
  if (bytes.length === 4) return `${bytes.join('.')}/${prefix}`;
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? [];
  return `${new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)}/${prefix}`;
}

/** Whether Go takes a text as a domain name (parser.go, domainNameValid); the empty one stands for all. */
function isDomainName(text: string, isConstraint: boolean): boolean {
  if (text === '') return true;
  const name = isConstraint && text.startsWith('.') ? text.slice(1) : text;
  return /^[\x21-\x7e]+$/.test(name) && name.split('.').every((label) => label !== '');
}

/** Splits an e-mail address as Go does (verify.go, parseRFC2821Mailbox); undefined for one that it cannot read. */
function parseMailbox(text: string): { local: string; domain: string } | undefined {
  const isQuoted = text.startsWith('"');
  const [, local, domain] =
    (isQuoted
      ? /^"((?:[^"\\\r\n]|\\[^\r\n])*)"@(.*)$/s
      : /^((?:\\[\x21-\x7e ]|[0-9A-Za-z!#$%&'*+\-/=?^_`{|}~.])+)@(.*)$/s
    ).exec(text) ?? [];
  if (local === undefined || domain === undefined) return undefined;
  const plain = local.replace(/\\(.)/gs, '$1');
  if (!isQuoted && /^\.|\.$|\.\./.test(plain)) return undefined;
  const labels = domain === '' ? [] : domain.split('.');
  return labels.every((label) => /^[\x21-\x7e]+$/.test(label)) ? { local: plain, domain } : undefined;
}

/** Returns the host in a URI; undefined for none, or an address, which Go compares with no constraint. */
function hostOfUri(text: string): string | undefined {
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(text)?.[1] ?? '';
  const host = authority
    .slice(authority.lastIndexOf('@') + 1)
    .toLowerCase()
    .replace(/:\d*$/, '');
  return host === '' || host.startsWith('[') || isIP(host) !== 0 ? undefined : host;
}
