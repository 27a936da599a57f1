// Compares distinguished names with user names as nats-server does (server/auth.go, checkClientTLSCertSubject): in the
// form in which Go prints a subject, and as an LDAP name whose parts may be in any order.

import { readChildren, readDer, readOid, tags } from '../x509/der.ts';
import { readString } from '../x509/distinguished-name.ts';

/** An attribute such as `CN=alice`: the type is an object identifier, the value is decoded. */
export interface Attribute {
  readonly type: string;
  readonly value: string;
}

/** The parts in the order of the certificate; each has one attribute, rarely more. */
export type DistinguishedName = readonly (readonly Attribute[])[];

const domainComponent = '0.9.2342.19200300.100.1.25';
const commonName = '2.5.4.3';

/** The types that Go has names for, in the order in which it prints them (crypto/x509/pkix, Name). */
const goTypes: ReadonlyMap<string, string> = new Map([
  ['2.5.4.5', 'SERIALNUMBER'],
  [commonName, 'CN'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.10', 'O'],
  ['2.5.4.17', 'POSTALCODE'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.6', 'C'],
]);

/** The types of nats-server's LDAP names (internal/ldap/dn.go). */
const ldapTypes: ReadonlyMap<string, string> = new Map([...goTypes, [domainComponent, 'DC']]);

/** Reads a DER Name; throws DerError. */
export function readDistinguishedName(der: Buffer): DistinguishedName {
  return readChildren(readDer(der)).map((part) =>
    readChildren(part, tags.set).map((attribute) => {
      const [type, value] = readChildren(attribute);
      return { type: readOid(type), value: readString(value) };
    }),
  );
}

/** Prints a name as Go's pkix.Name does, without the types that it has no field for: `CN=alice,OU=NATS,O=Example`. */
export function formatAsGo(name: DistinguishedName): string {
  const parts: string[] = [];
  for (const [type, label] of goTypes) {
    const values = valuesOf(name, type);
    // Of these two types Go keeps only the last value; several values of another type become one part.
    const kept = label === 'CN' || label === 'SERIALNUMBER' ? values.slice(-1) : values;
    if (kept.length > 0) parts.push(kept.map((value) => `${label}=${escapeAsGo(value)}`).join('+'));
  }
  return parts.join(',');
}

/** Prints the domain components as `DC=example,DC=com`, unescaped as in nats-server; empty if there are none. */
export function formatDomainComponents(name: DistinguishedName): string {
  return valuesOf(name, domainComponent)
    .map((value) => `DC=${value}`)
    .join(',');
}

/** Returns the common name if there is exactly one. */
export function soleCommonName(name: DistinguishedName): string | undefined {
  const [only, ...others] = valuesOf(name, commonName);
  return others.length === 0 ? only : undefined;
}

/** A name in comparable form: each part is a text of its sorted attributes. */
export type ComparableName = readonly string[];

/** Converts a name to comparable form; undefined for an empty name, or a type that nats-server's LDAP names lack. */
export function comparable(name: DistinguishedName): ComparableName | undefined {
  const parts = name
    .filter((part) => part.length > 0)
    .map((part) => part.map(({ type, value }) => ({ type: ldapTypes.get(type), value })));
  if (parts.length === 0 || parts.flat().some(({ type }) => type === undefined)) return undefined;
  // A certificate starts with the country, an LDAP name with the common name.
  return parts.map((part) => joinPart(part as { type: string; value: string }[])).reverse();
}

/** Parses an LDAP name (RFC 4514), such as a user name; undefined for anything else. */
export function parseName(text: string): ComparableName | undefined {
  const parts: string[] = [];
  let part: { type: string; value: string }[] = [];
  // Escapes represent bytes, so the text is processed as its UTF-8 bytes.
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  const attribute = / *([A-Za-z][\w.-]*|[\d.]+) *=((?:[^\\,+]|\\[ "#+,;<=>\\]|\\[0-9A-Fa-f]{2})*)([,+]|$)/y;
  for (;;) {
    const [, type, value, separator] = attribute.exec(bytes) ?? [];
    if (type === undefined || value === undefined || /^ *#/.test(value)) return undefined;
    part.push({ type, value: unescapeValue(value) });
    if (separator !== '+') {
      parts.push(joinPart(part));
      part = [];
    }
    if (separator === '') return parts;
  }
}

/** Returns whether two names are equal, with their parts in the same order or, if `anyOrder`, in any order. */
export function isSameName(a: ComparableName, b: ComparableName, anyOrder: boolean): boolean {
  if (a.length !== b.length) return false;
  if (!anyOrder) return a.every((part, index) => part === b[index]);
  const left = [...a].sort();
  const right = [...b].sort();
  return left.every((part, index) => part === right[index]);
}

function valuesOf(name: DistinguishedName, wanted: string): string[] {
  return name.flat().flatMap(({ type, value }) => (type === wanted ? [value] : []));
}

function joinPart(attributes: readonly { type: string; value: string }[]): string {
  // As JSON, so that no value can be mistaken for two attributes.
  return JSON.stringify(attributes.map(({ type, value }) => `${type.toLowerCase()}=${value}`).sort());
}

function escapeAsGo(value: string): string {
  return value.replace(/[,+"\\<>;]|^[ #]| $/g, '\\$&');
}

function unescapeValue(escaped: string): string {
  const trimmed = escaped.replace(/^ +/, '').replace(/(\\.)? *$/s, '$1');
  const bytes = trimmed.replace(/\\([0-9A-Fa-f]{2})|\\(.)/gs, (_all, hex?: string, plain?: string) =>
    hex === undefined ? (plain as string) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
