// The names in a certificate: the subject, and the alternative names of the four kinds NATS uses. Reads both from
// DER, and refuses an alternative name that no peer could ever match.
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { NatspkiError, UsageError } from '../errors.ts';
import { DerError, type DerValue, readChildren, readDer, readOid, tags } from './der.ts';

export const sanKinds = ['dns', 'ip', 'email', 'uri'] as const;
export type SanKind = (typeof sanKinds)[number];
export interface San {
  readonly kind: SanKind;
  /** In the form it has in a certificate: punycode, and RFC 5952 for IPv6. */
  readonly value: string;
}

/** One part of a distinguished name, `{ type: 'CN', value: 'n1' }`; an unknown type is its object identifier. */
export interface NameAttribute {
  readonly type: string;
  readonly value: string;
}

/** The longest common name (RFC 5280 appendix A, ub-common-name). */
export const maximumCommonName = 64;

const attributeTypes: Record<string, string> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.42': 'GN',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

/** Reads `dns:X`, `ip:X`, `email:X` or `uri:X`; throws `impossible-san` with a hint for a name no peer could match. */
export function parseSan(text: string): San {
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(colon, 0)).toLowerCase() as SanKind;
  const value = text.slice(colon + 1);
  if (!sanKinds.includes(kind)) {
    const guess = isHost(text)
      ? formatSan(sanOfHost(text))
      : text.includes('@')
        ? `email:${text}`
        : undefined;
    throw new UsageError(
      `subject alternative name "${text}" has no kind, expected dns:, ip:, email: or uri:`,
      guess === undefined ? undefined : `--san ${guess}`,
    );
  }
  switch (kind) {
    case 'dns':
      return { kind, value: dnsName(value) };
    case 'ip':
      return { kind, value: ipAddress(value) };
    case 'email':
      return { kind, value: emailAddress(value) };
    case 'uri':
      return { kind, value: uri(value) };
  }
}

/** Reads a host as a user types it, a DNS name or an IP address; throws `impossible-san`. */
export function sanOfHost(host: string): San {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return parseSan(isIP(bare) ? `ip:${bare}` : `dns:${host}`);
}

/** Tells whether a text is a DNS name or an IP address that can stand in a certificate. */
export function isHost(text: string): boolean {
  try {
    sanOfHost(text);
    return true;
  } catch {
    return false;
  }
}

/** Prints a name as parseSan reads it. */
export function formatSan(san: San): string {
  return `${san.kind}:${san.value}`;
}

/** Reads a DER Name into its attributes, in the order of the certificate. */
export function readName(name: DerValue | undefined): NameAttribute[] {
  return readChildren(name).flatMap((rdn) =>
    readChildren(rdn, tags.set).map((attribute) => {
      const [type, value] = readChildren(attribute);
      const oid = readOid(type);
      return { type: attributeTypes[oid] ?? oid, value: readString(value) };
    }),
  );
}

/**
 * Prints a distinguished name in the order of the certificate, special characters escaped as in RFC 2253 section 2.4:
 * `CN=n1,O=Example`.
 */
export function formatName(name: readonly NameAttribute[]): string {
  return name.map(({ type, value }) => `${type}=${escapeValue(value)}`).join(',');
}

/** Reads a DER GeneralNames: the four kinds as values, the kinds natspki never writes as their number. */
export function readGeneralNames(der: Buffer): { sans: San[]; others: number[] } {
  const sans: San[] = [];
  const others: number[] = [];
  for (const { tag, content } of readChildren(readDer(der))) {
    const text = content.toString('latin1');
    if (tag === 0x81) sans.push({ kind: 'email', value: text });
    else if (tag === 0x82) sans.push({ kind: 'dns', value: text });
    else if (tag === 0x86) sans.push({ kind: 'uri', value: text });
    else if (tag === 0x87) sans.push({ kind: 'ip', value: formatIp(content) });
    else others.push(tag & 0x1f);
  }
  return { sans, others };
}

function dnsName(text: string): string {
  const fail = (why: string, hint?: string) => impossible(`dns:${text}`, why, hint);
  if (isIP(text)) throw fail('it is an IP address', `--san ip:${text}`);
  const host = hostOf(text);
  if (host !== undefined) throw fail('it is more than a host name', `--san ${formatSan(host)}`);
  const wildcard = text.startsWith('*.');
  const plain = wildcard ? text.slice(2) : text;
  if (plain.includes('*'))
    throw fail('a wildcard stands only for the whole first label', '--san dns:*.example.com');
  if (plain.endsWith('.'))
    throw fail('a name in a certificate has no dot at its end', `--san dns:${text.slice(0, -1)}`);
  // Only for what is not ASCII: it would also turn 0x7f.1 into 127.0.0.1.
  // The case stays as typed: peers ignore it, but nats-server maps a client by the exact text.
  const name = /^[\x20-\x7e]*$/.test(plain) ? plain : domainToASCII(plain);
  if (name === '') throw fail(plain === '' ? 'it is empty' : 'it is not a domain name');
  if (name.length + (wildcard ? 2 : 0) > 253) throw fail(`it has ${name.length} characters, DNS allows 253`);
  const labels = name.split('.');
  for (const label of labels) {
    if (label.length > 63) throw fail(`a label has ${label.length} characters, DNS allows 63`);
    // Underscores are common in container networks, and both Go and OpenSSL match them.
    if (!/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/i.test(label))
      throw fail(`"${label}" is not a label of a domain name`);
  }
  if (/^\d+$/.test(labels.at(-1) as string))
    throw fail('a name that ends in a number reads as an IP address');
  if (wildcard && labels.length < 2) {
    throw fail(
      'OpenSSL and Node match no wildcard right below a top-level domain',
      `--san dns:*.nats.${name}`,
    );
  }
  return (wildcard ? '*.' : '') + name;
}

