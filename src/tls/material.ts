// Loads the files of a tls block as verified material, all or nothing; reads each file once.

import { createHash } from 'node:crypto';
import { readRegularFile } from '../files/files.ts';
import type { Certificate } from '../x509/certificate.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { formatSan, type San } from '../x509/name.ts';
import type { Pin } from '../x509/pin.ts';
import { requestsCertificates, type TlsBlock } from './block.ts';
import { ChainVerifier } from './chain-verifier.ts';
import { Contexts } from './contexts.ts';
import { type FileWarning, verifyPair, warningsOfAuthority, warningsOfPair } from './pair.ts';
import { readTrusted } from './server-files.ts';
import { systemTrust } from './system-trust.ts';

/** The properties of a certificate in use, for logs, checks and monitoring. */
export interface CertificateFacts {
  readonly certFile: string;
  readonly subject: string;
  readonly issuer: string;
  /** Each with its kind, `dns:localhost`. */
  readonly sans: readonly string[];
  /** Undefined where the extension is missing, which allows everything. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly pin: Pin;
  /** The OCSP responders that it names. */
  readonly ocspUrls: readonly string[];
}

/** Material that passed every check and that OpenSSL has accepted. */
export interface TlsMaterial {
  readonly block: TlsBlock;
  readonly contexts: Contexts;
  /** Judges the certificates of clients; undefined when the block requests none. */
  readonly clientChains: ChainVerifier | undefined;
  readonly certificates: readonly CertificateFacts[];
  /** The chain of each of them, the leaf first. */
  readonly chains: readonly (readonly Certificate[])[];
  /** What stands behind the certificates in their files: a chain ends with its first certificate that expires. */
  readonly intermediates: readonly CertificateFacts[];
  /** The content of ca_file. */
  readonly authorities: readonly CertificateFacts[];
  /** Returns what a chain of a peer may end with: ca_file, or without one the authorities of the system. */
  readonly roots: () => readonly Certificate[];
  /** The subject alternative names of the certificates. */
  readonly names: readonly San[];
  /** The earliest expiry of a certificate in use; undefined without certificates. */
  readonly notAfter: Date | undefined;
  /** Problems that do not prevent the use of the material, such as an expired certificate. */
  readonly warnings: readonly FileWarning[];
  /** A digest of all files; differs when any byte differs. */
  readonly digest: string;
}

/** Lists the files of a block, each once. */
export function filesOf(block: TlsBlock): string[] {
  const files = block.pairs.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
  return [...new Set(block.caFile === undefined ? files : [...files, block.caFile])];
}

/** Material without warnings that was loaded before, by the content of its files and the options of its block. */
export type MaterialCache = Map<string, TlsMaterial>;

interface Loaded {
  /** Material of the same block: it is returned when no byte of the files has changed. */
  readonly inUse?: TlsMaterial | undefined;
  /** Where equal material is taken from, or put. It keeps private keys in memory. */
  readonly cache?: MaterialCache | undefined;
}

