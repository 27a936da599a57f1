// The ways to the authority that a member knows, tried in order.
import { NatspkiError } from '../../errors.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { estLink } from './est-link.ts';
import type { AuthorityLink } from './link.ts';
import { natsLink } from './nats-link.ts';

/** Opens the links for URLs, in their order; all NATS servers are of one system, so they are one link. */
export function openLinks(from: readonly string[], directory: PkiDirectory): AuthorityLink[] {
  const servers = from.filter((url) => !/^https:/i.test(url));
  const first = servers[0];
  return from.flatMap((url) => {
    if (/^https:/i.test(url)) return [estLink(url)];
    return url === first ? [natsLink({ servers, directory })] : [];
  });
}

/** Tries one link after the other. Throws what was wrong with each, under the code of the last. */
export async function throughAny<T>(
  links: readonly AuthorityLink[],
  work: (link: AuthorityLink) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const failures: NatspkiError[] = [];
  for (const link of links) {
    signal.throwIfAborted();
    try {
      return await work(link);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      failures.push(error);
    }
  }
  signal.throwIfAborted();
  const [first, ...others] = failures;
  if (first === undefined) {
    throw new NatspkiError('no-member', 'no URL of an authority is known', {
      hint: 'natspki renew --from URL',
    });
  }
  if (others.length === 0) throw first;
  const { code, hint } = failures.at(-1) as NatspkiError;
  const lines = failures.flatMap((each) => each.lines);
  throw new NatspkiError(code, lines, { cause: first, ...(hint === undefined ? {} : { hint }) });
}
