// The attributes of subjects beside their common name: checks those that a user gives, and finds those that a successor keeps.
import { UsageError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { controlCharacterIn } from '../../x509/control-character.ts';
import { type SubjectAttributes, subjectTypes } from '../../x509/distinguished-name.ts';

/** The longest value, as RFC 5280 appendix A limits most of them. */
const maximumLength = 64;

/** Throws a UsageError unless all values can be in a subject. */
export function checkSubject(subject: SubjectAttributes): void {
  for (const [type, value] of Object.entries(subject)) {
    const flag = `--subject-${type.toLowerCase()}`;
    const character = controlCharacterIn(value);
    if (character !== undefined)
      throw new UsageError(`${flag} "${value}" contains the control character ${character}`);
    if (type === 'C' && !isCountry(value))
      throw new UsageError(`${flag} is "${value}", expected two capital letters`, `${flag} CH`);
    if (!hasLength(value))
      throw new UsageError(`${flag} has ${[...value].length} characters, expected 1 to ${maximumLength}`);
  }
}

/** Returns the attributes of an authority that its successor keeps: the first of each type, without those that checkSubject rejects. */
export function keptSubject({ subject }: Certificate): SubjectAttributes {
  return Object.fromEntries(
    subjectTypes.flatMap((wanted) => {
      const value = subject.find(({ type }) => type === wanted)?.value;
      const isUsable =
        value !== undefined &&
        controlCharacterIn(value) === undefined &&
        hasLength(value) &&
        (wanted !== 'C' || isCountry(value));
      return isUsable ? [[wanted, value]] : [];
    }),
  );
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

function isCountry(value: string): boolean {
  return /^[A-Z]{2}$/.test(value);
}

function hasLength(value: string): boolean {
  return value !== '' && [...value].length <= maximumLength;
}