function ipAddress(text: string): string {
  const fail = (why: string, hint?: string) => impossible(`ip:${text}`, why, hint);
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  if (bare.includes('/'))
    throw fail('it is a network, expected one address', `--san ip:${bare.split('/')[0]}`);
  if (bare.includes('%')) throw fail('a zone means nothing to other hosts', `--san ip:${bare.split('%')[0]}`);
  if (!isIP(bare)) {
    throw fail('it is not an IP address', isHost(text) && !isIP(text) ? `--san dns:${text}` : undefined);
  }
  const address = isIP(bare) === 6 ? compressed(bare) : bare;
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(address);
  if (mapped !== null) {
    const octets = [mapped[1], mapped[2]].flatMap((group) => {
      const number = Number.parseInt(group as string, 16);
      return [number >> 8, number & 0xff];
    });
    throw fail('peers check an IPv4 address in its own form', `--san ip:${octets.join('.')}`);
  }
  if (address === '0.0.0.0' || address === '::') {
    throw fail(
      'it stands for every address of a listener, expected one that clients dial',
      '--san ip:127.0.0.1',
    );
  }
  return address;
}

function emailAddress(text: string): string {
  const fail = (why: string, hint?: string) => impossible(`email:${text}`, why, hint);
  const inBrackets = /<([^<>]+)>\s*$/.exec(text)?.[1];
  if (inBrackets !== undefined) throw fail('it is more than an address', `--san email:${inBrackets}`);
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  if (at < 0) throw fail('it has no @', `--san email:${text}@example.com`);
  if (!/^[\x21-\x7e]+$/.test(local) || /[()<>,;:\\"[\]@]/.test(local) || /^\.|\.$|\.\./.test(local)) {
    throw fail('the part before the @ is not one of an address');
  }
  if (local.length > 64) throw fail(`the part before the @ has ${local.length} characters, SMTP allows 64`);
  const domain = text.slice(at + 1);
  if (domain.startsWith('*')) throw fail('an address has no wildcard');
  try {
    return `${local}@${dnsName(domain)}`;
  } catch {
    throw fail('the part after the @ is not a domain name');
  }
}

function uri(text: string): string {
  const fail = (why: string, hint?: string) => impossible(`uri:${text}`, why, hint);
  // RFC 5280 section 4.2.1.6: absolute, with a scheme, and in ASCII.
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:./.test(text)) throw fail('it has no scheme', `--san uri:spiffe://${text}`);
  if (!/^[\x21-\x7e]+$/.test(text) || /[<>"{}|\\^`]/.test(text)) {
    throw fail('it has characters that a URI writes as %XX');
  }
  if (!URL.canParse(text)) throw fail('it is not a URI');
  return text;
}

/** Finds the host in what was meant as one but is a URL or has a port. */
function hostOf(text: string): San | undefined {
  const host = /^(?:[a-z]+:\/\/)?(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+)(?::\d+)?(?:\/.*)?$/i.exec(text)?.[1];
  return host !== undefined && host !== text && isHost(host) ? sanOfHost(host) : undefined;
}

function impossible(san: string, why: string, hint?: string): NatspkiError {
  const options = hint === undefined ? {} : { hint };
  return new NatspkiError('impossible-san', `impossible subject alternative name "${san}": ${why}`, {
    ...options,
    exitCode: 2,
  });
}

function formatIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new DerError('an IP address has 4 or 16 bytes');
  return compressed((bytes.toString('hex').match(/.{4}/g) ?? []).join(':'));
}

/** Writes an IPv6 address as RFC 5952 does. */
function compressed(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** Reads a string of any type that a name may hold; the hex of anything else, as RFC 2253 section 2.4 has it. */
export function readString(value: DerValue | undefined): string {
  switch (value?.tag) {
    case 0x0c: // UTF8String
      return value.content.toString('utf8');
    case 0x1e: {
      // BMPString: UTF-16 with the high byte first.
      if (value.content.length % 2 !== 0) throw new DerError('half a character');
      return Buffer.from(value.content).swap16().toString('utf16le');
    }
    case 0x12: // NumericString, PrintableString, T61String, IA5String, VisibleString
    case 0x13:
    case 0x14:
    case 0x16:
    case 0x1a:
      return value.content.toString('latin1');
    default:
      // RFC 2253 section 2.4: the hex of the whole value.
      return `#${value?.raw.toString('hex') ?? ''}`;
  }
}

function escapeValue(value: string): string {
  return (
    value
      .replace(/[,+"\\<>;]/g, '\\$&')
      .replace(/^[ #]/, '\\$&')
      .replace(/ $/, '\\ ')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach a terminal
      .replace(/[\x00-\x1f\x7f]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  );
}
