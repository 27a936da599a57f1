// The subjects of the NATS service of an authority, and the permissions that they need.

export const serviceName = 'natspki';

/** The endpoints, by the name that `nats service info` shows. */
export const subjects = { trust: 'pki.trust', renew: 'pki.renew', revoked: 'pki.revoked' } as const;

/** The client pair that the service connects with, and the user that verify_and_map makes of it. */
export const serviceUser = 'authority';

/** The subjects by which a service is found (NATS ADR-32). */
const discovery = ['PING', 'INFO', 'STATS'].flatMap((verb) => [
  `$SRV.${verb}`,
  `$SRV.${verb}.${serviceName}`,
  `$SRV.${verb}.${serviceName}.*`,
]);

const list = (names: readonly string[]) => `[${names.map((name) => `"${name}"`).join(', ')}]`;

/** Returns blocks of nats.conf for the service and its members: as users of one account, and across accounts. */
export function permissionBlocks(): string {
  const all = Object.values(subjects);
  const own = [...all, ...discovery].map((subject) => `        "${subject}"`).join('\n');
  return `# For natspki serve --nats: the users of a server with verify_and_map.
authorization {
  users: [
    # The authority, which connects with ${serviceUser}-cert.pem.
    { user: "${serviceUser}", permissions: {
      subscribe: [
${own}
      ]
      allow_responses: { max: 1, expires: "1m" }
    } }
    # A member that only renews. Give others the same besides what they have.
    { user: "MEMBER", permissions: {
      publish: ${list(all)}
      subscribe: ["_INBOX.>"]
    } }
  ]
}

# With accounts: the account of the authority exports the service, each
# account of members imports it.
#   exports: [
${all.map((subject) => `#     { service: "${subject}" }`).join('\n')}
#   ]
#   imports: [
${all.map((subject) => `#     { service: { account: PKI, subject: "${subject}" } }`).join('\n')}
#   ]
`;
}
