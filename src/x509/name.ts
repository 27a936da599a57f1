// Subject alternative names of the four kinds that NATS uses, parsed from command lines and from DER. Rejects names that no
// peer could match.
import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { NatspkiError, UsageError } from '../errors.ts';
import { controlCharacterIn } from './control-character.ts';
import { DerError, type DerValue, readChildren, readDer, readOid, tags } from './der.ts';
import { formatName, readName, readString } from './distinguished-name.ts';

export const sanKinds = ['dns', 'ip', 'email', 'uri'] as const;
export type SanKind = (typeof sanKinds)[number];
export interface San {
  readonly kind: SanKind;
  /** As in a certificate: domain names in punycode, IPv6 addresses as in RFC 5952. */
  readonly value: string;
}

/**
 * Parses `dns:X`, `ip:X`, `email:X` or `uri:X`. Throws `impossible-san`, with a hint, for a name that no peer could match,
 * and a UsageError for text without a kind.
 */
export function parseSan(text: string): San {
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(colon, 0)).toLowerCase() as SanKind;
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
  try {
    refuseControlCharacters(text);
    return { kind, value: readers[kind](text.slice(colon + 1)) };
  } catch (error) {
    throw refusal(error, `subject alternative name "${text}"`, (better) => `--san ${better}`);
  }
}

/** Parses a host, a DNS name or an IP address; throws `impossible-san`. */
export function sanOfHost(host: string): San {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const kind = isIP(bare) ? 'ip' : 'dns';
  try {
    refuseControlCharacters(bare);
    return { kind, value: readers[kind](bare) };
  } catch (error) {
    throw refusal(error, `host "${host}"`, (better) => `--host ${better.slice(better.indexOf(':') + 1)}`);
  }
}

const readers: Record<SanKind, (text: string) => string> = {
  dns: dnsName,
  ip: ipAddress,
  email: emailAddress,
  uri,
};

/** Returns whether a text is a DNS name or an IP address that a certificate can have. */
export function isHost(text: string): boolean {
  try {
    sanOfHost(text);
    return true;
  } catch {
    return false;
  }
}

/** Formats a name as parseSan reads it. */
export function formatSan(san: San): string {
  return `${san.kind}:${san.value}`;
}

/** Reads a DER GeneralNames: the names of the four kinds, and the others in print (RFC 5280 section 4.2.1.6). */
export function readGeneralNames(der: Buffer): { sans: San[]; otherKinds: string[]; others: string[] } {
  const sans: San[] = [];
  const others: { kind: string; text: string }[] = [];
  for (const value of readChildren(readDer(der))) {
    const { tag, content } = value;
    const kind = sanKinds.find((each) => generalNameTags[each] === tag);
    if (kind === undefined) others.push(readOtherName(value));
    else sans.push({ kind, value: kind === 'ip' ? formatIp(content) : content.toString('latin1') });
  }
  const otherKinds = [...new Set(others.map((other) => other.kind))];
  return { sans, otherKinds, others: others.map(({ kind, text }) => `${kind}:${text}`) };
}

export const generalNameTags: Readonly<Record<SanKind, number>> = {
  email: 0x81,
  dns: 0x82,
  uri: 0x86,
  ip: 0x87,
};

const otherNameKinds: Record<number, string> = {
  160: 'otherName',
  163: 'x400Address',
  164: 'directoryName',
  165: 'ediPartyName',
  136: 'registeredID',
};

/** The conversions below would drop such a character, so that the certificate had another name than the one typed. */
function refuseControlCharacters(text: string): void {
  const character = controlCharacterIn(text);
  if (character !== undefined) throw impossible(`it contains the control character ${character}`);
}

/** Prints a name of another kind; as hex where it is not of the usual form, which peers ignore. */
function readOtherName(value: DerValue): { kind: string; text: string } {
  const kind = otherNameKinds[value.tag] ?? `tag 0x${value.tag.toString(16)}`;
  try {
    return { kind, text: printOtherName(kind, value) };
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return { kind, text: `#${value.content.toString('hex')}` };
  }
}

function printOtherName(kind: string, value: DerValue): string {
  if (kind === 'directoryName') return formatName(readName(readDer(value.content)));
  if (kind === 'registeredID') return readOid({ ...value, tag: tags.oid });
  if (kind !== 'otherName') return `#${value.content.toString('hex')}`;
  const [id, inner] = readChildren(value, value.tag);
  return `${readOid(id)}=${readString(readChildren(inner, 0xa0)[0])}`;
}

