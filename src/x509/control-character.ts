// Finds characters that names in certificates must not have, because no reader sees them.

/** Control and format characters and line separators; not the joiners, which some scripts need in domain names (RFC 5892). */
const unseen = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** Returns the first control character of a text as `U+000A`; undefined when there is none. */
export function controlCharacterIn(text: string): string | undefined {
  const point = unseen.exec(text)?.[0].codePointAt(0);
  return point === undefined ? undefined : `U+${point.toString(16).toUpperCase().padStart(4, '0')}`;
}
