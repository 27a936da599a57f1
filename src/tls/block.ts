// Reads a tls {} block from a configuration into a value, and reports every problem with its position. Opens no file.

import { resolve } from 'node:path';
import type { ConfProblem } from '../conf/error.ts';
import { MapReader } from '../conf/reader.ts';
import type { ArrayValue, MapValue } from '../conf/value.ts';
import { longestTimerMs, parseGoDuration } from '../duration.ts';
import type { OcspPolicy } from '../revocation/ocsp-policy.ts';
import type { Pin } from '../x509/pin.ts';
import { readCipherSuites, readCurves, readMinVersion, readPins } from './block-parameters.ts';
import type { TlsVersion } from './ciphers.ts';
import { readOcspPeer } from './ocsp-options.ts';

/** The block that contains a tls {}; `client` is the top level of the file. */
export type TlsContext = 'client' | 'cluster' | 'gateway' | 'leafnodes' | 'websocket' | 'mqtt' | 'monitor';

/** A certificate file (leaf first, then intermediates) and the file of its private key. */
export interface CertificatePair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Every option of a tls block, with defaults filled in. Names are nats-server's (server/opts.go, parseTLS). */
export interface TlsBlock {
  /** cert_file with key_file, or every entry of `certificates`; empty for a block without certificates. */
  readonly pairs: readonly CertificatePair[];
  readonly caFile: string | undefined;
  /** Also true with verify_and_map, and always in a cluster or gateway block. */
  readonly verify: boolean;
  /** Requests a certificate without requiring one; verifies the certificate of a client that has one. */
  readonly verifyOptional: boolean;
  readonly verifyAndMap: boolean;
  /** Accepts only servers whose certificate has the host of a configured route as a DNS name. */
  readonly verifyKnownUrls: boolean;
  /** Skips the verification of servers on outgoing connections; never that of incoming ones. */
  readonly insecure: boolean;
  readonly allowInsecureCipherSuites: boolean;
  /** Go names; undefined for all secure suites. */
  readonly cipherSuites: readonly string[] | undefined;
  /** Go names, in order of preference; undefined for OpenSSL's order. */
  readonly curvePreferences: readonly string[] | undefined;
  readonly minVersion: TlsVersion;
  /** Timeout of a handshake, in milliseconds. */
  readonly timeoutMs: number;
  /** Handshakes that may start per second; undefined for no limit. */
  readonly connectionRateLimit: number | undefined;
  /** Handshake bytes per second (the option rate_limit); undefined for no limit. */
  readonly rateLimit: number | undefined;
  /** Undefined: INFO first. Otherwise TLS first, and INFO after `fallbackMs` of silence (undefined: never). */
  readonly handshakeFirst: HandshakeFirst | undefined;
  /** Undefined: no pinning. */
  readonly pinnedCerts: ReadonlySet<Pin> | undefined;
  /** How OCSP responders are asked about the certificates of clients; undefined when they are not asked. */
  readonly ocspPeer: OcspPolicy | undefined;
}

export interface HandshakeFirst {
  readonly fallbackMs: number | undefined;
}

/** The value of an empty block: nats-server's defaults (server/const.go). */
export const defaultTlsBlock: TlsBlock = {
  pairs: [],
  caFile: undefined,
  verify: false,
  verifyOptional: false,
  verifyAndMap: false,
  verifyKnownUrls: false,
  insecure: false,
  allowInsecureCipherSuites: false,
  cipherSuites: undefined,
  curvePreferences: undefined,
  minVersion: '1.2',
  timeoutMs: 2000,
  connectionRateLimit: undefined,
  rateLimit: undefined,
  handshakeFirst: undefined,
  pinnedCerts: undefined,
  ocspPeer: undefined,
};

/** Whether clients are asked for a certificate. */
export function requestsCertificates({ verify, verifyOptional }: TlsBlock): boolean {
  return verify || verifyOptional;
}

/** Milliseconds that `handshake_first: auto` waits for the client (nats-server, server/const.go). */
export const automaticFallbackMs = 50;

/** Options that nats-server supports and this broker does not. */
const unsupported = [
  'cert_store',
  'cert_match_by',
  'cert_match',
  'cert_match_skip_invalid',
  'ca_certs_match',
];

/**
 * Reads a tls block; adds its problems to `problems`, with their positions, and reads the rest regardless.
 * @param baseDirectory folder of relative file names; the working directory (as in nats-server) when absent
 */
