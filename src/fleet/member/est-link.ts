// Asks the authority over EST: the TLS connection proves the current pair, and that the server is of a trusted root.
import type { Certificate } from '../../x509/certificate.ts';
import { toPem } from '../../x509/certificate.ts';
import { encodePrivateKey } from '../../x509/key.ts';
import { EstClient } from './est-client.ts';
import type { AuthorityLink } from './link.ts';

/** Makes a link to the EST server at `https://HOST:PORT`. */
export function estLink(url: string): AuthorityLink {
  const statementOf = (roots: readonly Certificate[], signal: AbortSignal) =>
    new EstClient({ url, roots, signal }).statement();
  return {
    name: new URL(url).origin,
    async renew({ current, request, roots }, accept, signal) {
      const pair = { cert: toPem(current.chain), key: await encodePrivateKey(current.key) };
      const certificates = await new EstClient({ url, roots, pair, signal }).reenroll(request);
      // Without it the member renews all the same.
      const statement = await statementOf(roots, signal).catch(() => undefined);
      return accept({ certificates, ...(statement === undefined ? {} : { statement }) });
    },
    async statement(roots, accept, signal) {
      const statement = await statementOf(roots, signal);
      return statement === undefined ? undefined : accept(statement);
    },
  };
}
