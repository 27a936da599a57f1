// Builds the tls block that a command line requests, with files of a certificate folder, and checks it like a block that
// is read from a configuration.

import { readdirSync } from 'node:fs';
import type { ConfProblem } from '../conf/error.ts';
import { parseConf } from '../conf/parser.ts';
import { parseGoDuration } from '../duration.ts';
import { NatspkiError, UsageError } from '../errors.ts';
import { exists } from '../files/files.ts';
import { readChoice } from '../suggest.ts';
import { automaticFallbackMs, type HandshakeFirst, readTlsBlock, type TlsContext } from '../tls/block.ts';
import type { Pin } from '../x509/pin.ts';
import { printTlsBlock } from './block-printer.ts';
import { configuredPath } from './server-configuration.ts';

export interface WantedBlock {
  readonly context: TlsContext;
  /** The folder of the certificates, as the configuration will name it. */
  readonly directory: string;
  /** The certificate to serve; by default the one of the context. */
  readonly name?: string;
  readonly verify?: boolean;
  readonly verifyAndMap?: boolean;
  readonly pins?: readonly Pin[];
  /** Whether OCSP responders are asked about clients. */
  readonly ocspPeer?: boolean;
  readonly minVersion?: '1.2' | '1.3';
  readonly cipherSuites?: readonly string[];
  readonly curvePreferences?: readonly string[];
  /** Seconds, or a Go duration. */
  readonly timeout?: string;
  /** `true`, `auto` or a Go duration. */
  readonly handshakeFirst?: string;
  /** Handshakes per second. */
  readonly connectionRateLimit?: number;
}

/** The profile of the certificate of each context; the certificate is named after its profile. */
const profiles: Readonly<Record<TlsContext, string>> = {
  client: 'server',
  cluster: 'route',
  gateway: 'gateway',
  leafnodes: 'leafnode',
  websocket: 'server',
  mqtt: 'server',
  monitor: 'server',
};

/** The contexts, with that of clients first. */
export const tlsContexts = Object.keys(profiles) as TlsContext[];

/** What a context is called elsewhere: by the profile of its certificate. */
const others: ReadonlyMap<string, TlsContext> = new Map([
  ['server', 'client'],
  ['route', 'cluster'],
  ['routes', 'cluster'],
]);

/** Parses the name of a context; throws a UsageError that suggests the nearest one. */
export function parseContext(text: string): TlsContext {
  const help = `natspki tls ${others.get(text) ?? '--help'}`;
  return readChoice('context', text, tlsContexts, help);
}

/** Contexts in which both sides present a certificate, so that ca_file is needed whether clients are verified or not. */
const mutual: readonly TlsContext[] = ['cluster', 'gateway', 'leafnodes'];

/** Prints a block; throws `missing-certificate` when its pair does not exist, and a UsageError for invalid options. */
export function printWantedBlock(wanted: WantedBlock): string {
  const { context, directory, verify = false, verifyAndMap = false, pins = [] } = wanted;
  const name = wanted.name ?? profiles[context];
  const file = (ending: string) => configuredPath(directory, ending);
  const pair = { certFile: file(`${name}-cert.pem`), keyFile: file(`${name}-key.pem`) };
  if (!exists(pair.certFile)) throw missing(context, directory, name);
  const verifies = verify || verifyAndMap || mutual.includes(context);
  if (pins.length > 0 && !verifies) {
    throw new UsageError(
      'pins apply to client certificates, which this block does not request',
      'add --verify',
    );
  }
  const asks = wanted.ocspPeer === true;
  if (asks) refuseNeedlessQuestions(context, verify || verifyAndMap || context === 'leafnodes');
  const text = printTlsBlock(
    {
      pairs: [pair],
      caFile: verifies ? file('ca.pem') : undefined,
      verify,
      verifyAndMap,
      pinnedCerts: pins.length > 0 ? new Set(pins) : undefined,
      minVersion: wanted.minVersion,
      cipherSuites: wanted.cipherSuites,
      curvePreferences: wanted.curvePreferences,
      ...(wanted.timeout !== undefined && { timeoutMs: readTimeout(wanted.timeout) }),
      handshakeFirst: readHandshakeFirst(wanted.handshakeFirst),
      connectionRateLimit: wanted.connectionRateLimit,
      ocspPeer: asks,
    },
    context,
  );
  refuseWrong(text, context);
  return text;
}

/** Throws a UsageError where a server does not ask responders (nats-server, server/ocsp_peer.go). */
function refuseNeedlessQuestions(context: TlsContext, verifies: boolean): void {
  if (context === 'cluster' || context === 'gateway') {
    throw new UsageError(
      `--ocsp-peer has no effect in a ${context} block: no server asks about its peers there`,
      `lock keys out with pins: natspki tls ${context} --pin FILE`,
    );
  }
  if (!verifies)
    throw new UsageError(
      '--ocsp-peer is about client certificates, which this block does not request',
      'add --verify',
    );
}

function missing(context: TlsContext, directory: string, name: string): NatspkiError {
  const profile = profiles[context];
  // `init --node` names them after the nodes.
  const other = readNames(directory).find((each) => each.endsWith(`-${profile}`));
  return new NatspkiError('missing-certificate', `no certificate "${name}" in "${directory}"`, {
    hint:
      other === undefined
        ? `natspki issue ${profile} ${name} --san dns:HOST`
        : `name one of the folder: natspki tls ${context} --name ${other}`,
  });
}

/** Returns the names of the certificates in a folder. */
function readNames(directory: string): string[] {
  try {
    return readdirSync(directory).flatMap((file) => /^(.+)-cert\.pem$/.exec(file)?.[1] ?? []);
  } catch {
    return [];
  }
}

function readTimeout(text: string): number {
  const milliseconds = parseGoDuration(/^[\d.]+$/.test(text) ? `${text}s` : text);
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  throw new UsageError(`--timeout is "${text}", expected seconds or a duration`, '--timeout 5s');
}

function readHandshakeFirst(text: string | undefined): HandshakeFirst | undefined {
  if (text === undefined) return undefined;
  if (text === 'true') return { fallbackMs: undefined };
  const fallbackMs = text === 'auto' ? automaticFallbackMs : parseGoDuration(text);
  if (fallbackMs !== undefined && fallbackMs > 0) return { fallbackMs };
  throw new UsageError(
    `--handshake-first is "${text}", expected no value, auto or a duration`,
    '--handshake-first 300ms',
  );
}

/** Parses the text as a server will, and throws its first error. */
function refuseWrong(text: string, context: TlsContext): void {
  const block = parseConf(text, { file: 'tls' }).entries.get('tls')?.value;
  const problems: ConfProblem[] = [];
  if (block?.kind === 'map') readTlsBlock(block, problems, context);
  const error = problems.find(({ severity }) => severity === 'error');
  if (error !== undefined) throw new UsageError(error.message, error.hint);
}
