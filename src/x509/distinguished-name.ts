// Reads and prints distinguished names: the subject and the issuer of a certificate.
import { DerError, type DerValue, readChildren, readOid, tags } from './der.ts';

/** An attribute of a distinguished name, `{ type: 'CN', value: 'n1' }`; an unknown type is an object identifier. */
export interface NameAttribute {
  readonly type: string;
  readonly value: string;
}

/** The longest common name (RFC 5280 appendix A, ub-common-name). */
export const maximumCommonName = 64;

/** The attributes of a subject beside its common name, in the order in which they are written. */
export const subjectTypes = ['C', 'ST', 'L', 'O', 'OU'] as const;
export type SubjectAttributes = Readonly<Partial<Record<(typeof subjectTypes)[number], string>>>;

/** Returns the attributes of a subject in the order of a certificate, the common name last. */
export function nameWith(attributes: SubjectAttributes, commonName: string): NameAttribute[] {
  const before = subjectTypes.flatMap((type) => {
    const value = attributes[type];
    return value === undefined ? [] : [{ type, value }];
  });
  return [...before, { type: 'CN', value: commonName }];
}

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

/** Reads a string of any type that a name may contain; other values become `#` and hex (RFC 2253 section 2.4). */
export function readString(value: DerValue | undefined): string {
  switch (value?.tag) {
    case tags.utf8String:
      return value.content.toString('utf8');
    case 0x1e: {
      // BMPString: UTF-16 with the high byte first.
      if (value.content.length % 2 !== 0) throw new DerError('incomplete character');
      return Buffer.from(value.content).swap16().toString('utf16le');
    }
    case 0x12: // NumericString, PrintableString, T61String, IA5String, VisibleString
    case 0x13:
    case 0x14:
    case 0x16:
    case 0x1a:
      return value.content.toString('latin1');
    default:
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