export function readTlsBlock(
  map: MapValue,
  problems: ConfProblem[],
  context: TlsContext,
  baseDirectory?: string,
): TlsBlock {
  const where = context === 'client' || context === 'monitor' ? 'tls' : `${context}.tls`;
  const reader = new MapReader(map, problems, where);
  const path = (file: string) => (baseDirectory === undefined ? file : resolve(baseDirectory, file));
  const isPeering = context === 'cluster' || context === 'gateway';
  const verifyAndMap = reader.boolean('verify_and_map') ?? false;
  const verifyKnownUrls = readVerifyKnownUrls(reader, isPeering);
  const verify = readVerify(reader, verifyAndMap || verifyKnownUrls);
  const caFile = reader.string('ca_file') || undefined;
  const block: TlsBlock = {
    pairs: readPairs(reader, problems, where).map(({ certFile, keyFile }) => ({
      certFile: path(certFile),
      keyFile: path(keyFile),
    })),
    caFile: caFile === undefined ? undefined : path(caFile),
    verify: verify === true || verifyAndMap || isPeering,
    verifyOptional: verify === 'optional' && !verifyAndMap && !isPeering,
    verifyAndMap,
    verifyKnownUrls,
    insecure: readInsecure(reader, isPeering),
    allowInsecureCipherSuites: reader.boolean('allow_insecure_cipher_suites') ?? false,
    cipherSuites: readCipherSuites(reader),
    curvePreferences: readCurves(reader),
    minVersion: readMinVersion(reader) ?? defaultTlsBlock.minVersion,
    timeoutMs: positive(reader, 'timeout', reader.durationMs('timeout')) ?? defaultTlsBlock.timeoutMs,
    connectionRateLimit: readConnectionRateLimit(reader),
    rateLimit: readRateLimit(reader),
    handshakeFirst: readHandshakeFirst(reader),
    pinnedCerts: readPins(reader),
    ocspPeer: readOcspPeer(reader, problems, context, verify === true || verifyAndMap || isPeering),
  };
  warnOfAccess(reader, block);
  refuseUnsupported(reader, where);
  reader.finish();
  return block;
}

function readPairs(reader: MapReader, problems: ConfProblem[], where: string): CertificatePair[] {
  const certFile = reader.string('cert_file') || undefined;
  const keyFile = reader.string('key_file') || undefined;
  const certificates = reader.array('certificates', 'certs');
  if (certificates !== undefined && certificates.items.length > 0) {
    if (certFile !== undefined || keyFile !== undefined) {
      reader.error(
        reader.position('certificates', 'certs'),
        `"certificates" in ${where} cannot be combined with "cert_file" and "key_file"`,
        'make the pair another entry of certificates',
      );
    }
    return readCertificates(reader, certificates, problems, `${where}.certificates`);
  }
  if (certFile !== undefined && keyFile !== undefined) return [{ certFile, keyFile }];
  if (certFile !== undefined) {
    reader.error(reader.position('cert_file'), `"cert_file" in ${where} needs "key_file" beside it`);
  }
  if (keyFile !== undefined) {
    reader.error(reader.position('key_file'), `"key_file" in ${where} needs "cert_file" beside it`);
  }
  return [];
}

function readCertificates(
  reader: MapReader,
  certificates: ArrayValue,
  problems: ConfProblem[],
  where: string,
): CertificatePair[] {
  return certificates.items.flatMap((item) => {
    if (item.kind !== 'map') {
      reader.error(item.position, `an entry of ${where} must be a block with "cert_file" and "key_file"`);
      return [];
    }
    const entry = new MapReader(item, problems, where);
    const certFile = entry.string('cert_file');
    const keyFile = entry.string('key_file');
    if (!entry.has('cert_file') || !entry.has('key_file')) {
      entry.error(item.position, `an entry of ${where} needs both "cert_file" and "key_file"`);
    }
    entry.finish();
    return certFile === undefined || keyFile === undefined ? [] : [{ certFile, keyFile }];
  });
}

/** Reads verify. @param isRequired whether another option requires client certificates */
function readVerify(reader: MapReader, isRequired: boolean): boolean | 'optional' | undefined {
  const found = reader.value('verify');
  if (found === undefined || found.kind === 'boolean') return found?.value;
  if (found.kind !== 'string' || found.value.toLowerCase() !== 'optional') {
    reader.error(found.position, '"verify" must be true, false or "optional"');
    return undefined;
  }
  if (isRequired) {
    reader.error(
      found.position,
      '"verify: optional" contradicts an option that requires client certificates',
      'use verify: true, or remove verify_and_map and verify_cert_and_check_known_urls',
    );
  }
  return 'optional';
}