function dnsName(text: string): string {
  if (isIP(text)) throw impossible('it is an IP address', `ip:${text}`);
  const host = hostOf(text);
  if (host !== undefined) throw impossible('it is more than a host name', formatSan(host));
  const wildcard = text.startsWith('*.');
  const plain = wildcard ? text.slice(2) : text;
  if (plain.includes('*'))
    throw impossible('a wildcard stands only for the whole first label', 'dns:*.example.com');
  if (plain.endsWith('.'))
    throw impossible('a name in a certificate has no dot at its end', `dns:${text.slice(0, -1)}`);
  // Convert only names with other characters than ASCII: domainToASCII would also turn 0x7f.1 into 127.0.0.1.
  // Keep the case: peers ignore it, but nats-server maps a client by the exact text.
  const name = /^[\x20-\x7e]*$/.test(plain) ? plain : domainToASCII(plain);
  if (name === '') throw impossible(plain === '' ? 'it is empty' : 'it is not a domain name');
  if (name.length + (wildcard ? 2 : 0) > 253)
    throw impossible(`it has ${name.length} characters, DNS allows 253`);
  const labels = name.split('.');
  for (const label of labels) {
    if (label.length > 63) throw impossible(`a label has ${label.length} characters, DNS allows 63`);
    // Underscores are common in container networks, and both Go and OpenSSL match them.
    if (!/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/i.test(label))
      throw impossible(`"${label}" is not a label of a domain name`);
  }
  if (/^\d+$/.test(labels.at(-1) as string))
    throw impossible('a name that ends in a number reads as an IP address');
  if (wildcard && labels.length < 2) {
    throw impossible(
      'OpenSSL and Node match no wildcard right below a top-level domain',
      `dns:*.nats.${name}`,
    );
  }
  return (wildcard ? '*.' : '') + name;
}

function ipAddress(text: string): string {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  if (bare.includes('/'))
    throw impossible('it is a network, expected one address', `ip:${bare.split('/')[0]}`);
  if (bare.includes('%')) throw impossible('a zone means nothing to other hosts', `ip:${bare.split('%')[0]}`);
  if (!isIP(bare)) {
    throw impossible('it is not an IP address', isHost(text) && !isIP(text) ? `dns:${text}` : undefined);
  }
  const address = isIP(bare) === 6 ? compressed(bare) : bare;
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(address);
  if (mapped !== null) {
    const octets = [mapped[1], mapped[2]].flatMap((group) => {
      const number = Number.parseInt(group as string, 16);
      return [number >> 8, number & 0xff];
    });
    throw impossible('peers check an IPv4 address in its own form', `ip:${octets.join('.')}`);
  }
  if (address === '0.0.0.0' || address === '::') {
    throw impossible(
      'it stands for every address of a listener, expected one that clients dial',
      'ip:127.0.0.1',
    );
  }
  return address;
}

function emailAddress(text: string): string {
  const inBrackets = /<([^<>]+)>\s*$/.exec(text)?.[1];
  if (inBrackets !== undefined) throw impossible('it is more than an address', `email:${inBrackets}`);
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  if (at < 0) throw impossible('it has no @', `email:${text}@example.com`);
  if (!/^[\x21-\x7e]+$/.test(local) || /[()<>,;:\\"[\]@]/.test(local) || /^\.|\.$|\.\./.test(local)) {
    throw impossible('the part before the @ is not one of an address');
  }
  if (local.length > 64)
    throw impossible(`the part before the @ has ${local.length} characters, SMTP allows 64`);
  const domain = text.slice(at + 1);
  if (domain.startsWith('*')) throw impossible('an address has no wildcard');
  try {
    return `${local}@${dnsName(domain)}`;
  } catch {
    throw impossible('the part after the @ is not a domain name');
  }
}

function uri(text: string): string {
  // RFC 5280 section 4.2.1.6: absolute, with a scheme, and in ASCII.
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:./.test(text)) throw impossible('it has no scheme', `uri:spiffe://${text}`);
  if (!/^[\x21-\x7e]+$/.test(text) || /[<>"{}|\\^`]/.test(text)) {
    throw impossible('it has characters that a URI writes as %XX');
  }
  if (!URL.canParse(text)) throw impossible('it is not a URI');
  return text;
}

/** Returns the host in a URL or in a text with a port; undefined when there is none. */
function hostOf(text: string): San | undefined {
  const host = /^(?:[a-z]+:\/\/)?(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+)(?::\d+)?(?:\/.*)?$/i.exec(text)?.[1];
  return host !== undefined && host !== text && isHost(host) ? sanOfHost(host) : undefined;
}

/** The reason why a name is impossible; the caller adds the text that the user typed. */
class ImpossibleName extends Error {
  /** The name that the user may have meant, as formatSan prints it. */
  readonly better: string | undefined;

  constructor(why: string, better?: string) {
    super(why);
    this.better = better;
  }
}

function impossible(why: string, better?: string): ImpossibleName {
  return new ImpossibleName(why, better);
}

/** Returns the error for the text that the user typed; passes on any error other than ImpossibleName. */
function refusal(error: unknown, what: string, hint: (better: string) => string): unknown {
  if (!(error instanceof ImpossibleName)) return error;
  const { message, better } = error;
  const options = better === undefined ? {} : { hint: hint(better) };
  return new NatspkiError('impossible-san', `impossible ${what}: ${message}`, { ...options, exitCode: 2 });
}

function formatIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new DerError('an IP address has 4 or 16 bytes');
  return compressed((bytes.toString('hex').match(/.{4}/g) ?? []).join(':'));
}

/** Formats an IPv6 address as RFC 5952 requires. */
function compressed(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/**
 * Returns the version of an IP address, or 0 for any other text, exactly as Node's own isIP does. Node's takes 4 ms on
 * its first call, to compile an expression of a thousand characters for IPv6. The URL parser knows these addresses too,
 * except those with a zone.
 */
export function isIP(text: string): 0 | 4 | 6 {
  if (text.includes('%')) return isIPv6(text) ? 6 : 0;
  if (text.includes(':')) return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`) ? 6 : 0;
  return /^[\d.]+$/.test(text) && isIPv4(text) ? 4 : 0;
}
