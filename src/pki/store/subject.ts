// The attributes of subjects beside their common name: checks those that a user gives, and finds those that a successor
// keeps.
import { UsageError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { controlCharacterIn } from '../../x509/control-character.ts';
import { type SubjectAttributes, subjectTypes } from '../../x509/distinguished-name.ts';

/** The longest value, as RFC 5280 appendix A limits most of them. */
const maximumLength = 64;

/** Throws a UsageError unless all values can be in a subject. */
export function checkSubject(subject: SubjectAttributes): void {
  for (const [type, value] of Object.entries(subject)) {
    const fault = faultOf(type, value);
    if (fault !== undefined)
      throw new UsageError(`--subject-${type.toLowerCase()} ${fault.what}`, fault.hint);
  }
}

/**
 * Returns the attributes of an authority that its successor keeps: the first of each type, without values that checkSubject
 * rejects.
 */
export function keptSubject({ subject }: Certificate): SubjectAttributes {
  return Object.fromEntries(
    subjectTypes.flatMap((wanted) => {
      const value = subject.find(({ type }) => type === wanted)?.value;
      return value === undefined || faultOf(wanted, value) !== undefined ? [] : [[wanted, value]];
    }),
  );
}

/** Returns why a value cannot be in a subject; undefined when it can. */
function faultOf(type: string, value: string): { what: string; hint?: string } | undefined {
  const character = controlCharacterIn(value);
  if (character !== undefined) return { what: `"${value}" contains the control character ${character}` };
  if (type === 'C' && !/^[A-Z]{2}$/.test(value))
    return { what: `is "${value}", expected two capital letters`, hint: '--subject-c CH' };
  const { length } = [...value];
  if (length >= 1 && length <= maximumLength) return undefined;
  return { what: `has ${length} characters, expected 1 to ${maximumLength}` };
}

/** Encodes the whole subject with a common name, as DER; undefined where the common name stands alone. */
export async function encodeWholeSubject(
  subject: SubjectAttributes,
  commonName: string,
): Promise<Buffer | undefined> {
  if (Object.keys(subject).length === 0) return undefined;
  const { encodeSubject } = await import('../../x509/sign.ts');
  return encodeSubject(subject, commonName);
}
