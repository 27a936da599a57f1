// Prints the result of `issue`: the certificates, their files, and the configurations whose pins still reject them.

import { readFileSync } from 'node:fs';
import { escapeControls } from '../log.ts';
import type { IssuedCertificates } from '../pki/issue/leaf.ts';
import { certificateLines } from './certificate-table.ts';
import { configurationsHere } from './input.ts';
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

/** Reads a configuration; an unreadable one counts as empty, because `issue` does not depend on it. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
