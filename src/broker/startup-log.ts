// What a broker logs once: its identity, and warnings about its options.
import { type Logger, quote } from '../log.ts';
import { requestsCertificates } from '../tls/block.ts';
import type { ServerFacts } from './clients/info.ts';
import type { BrokerOptions } from './options/options.ts';
import { isBcrypt } from './options/password.ts';

/** Logs the identity of the broker and warns about unwise options. */
export function logServer(options: BrokerOptions, facts: ServerFacts, logger: Logger): void {
  logger.info('Starting natspki, a NATS broker (not nats-server)');
  logger.info(`  Version:  ${facts.version}`);
  logger.info(`  Node:     ${process.versions.node}`);
  logger.info(`  Name:     ${facts.name}`);
  logger.info(`  ID:       ${facts.id}`);
  const { single, users } = options.auth;
  const passwords = [single, ...(users ?? [])].map((user) => user?.password ?? '');
  if (passwords.some((password) => password !== '' && !isBcrypt(password))) {
    logger.warn('Plaintext passwords detected, use client certificates and verify_and_map, nkeys or bcrypt');
  }
  if (options.maxPayload > 8 * 1024 * 1024) {
    logger.warn('Maximum payloads over 8.00 MB are generally discouraged and could lead to poor performance');
  }
  warnOfUnusedLists(options, logger);
}

/** Warns of `--crl` where no peer is asked for a certificate. */
function warnOfUnusedLists({ crl, tls, cluster }: BrokerOptions, logger: Logger): void {
  const blocks = [tls, cluster?.tls];
  if (crl.length > 0 && !blocks.some((block) => block !== undefined && requestsCertificates(block))) {
    logger.warn('--crl has no effect: no tls block requests certificates, use verify: true');
  }
}

/** Logs whether clients connect over TLS. */
export function logClientTls({ tls, allowNonTls }: BrokerOptions, logger: Logger): void {
  if (tls === undefined) return;
  const only = tls.handshakeFirst !== undefined && tls.handshakeFirst.fallbackMs === undefined;
  const how = allowNonTls && !only ? 'available' : 'required';
  logger.info(`TLS ${how} for client connections`);
  if (only) {
    logger.warn('Clients that are not using "TLS Handshake First" option will fail to connect');
  }
}

/** Returns a function that warns of the first user that only the common name of a certificate names. */
export function commonNameWarning(logger: Logger): (user: string) => void {
  let hasWarned = false;
  return (user) => {
    if (hasWarned) return;
    hasWarned = true;
    logger.warn(
      `User ${quote(user)} is found by the common name of a client certificate alone, which nats-server rejects; \`natspki broker --no-common-name\` rejects it too`,
    );
  };
}
