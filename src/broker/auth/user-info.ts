// The permissions in the answer to a user info request, in nats-server's format (client.go, publicPermissions).
import type { PermissionRules, SubjectRule, SubjectRules } from '../../subjects/permissions.ts';

/** Returns undefined for an unrestricted user. */
export function publicPermissions(rules: PermissionRules | undefined): object | undefined {
  if (rules === undefined) return undefined;
  const { publish, subscribe, responses } = rules;
  return {
    publish: describe(publish),
    subscribe: describe(subscribe),
    responses: responses && {
      max: Number.isFinite(responses.max) ? responses.max : -1,
      ttl: Number.isFinite(responses.expiresMs) ? responses.expiresMs * 1e6 : -1,
    },
  };
}

function describe({ allow, deny }: SubjectRules): object {
  return {
    allow: allow === undefined || allow.length === 0 ? undefined : allow.map(print),
    deny: deny.length === 0 ? undefined : deny.map(print),
  };
}

function print({ subject, queue }: SubjectRule): string {
  return queue === undefined ? subject : `${subject} ${queue}`;
}
