// Passwords and tokens as they are stored in the configuration: in plain text, or as bcrypt hashes.
import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether nats-server takes the secret for a bcrypt hash rather than plain text (auth.go, isBcrypt). */
export function isBcrypt(secret: string): boolean {
  return /^\$2[abxy]\$\d{2}\$/.test(secret);
}

/** The cost of a bcrypt hash; undefined if the hash is malformed, so that no password can match it. */
export function bcryptCost(hash: string): number | undefined {
  const cost = Number(/^\$2[abxy]\$(\d{2})\$[./A-Za-z0-9]{53}/.exec(hash)?.[1] ?? 0);
  return cost >= 4 && cost <= 31 ? cost : undefined;
}

/** Compares in a time that reveals nothing about either secret. */
export function sameSecret(expected: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}

/** Lists the secrets that are stored in plain text. */
export function plaintextSecrets({
  single,
  token,
  users = [],
}: {
  readonly single: { readonly password: string | undefined } | undefined;
  readonly token: string | undefined;
  readonly users: readonly { readonly password: string | undefined }[] | undefined;
}): string[] {
  const secrets = [single?.password, token, ...users.map(({ password }) => password)];
  return secrets.filter((secret) => secret !== undefined && secret !== '' && !isBcrypt(secret)) as string[];
}
