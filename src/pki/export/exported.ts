// Reads a pair of the folder for export, and prints it as PEM, as a Secret of Kubernetes or as a context of the nats
// command. Writes no files.
import type { KeyObject } from 'node:crypto';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { NatspkiError, UsageError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { type Certificate, toPem } from '../../x509/certificate.ts';
import { decodePrivateKey, encodePrivateKey } from '../../x509/key.ts';
import { checkName, type PairFiles, type PkiDirectory } from '../store/directory.ts';

export const exportFormats = ['pkcs12', 'kubernetes', 'nats-context', 'pem'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** A pair that leaves the folder, with the roots that its peers have. */
export interface ExportedPair extends PairFiles {
  readonly authorityFile: string;
  readonly key: KeyObject;
  /** The certificate of the key, followed by its intermediates. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly authorities: readonly Certificate[];
}

/** Reads a pair; throws `missing-certificate`, `missing-key` or `key-mismatch`, and what reading the files throws. */
export async function readExported(directory: PkiDirectory, name: string): Promise<ExportedPair> {
  checkName(name);
  await directory.recover();
  const authorities = await directory.readBundle();
  const files = directory.pair(name);
  if (!exists(files.certificateFile)) {
    throw new NatspkiError('missing-certificate', `no certificate "${name}" in "${directory.path}"`, {
      hint: `\`natspki list\` shows those that exist; \`natspki issue client ${name}\` makes one`,
    });
  }
  if (!exists(files.keyFile)) {
    throw new NatspkiError(
      'missing-key',
      `the key of certificate "${name}" is not in "${directory.path}", and an export contains it`,
      { hint: `copy it to "${files.keyFile}" from where it was generated` },
    );
  }
  const chain = await directory.readChain(name);
  const key = decodePrivateKey(await directory.read(files.keyFile), files.keyFile);
  if (!chain[0].hasKey(key)) {
    throw new NatspkiError('key-mismatch', `"${files.keyFile}" is not the key of "${files.certificateFile}"`);
  }
  return { ...files, authorityFile: directory.authorityFile, key, chain, authorities };
}

/** Prints the key, the chain and the roots, in this order, for a single file. */
export async function pemOf({ key, chain, authorities }: ExportedPair): Promise<string> {
  return `${await encodePrivateKey(key)}${toPem(chain)}${toPem(authorities)}`;
}

/** Names a Secret: `namespace` is left to kubectl when it is missing. */
export interface SecretName {
  readonly name: string;
  readonly namespace?: string;
}

/** A DNS subdomain (RFC 1123), as Kubernetes wants the name of a Secret. */
const subdomain = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
/** A DNS label, as Kubernetes wants a namespace. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Prints a Secret of type kubernetes.io/tls with cert-manager's keys; throws a UsageError for an invalid name. */
export async function secretOf(pair: ExportedPair, { name, namespace }: SecretName): Promise<string> {
  if (!subdomain.test(name)) {
    const near = name.toLowerCase().replace(/[^a-z0-9.-]+/g, '-');
    throw new UsageError(
      `"${name}" cannot be the name of a Secret, expected lower-case letters, digits, - and .`,
      `--secret ${subdomain.test(near) ? near : 'NAME'}`,
    );
  }
  if (namespace !== undefined && !label.test(namespace)) {
    throw new UsageError(
      `--namespace is "${namespace}", expected lower-case letters, digits and -`,
      '--namespace default',
    );
  }
  const data = {
    'tls.crt': toPem(pair.chain),
    'tls.key': await encodePrivateKey(pair.key),
    'ca.crt': toPem(pair.authorities),
  };
  return [
    'apiVersion: v1',
    'kind: Secret',
    'metadata:',
    // Quoted: a name may look like a number.
    `  name: "${name}"`,
    ...(namespace === undefined ? [] : [`  namespace: "${namespace}"`]),
    'type: kubernetes.io/tls',
    'data:',
    ...Object.entries(data).map(([key, text]) => `  ${key}: ${Buffer.from(text).toString('base64')}`),
    '',
  ].join('\n');
}

/** Prints a context of the nats command. It names the files where they are, so that it stays true after a rotation. */
export function contextOf(pair: ExportedPair, url: string): string {
  const context = {
    description: `certificate ${pair.name}, by natspki`,
    url,
    cert: resolve(pair.certificateFile),
    key: resolve(pair.keyFile),
    ca: resolve(pair.authorityFile),
  };
  return `${JSON.stringify(context, undefined, 2)}\n`;
}

/** Returns where the nats command looks for a context (jsm.go, natscontext). */
export function contextFile(name: string, environment = process.env): string {
  const folder = environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), '.config');
  return join(folder, 'nats', 'context', `${name}.json`);
}
