// The names in a certificate: subject alternative names of the four kinds NATS uses, and what makes one impossible.

export const sanKinds = ['dns', 'ip', 'email', 'uri'] as const;
export type SanKind = (typeof sanKinds)[number];
export interface San {
  readonly kind: SanKind;
  readonly value: string;
}

/** Reads `dns:X`, `ip:X`, `email:X` or `uri:X`; throws `impossible-san` with a hint for a name no peer could match. */
export function parseSan(_text: string): San {
  throw new Error('not yet');
}

/** Reads a host as a user types it, a DNS name or an IP address. */
export function sanOfHost(_host: string): San {
  throw new Error('not yet');
}

/** Prints a name as parseSan reads it. */
export function formatSan(san: San): string {
  return `${san.kind}:${san.value}`;
}
