// Reads, checks and writes configurations, and computes pins: the part of the public interface that needs no authority.
import { checkConfiguration } from '../broker/options/check.ts';
import { loadConf, parseConf } from '../conf/parser.ts';
import type { Value } from '../conf/value.ts';
import { given } from '../given.ts';
import { parseContext, printWantedBlock } from '../rollout/wanted-block.ts';
import { type Pin, pinOf } from '../x509/pin.ts';

/** A configuration: the path of a file, or its text. */
export type ConfigurationSource = { readonly file: string } | { readonly text: string };

/** A value of a configuration. An integer that a number cannot hold exactly is a bigint. */
export type ConfigurationValue =
  | string
  | number
  | bigint
  | boolean
  | Date
  | readonly ConfigurationValue[]
  | { readonly [name: string]: ConfigurationValue };

/** A problem in a configuration. */
export interface Finding {
  /** An error keeps a server from starting, or locks clients out; a warning is against best practice. */
  readonly severity: 'error' | 'warning';
  /** Stable, for programs; see docs/codes.md. Errors of the syntax have none. */
  readonly code?: string;
  /** One line; never the value of an option, which may be a secret. */
  readonly message: string;
  /** What to type or to change. */
  readonly hint?: string;
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  /** Counts from 1. */
  readonly column: number;
}

/** The `tls` block that `tlsBlock` prints. */
export interface TlsBlockOptions {
  /** `client` (the default), `cluster`, `gateway`, `leafnodes`, `websocket`, `mqtt` or `monitor`. */
  readonly context?: string;
  /** Folder of the certificates, as the configuration will name it; the pair must exist. */
  readonly dir: string;
  /** Name of the certificate to serve; by default that of the context, such as `server`. */
  readonly name?: string;
  /** Clients must present a certificate. */
  readonly verify?: boolean;
  /** Clients must present a certificate, which names their user. */
  readonly verifyAndMap?: boolean;
  /** Pins of the keys to accept; all others are rejected. */
  readonly pins?: readonly string[];
  readonly minVersion?: '1.2' | '1.3';
  /** Go's names, such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuites?: readonly string[];
  /** Go's names, such as `X25519`, the preferred one first. */
  readonly curvePreferences?: readonly string[];
  /** Time limit of a handshake: seconds, or a duration such as `500ms`. */
  readonly timeout?: string;
  /** Handshake before INFO: `true`, or `auto` or a duration after which INFO is sent to a silent client. */
  readonly handshakeFirst?: string;
  /** Handshakes per second. */
  readonly connectionRateLimit?: number;
}

/**
 * Reads a configuration in nats-server's language, with its includes and variables, into plain values. It interprets no
 * option. Throws a NatspkiError: `invalid-configuration` with every error, or the code of an unreadable file.
 */
export function readConfiguration(source: ConfigurationSource): { [name: string]: ConfigurationValue } {
  const root = 'file' in source ? loadConf(source.file).root : parseConf(source.text, { file: 'text' });
  return plainOf(root) as { [name: string]: ConfigurationValue };
}

/**
 * Finds what the broker or nats-server would reject in a configuration, unusable certificate files and bad practices, as
 * `natspki check` does. Returns the findings in the order of the file. Throws a NatspkiError if the file cannot be read.
 */
export async function check(file: string): Promise<Finding[]> {
  const problems = await checkConfiguration(file);
  return problems.map(({ position: { file, line, column }, ...rest }) => ({ ...rest, file, line, column }));
}

/**
 * Computes the pin of a certificate, request, public or private key (PEM or DER), as `pinned_certs` expects it: the SHA-256
 * of the public key (DER SubjectPublicKeyInfo), 64 lower-case hex digits. Throws a NatspkiError, such as `no-material`.
 */
export function pin(material: string | Uint8Array): string {
  return pinOf(Buffer.from(material), 'material');
}

/**
 * Prints a `tls` block of a configuration that nats-server and the broker accept, without a newline at the end. Throws a
 * NatspkiError: `missing-certificate`, or `usage` for invalid options.
 */
export function tlsBlock(options: TlsBlockOptions): string {
  const { context = 'client', dir, pins, ...rest } = options;
  return printWantedBlock({
    ...given(rest),
    context: parseContext(context),
    directory: dir,
    ...given({ pins: pins as readonly Pin[] | undefined }),
  });
}

function plainOf(value: Value): ConfigurationValue {
  if (value.kind === 'array') return value.items.map(plainOf);
  if (value.kind === 'integer') {
    return Number.isSafeInteger(Number(value.value)) ? Number(value.value) : value.value;
  }
  if (value.kind !== 'map') return value.value;
  // A key such as __proto__ must become a property like any other.
  return Object.fromEntries([...value.entries.values()].map(({ key, value }) => [key, plainOf(value)]));
}
