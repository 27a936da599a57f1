// What `issue` says where new certificates are not let in although the authority is trusted.
import { readFileSync } from 'node:fs';
import { configurationsHere } from './rotate-flags.ts';

/** Above that, a pattern says which. */
const named = 4;

/** Tells of the configurations here that let in the keys of `pinned_certs` only, with the command that adds these. */
export function pinNotices(
  profile: string,
  certificates: readonly { readonly certificateFile: string }[],
): string[] {
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
