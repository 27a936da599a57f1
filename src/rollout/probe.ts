// Checks whether servers present the expected certificate, at every address of a host name. It trusts no authority and
// does not log in.

import { lookup as lookUp } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { NatspkiError } from '../errors.ts';
import { readCertificates } from '../x509/certificate.ts';
import { fetchServerCertificates, type ProbeIdentity, parseServerUrl } from './server-certificate.ts';

export interface Served {
  readonly address: string;
  /** The caller's name for the certificate. */
  readonly name: string;
  /** Lower-case hex. */
  readonly serial: string;
}

const betweenTriesMs = 200;

/**
 * Queries each address of the host of a URL until all present one of the expected certificates. Throws `not-served` when
 * that takes longer than `timeoutMs` milliseconds; it names every wrong address and the certificate there.
 * @param expected names by serial number
 */
export async function probeServers(
  url: string,
  expected: ReadonlyMap<string, string>,
  options: {
    timeoutMs?: number;
    lookup?: (host: string) => Promise<{ address: string }[]>;
    identity?: ProbeIdentity | undefined;
  } = {},
): Promise<Served[]> {
  const { timeoutMs = 5000, lookup = everyAddress, identity } = options;
  const { host, name: server } = parseServerUrl(url);
  const addresses = await lookup(host).catch((cause: Error) => {
    throw new NatspkiError('unreachable', `cannot find an address of "${host}": ${cause.message}`, { cause });
  });
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const results = await Promise.all(
      addresses.map(({ address }) => probe(url, server, { address, identity }, expected)),
    );
    const wrong = results.filter((result) => typeof result === 'string');
    if (wrong.length === 0) return results.filter((result) => typeof result !== 'string');
    if (performance.now() > deadline) {
      throw new NatspkiError('not-served', wrong, {
        hint: 'reload the server with --reload PID or `nats-server --signal reload`',
      });
    }
    await delay(betweenTriesMs);
  }
}

function everyAddress(host: string): Promise<{ address: string }[]> {
  return lookUp(host, { all: true, verbatim: true });
}

/** Returns the certificate that an address presents, or a description of the problem. */
async function probe(
  url: string,
  server: string,
  to: { readonly address: string; readonly identity: ProbeIdentity | undefined },
  expected: ReadonlyMap<string, string>,
): Promise<Served | string> {
  const { address } = to;
  try {
    const [{ serial, commonName }] = readCertificates(await fetchServerCertificates(url, to), url);
    const name = expected.get(serial);
    if (name !== undefined) return { address, name, serial };
    return `${server} at ${address} serves "${commonName}" with serial ${serial}, which is not a current certificate`;
  } catch (error) {
    if (error instanceof NatspkiError) return `${error.message} (at ${address})`;
    throw error;
  }
}
