// What `issue` prints: what was made, where it is, and where it is not let in although the authority is trusted.
import { readFileSync } from 'node:fs';
import type { Made } from '../pki/leaf.ts';
import { certificateLines } from './certificate-table.ts';
import { configurationsHere } from './input.ts';
import { printable, type Terminal } from './terminal.ts';

/**
 * Returns the certificates, the files that were written, and remarks.
 * @param folder where they are, as it was typed
 */
export function issueLines({ certificates, notices }: Made, folder: string, terminal: Terminal): string[] {
  return [
    ...certificateLines(certificates, terminal, { wholePins: true }),
    '',
    wrote(certificates, folder),
    ...notices.map(printable),
  ];
}

function wrote(certificates: Made['certificates'], folder: string): string {
  const [first, ...others] = certificates;
  if (others.length > 0) return `wrote ${certificates.length} certificates into ${folder}`;
  return `wrote ${[first?.certificateFile, first?.keyFile].filter((file) => file !== undefined).join(' and ')}`;
}

/** Above that, a pattern says which. */
const named = 4;

/** Tells of the configurations here that let in the keys of `pinned_certs` only, with the command that adds these. */
export function pinNotices(profile: string, certificates: Made['certificates']): string[] {
  if (profile !== 'client') return [];
  const files = certificates.map(({ certificateFile }) => certificateFile);
  const which = files.length > named ? 'CERTIFICATE...' : files.join(' ');
  return configurationsHere()
    .filter((file) => /^[ \t]*"?pinned_certs\b/m.test(textOf(file)))
    .map((file) => `${file} lets in pinned keys only, these with \`natspki pin ${which} --add ${file}\``);
}

/** Reads a file that may be closed to us, and that is not what the command is about. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