/** Reads and verifies the files of a block; throws a NatspkiError that names the file and the problem. */
export async function loadMaterial(
  block: TlsBlock,
  now: Date,
  { inUse, cache }: Loaded = {},
): Promise<TlsMaterial> {
  const names = filesOf(block);
  const contents = await readInOrder(names);
  const digest = digestOf(contents);
  if (inUse?.block === block && inUse.digest === digest) return inUse;
  const key = contentKey(block, digest);
  const equal = cache?.get(key);
  if (equal !== undefined) return withFilesOf(block, equal);
  const bytesOf = (file: string) => contents[names.indexOf(file)] as Buffer;
  const pairs = block.pairs.map((pair) => verifyPair(pair, bytesOf));
  const { caFile = '' } = block;
  const trusted = caFile === '' ? { authorities: [], skipped: [] } : readTrusted(bytesOf(caFile), caFile);
  const authorities = trusted.authorities.map(({ certificate }) => certificate);
  const trust = await trustOf(block, authorities);
  const material: TlsMaterial = {
    block,
    contexts: new Contexts(block, pairs, trust),
    clientChains: trust && new ChainVerifier(block.caFile === undefined ? trust : authorities),
    certificates: pairs.map(({ certFile, leaf }) => factsOf(leaf, certFile)),
    chains: pairs.map(({ chain }) => chain),
    intermediates: pairs.flatMap(({ certFile, chain }) =>
      chain.slice(1).map((certificate) => factsOf(certificate, certFile)),
    ),
    authorities: authorities.map((authority) => factsOf(authority, caFile)),
    roots: rootsOf(authorities, caFile === '' ? trust : undefined),
    names: pairs.flatMap(({ leaf }) => leaf.sans),
    notAfter: pairs.map(({ leaf }) => leaf.notAfter).sort((a, b) => a.getTime() - b.getTime())[0],
    warnings: [
      ...pairs.flatMap((pair) => warningsOfPair(pair, authorities, now)),
      ...trusted.skipped.map((one) => ({ code: 'skipped-block' as const, file: caFile, ...one })),
      ...trusted.authorities.flatMap((authority) => warningsOfAuthority(authority, caFile, now)),
    ],
    digest,
  };
  if (material.warnings.length === 0) cache?.set(key, material);
  return material;
}

/** Names everything that decides about material, except where its files are. */
function contentKey({ pairs, caFile, pinnedCerts: _, ...options }: TlsBlock, digest: string): string {
  return JSON.stringify({ ...options, pairs: pairs.length, hasAuthority: caFile !== undefined, digest });
}

/** Returns equal material under the names of other files. */
function withFilesOf(block: TlsBlock, equal: TlsMaterial): TlsMaterial {
  const { pairs, caFile = '' } = block;
  return {
    ...equal,
    block,
    intermediates: equal.intermediates.map((facts) => {
      const index = equal.block.pairs.findIndex(({ certFile }) => certFile === facts.certFile);
      return { ...facts, certFile: pairs[index]?.certFile ?? facts.certFile };
    }),
    certificates: equal.certificates.map((facts, index) => ({
      ...facts,
      certFile: pairs[index]?.certFile ?? facts.certFile,
    })),
    authorities: equal.authorities.map((facts) => ({ ...facts, certFile: caFile })),
  };
}

function digestOf(contents: readonly Buffer[]): string {
  const digest = createHash('sha256');
  for (const bytes of contents) digest.update(`${bytes.length} `).update(bytes);
  return digest.digest('hex');
}

/** Reads all files in parallel; of several failures, throws that of the first file in the given order. */
async function readInOrder(names: readonly string[]): Promise<Buffer[]> {
  const outcomes = await Promise.allSettled(names.map((name) => readRegularFile(name)));
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

function factsOf(certificate: Certificate, certFile: string): CertificateFacts {
  const { serial, notBefore, notAfter, pin, extendedKeyUsage } = certificate;
  return {
    certFile,
    serial,
    notBefore,
    notAfter,
    pin,
    extendedKeyUsage,
    subject: formatName(certificate.subject),
    issuer: formatName(certificate.issuer),
    sans: certificate.sans.map(formatSan),
    ocspUrls: certificate.addresses.ocsp,
  };
}

/** Returns the trusted authorities as PEM; undefined when clients are not verified. */
async function trustOf(block: TlsBlock, authorities: readonly Certificate[]): Promise<string[] | undefined> {
  if (!requestsCertificates(block)) return undefined;
  return block.caFile === undefined ? systemTrust() : authorities.map((authority) => authority.toPem());
}

/** Reads the authorities of the system only when they are asked for: there are more than a hundred. */
function rootsOf(
  authorities: readonly Certificate[],
  system: readonly string[] | undefined,
): () => readonly Certificate[] {
  let roots = system === undefined ? authorities : undefined;
  return () => {
    roots ??=
      system
        ?.flatMap((pem) => readTrusted(Buffer.from(pem), 'the authorities of the system').authorities)
        .map(({ certificate }) => certificate) ?? [];
    return roots;
  };
}
