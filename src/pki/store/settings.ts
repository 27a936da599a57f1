// The settings of an authority that later certificates follow: the addresses where peers ask whether one is revoked.
import { NatspkiError } from '../../errors.ts';
import { exists, type FileWrite } from '../../files/files.ts';
import { readOwnFile } from '../../files/own-files.ts';
import { faultOfAddress, noAddresses, type StatusAddresses } from '../../x509/status-addresses.ts';

/** Limits what a certificate carries. */
export const maximumAddresses = 4;

/**
 * Reads the addresses; none when nothing was set. Throws `damaged-settings`.
 * @param folder the folder of the authority
 */
export async function readAddresses(folder: string, file: string): Promise<StatusAddresses> {
  if (!exists(file)) return noAddresses;
  const bytes = await readOwnFile(folder, file);
  const { ocspUrls, crlUrls } = parsed(bytes.toString());
  if (isList(ocspUrls) && isList(crlUrls)) return { ocsp: ocspUrls, crl: crlUrls };
  throw new NatspkiError('damaged-settings', `"${file}" does not hold the settings of an authority`, {
    hint: `rm "${file}", then set the addresses again with \`natspki issue --ocsp-url URL --crl-url URL\``,
  });
}

/** Returns the write of the addresses. */
export function addressesWrite(file: string, { ocsp, crl }: StatusAddresses): FileWrite {
  const data = `${JSON.stringify({ ocspUrls: ocsp, crlUrls: crl }, undefined, 2)}\n`;
  return { path: file, data, mode: 0o600 };
}

function parsed(text: string): { readonly ocspUrls?: unknown; readonly crlUrls?: unknown } {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= maximumAddresses &&
    value.every((each) => typeof each === 'string' && faultOfAddress(each) === undefined)
  );
}
