// Prints the result of `issue`: the certificates, their files, and the configurations whose pins still reject them.

import { readFileSync } from 'node:fs';
import { loadConf } from '../conf/parser.ts';
import type { MapValue, Value } from '../conf/value.ts';
import { NatspkiError } from '../errors.ts';
import { escapeControls } from '../log.ts';
import type { IssuedCertificates } from '../pki/issue/leaf.ts';
import { tlsBlockOf } from '../rollout/configuration-file.ts';
import { certificateLines } from './certificate-table.ts';
import { configurationsHere } from './input.ts';
import { listed } from './revoke-result.ts';
import type { Terminal } from './terminal.ts';

/**
 * Returns the table, the files that were written, and the notices.
 * @param folder the folder of the files, as the user typed it
 */
export function issueLines(
  { certificates, notices }: IssuedCertificates,
  folder: string,
  terminal: Terminal,
): string[] {
  return [
    ...certificateLines(certificates, terminal, { wholePins: true }),
    '',
    wrote(certificates, folder),
    ...notices.map(escapeControls),
  ];
}

function wrote(certificates: IssuedCertificates['certificates'], folder: string): string {
  const [first, ...others] = certificates;
  if (others.length > 0) return `wrote ${certificates.length} certificates into ${folder}`;
  return `wrote ${[first?.certificateFile, first?.keyFile].filter((file) => file !== undefined).join(' and ')}`;
}

/** The most files that a notice lists; above it, a placeholder stands for them. */
const mostNamed = 4;

/** Returns a notice for each configuration here that accepts only pinned keys, with the command that adds the new ones. */
export function pinNotices(profile: string, certificates: IssuedCertificates['certificates']): string[] {
  if (profile !== 'client') return [];
  const files = certificates.map(({ certificateFile }) => certificateFile);
  const which = files.length > mostNamed ? 'CERTIFICATE...' : files.join(' ');
  return configurationsHere()
    .filter((file) => /^[ \t]*"?pinned_certs\b/m.test(textOf(file)))
    .map(
      (file) =>
        `${file} accepts only pinned keys; add the new ones with \`natspki pin ${which} --add ${file}\``,
    );
}

/** Returns a notice for each configuration here that maps certificates to users and has no user for a new client. */
export function userNotices(profile: string, certificates: IssuedCertificates['certificates']): string[] {
  if (profile !== 'client') return [];
  return configurationsHere().flatMap((file) => {
    const root = rootOf(file);
    if (root === undefined || tlsBlockOf(root, 'client')?.verifyAndMap !== true) return [];
    const users = new Set(usersIn(root));
    const unknown = certificates.map(({ name }) => name).filter((name) => !users.has(name));
    if (unknown.length === 0) return [];
    const lines = unknown.slice(0, mostNamed).map((name) => `{user: "${name}"}`);
    return [
      `${file} maps certificates to users and has no user for ${listed(unknown)}: add ${lines.join(', ')} to the users in "authorization"`,
    ];
  });
}

/** Parses a configuration; undefined when it is invalid, which `issue` does not depend on. */
function rootOf(file: string): MapValue | undefined {
  try {
    return loadConf(file).root;
  } catch (error) {
    if (error instanceof NatspkiError) return undefined;
    throw error;
  }
}

/** Returns the names of all users in a configuration, those of accounts included. */
function usersIn(value: Value): string[] {
  if (value.kind === 'array') return value.items.flatMap(usersIn);
  if (value.kind !== 'map') return [];
  return [...value.entries.values()].flatMap(({ key, value: inner }) =>
    key.toLowerCase() === 'user' && inner.kind === 'string' ? [inner.value] : usersIn(inner),
  );
}

/** Reads a configuration; an unreadable one counts as empty, because `issue` does not depend on it. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
