// `--ocsp-url` and `--crl-url`: where peers ask whether a certificate is revoked.
import * as Flags from '@oclif/core/flags';
import { UsageError } from '../errors.ts';
import { given } from '../given.ts';
import { maximumAddresses } from '../pki/store/settings.ts';
import { faultOfAddress, type StatusAddresses } from '../x509/status-addresses.ts';

/** The value that removes the addresses. */
const nowhere = 'none';

const addressFlag = Flags.custom<string>({
  helpValue: 'URL',
  multiple: true,
  multipleNonGreedy: true,
  parse: async (text, _context, { name }) => {
    const problem = text === nowhere ? undefined : faultOfAddress(text);
    if (problem === undefined) return text;
    const example = problem.better ?? `http://pki.example.com/${name === 'ocsp-url' ? 'ocsp' : 'ca.crl'}`;
    throw new UsageError(`--${name} is "${text}": ${problem.fault}`, `--${name} ${example}`);
  },
});

const kept = 'Kept for all later certificates; "none" removes it';

/** The two flags. */
export const addressFlags = () => ({
  'ocsp-url': addressFlag({
    description: `Where peers ask whether the new certificates are revoked (OCSP). ${kept}. Repeatable.`,
  }),
  'crl-url': addressFlag({
    description: `Where peers find the revocation list of the new certificates. ${kept}. Repeatable.`,
  }),
});

interface AddressFlags {
  readonly 'ocsp-url'?: string[] | undefined;
  readonly 'crl-url'?: string[] | undefined;
}

/** Returns the addresses that the flags give; an empty list for `none`. Throws a UsageError for too many. */
export function addressesOf(flags: AddressFlags): Partial<StatusAddresses> {
  return given({ ocsp: listOf(flags, 'ocsp-url'), crl: listOf(flags, 'crl-url') });
}

/** Returns one line for each address that changes. */
export function addressNotices({ ocsp, crl }: Partial<StatusAddresses>): string[] {
  return [...lineOf('OCSP responder', ocsp), ...lineOf('revocation list', crl)];
}

function listOf(flags: AddressFlags, name: keyof AddressFlags): string[] | undefined {
  const values = flags[name];
  if (values === undefined) return undefined;
  const urls = [...new Set(values)].filter((value) => value !== nowhere);
  if (urls.length > 0 && values.includes(nowhere))
    throw new UsageError(`--${name} is both "${nowhere}" and a URL`, `--${name} ${urls[0]}`);
  if (urls.length <= maximumAddresses) return urls;
  throw new UsageError(`--${name} is given ${urls.length} times, at most ${maximumAddresses} are allowed`);
}

function lineOf(what: string, urls: readonly string[] | undefined): string[] {
  if (urls === undefined) return [];
  return [
    urls.length === 0
      ? `new certificates name no ${what} from now on`
      : `new certificates name the ${what} ${urls.join(', ')} from now on; \`natspki rotate\` issues the others anew`,
  ];
}