/** Reads verify_cert_and_check_known_urls, which needs configured route or gateway URLs to compare with. */
function readVerifyKnownUrls(reader: MapReader, isPeering: boolean): boolean {
  const option = 'verify_cert_and_check_known_urls';
  const isAsked = reader.boolean(option) ?? false;
  if (isAsked && !isPeering) {
    reader.error(
      reader.position(option),
      `"${option}" works in cluster and gateway blocks only`,
      'use verify: true',
    );
  }
  return isAsked && isPeering;
}

function readInsecure(reader: MapReader, isPeering: boolean): boolean {
  const insecure = reader.boolean('insecure') ?? false;
  if (insecure) {
    reader.warning(
      reader.position('insecure'),
      isPeering
        ? '"insecure" turns off the verification of remote servers: an attacker on the path can read all traffic'
        : '"insecure" has no effect here: it is for outgoing connections, and "verify" decides how clients are verified',
      'remove it',
      'skipped-verification',
    );
  }
  return insecure;
}

function readConnectionRateLimit(reader: MapReader): number | undefined {
  const limit = reader.integer('connection_rate_limit');
  // In nats-server zero and negative numbers mean no limit.
  return limit !== undefined && limit > 0 ? limit : undefined;
}

function readRateLimit(reader: MapReader): number | undefined {
  const limit = positive(reader, 'rate_limit', reader.integer('rate_limit'));
  if (limit !== undefined) {
    reader.warning(
      reader.position('rate_limit'),
      'nats-server does not support "rate_limit" and rejects the configuration',
      'use connection_rate_limit, in handshakes per second, if nats-server also reads this file',
      'nats-server-refuses',
    );
  }
  return limit;
}

function readHandshakeFirst(reader: MapReader): HandshakeFirst | undefined {
  const aliases = ['first', 'immediate'];
  const found = reader.value('handshake_first', ...aliases);
  const fallbackMs = positive(
    reader,
    'handshake_first_fallback',
    reader.durationMs('handshake_first_fallback'),
  );
  if (reader.has('handshake_first_fallback')) {
    reader.warning(
      reader.position('handshake_first_fallback'),
      'nats-server does not support "handshake_first_fallback" and rejects the configuration',
      'write the duration as the value of handshake_first if nats-server also reads this file',
      'nats-server-refuses',
    );
  }
  if (found === undefined) return undefined;
  if (found.kind === 'boolean') return found.value ? { fallbackMs } : undefined;
  const text = found.kind === 'string' ? found.value.toLowerCase() : '';
  if (text === 'true' || text === 'on') return { fallbackMs };
  if (text === 'false' || text === 'off') return undefined;
  if (text === 'auto' || text === 'auto_fallback') return { fallbackMs: fallbackMs ?? automaticFallbackMs };
  const duration = parseGoDuration(text);
  if (duration === undefined || duration < 0) {
    reader.error(
      found.position,
      '"handshake_first" must be true, false, "auto" or a duration',
      'write "auto" or a duration such as "300ms"',
    );
    return undefined;
  }
  return { fallbackMs: fallbackMs ?? (duration > 0 ? Math.min(duration, longestTimerMs) : undefined) };
}

/** Reports a negative number; returns undefined for zero, which means the default, as in nats-server. */
function positive(reader: MapReader, option: string, value: number | undefined): number | undefined {
  if (value !== undefined && value < 0) {
    reader.error(reader.position(option), `"${option}" cannot be negative`);
    return undefined;
  }
  return value === 0 ? undefined : value;
}

/** Warns when the block accepts too many clients, or none. */
function warnOfAccess(reader: MapReader, block: TlsBlock): void {
  if (requestsCertificates(block) && block.caFile === undefined) {
    reader.warning(
      reader.position('verify', 'verify_and_map'),
      'without "ca_file" a client certificate of any authority that this system trusts is accepted',
      'set ca_file to the file of your own authority',
      'system-authorities',
    );
  }
  if (block.pinnedCerts !== undefined && !requestsCertificates(block)) {
    reader.warning(
      reader.position('pinned_certs'),
      'no client can connect: "pinned_certs" without "verify: true" rejects clients that were not asked for a certificate',
      'add verify: true',
      'pins-without-verify',
    );
  }
}

function refuseUnsupported(reader: MapReader, where: string): void {
  for (const option of unsupported) {
    const found = reader.value(option);
    if (found === undefined || (found.kind === 'boolean' && !found.value)) continue;
    reader.error(
      found.position,
      `"${option}" in ${where} is not supported by the bundled broker`,
      'remove it, or run this configuration on nats-server',
    );
  }
}
