// The parts of a fleet for tests: an EST server in this process, members' folders, and a link to an authority without a network.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { FleetAuthority, type FleetOptions } from '../../src/fleet/authority/authority.ts';
import { invite } from '../../src/fleet/authority/invite.ts';
import { Statements } from '../../src/fleet/authority/statements.ts';
import { Est } from '../../src/fleet/http/est.ts';
import { type AuthorityLink, AuthorityRefused } from '../../src/fleet/member/link.ts';
import type { InitOptions } from '../../src/pki/issue/init.ts';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { readCertificates } from '../../src/x509/certificate.ts';
import { madeDirectory } from './pki.ts';

export const silentLogger = { info: () => {}, warn: () => {}, error: () => {} };

export interface TestFleet {
  readonly directory: PkiDirectory;
  readonly authority: FleetAuthority;
  readonly statements: Statements;
  /** Invites a name; returns the token as one word. */
  token(name: string, options?: Partial<Parameters<typeof invite>[0]>): Promise<string>;
}

/** Makes an authority below `scratch`, with a server pair for localhost. */
export async function testFleet(
  scratch: string,
  urls: readonly string[],
  options: Partial<FleetOptions> = {},
  init: Partial<InitOptions> = {},
): Promise<TestFleet> {
  const directory = await madeDirectory(scratch, init);
  const authority = await FleetAuthority.open({ directory, logger: silentLogger, ...options });
  const clock = options.now === undefined ? {} : { now: options.now };
  return {
    directory,
    authority,
    statements: new Statements(authority, options.now),
    token: async (name, more = {}) =>
      (await invite({ directory, name, profile: 'client', urls, ...clock, ...more })).token,
  };
}

/** Chooses a folder for a member below `scratch`, without creating it. */
export function memberFolder(scratch: string): PkiDirectory {
  return new PkiDirectory(join(mkdtempSync(join(scratch, 'member-')), 'certs'));
}

/** Copies a pair and ca.pem of an authority into a folder of a member's own. */
export function copyOf(from: PkiDirectory, name: string, scratch: string): PkiDirectory {
  const directory = memberFolder(scratch);
  mkdirSync(directory.path, { recursive: true, mode: 0o700 });
  const { certificateFile, keyFile } = directory.pair(name);
  writeFileSync(certificateFile, readFileSync(from.certificateFile(name)));
  writeFileSync(keyFile, readFileSync(from.keyFile(name)), { mode: 0o600 });
  writeFileSync(directory.authorityFile, readFileSync(from.authorityFile));
  return directory;
}

export interface EstServer {
  readonly port: number;
  readonly url: string;
  /** Everything that the clients have sent, decrypted. */
  readonly heard: string[];
  close(): Promise<void>;
}

/** Serves EST for a folder, by its pair `server`. @param answers called before each answer, which it may delay or prevent */
export async function serveEst(
  fleet: Pick<TestFleet, 'directory' | 'authority' | 'statements'>,
  { port = 0, host = '127.0.0.1', answers = async (_path: string) => true } = {},
): Promise<EstServer> {
  const { certificateFile, keyFile } = fleet.directory.pair('server');
  const est = new Est(fleet.authority, silentLogger, fleet.statements);
  const heard: string[] = [];
  const tls = { cert: readFileSync(certificateFile), key: readFileSync(keyFile) };
  const options = { ...tls, requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    const body = Buffer.concat(chunks);
    heard.push(JSON.stringify(headers), body.toString('latin1'));
    const chain = chainOf(request.socket as TLSSocket);
    const peer = request.socket.remoteAddress ?? '';
    const answer = await est.answer({
      method,
      path: url,
      authorization: headers.authorization,
      body,
      chain,
      peer,
    });
    if (!(await answers(url))) request.socket.destroy();
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    url: `https://localhost:${bound}`,
    heard,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let at = socket.getPeerCertificate(true) as DetailedPeerCertificate | undefined;
  for (; at?.raw !== undefined; at = at.issuerCertificate === at ? undefined : at.issuerCertificate) {
    chain.push(at.raw);
  }
  return chain;
}

/** Asks an authority in this process, as a transport would that has proved the key. */
export function directLink(
  { authority, statements }: TestFleet,
  { arrives = async (_what: 'request' | 'answer') => {} } = {},
): AuthorityLink {
  return {
    name: 'here',
    async renew({ current, request }, accept) {
      await arrives('request');
      const chain = current.chain.map(({ der }) => der);
      const decision = await authority.renew({ chain, request, transport: 'est', peer: 'test' });
      await arrives('answer');
      if (!decision.granted) throw new AuthorityRefused('here', decision.answer, decision.code);
      const certificates = readCertificates(Buffer.from(decision.chain), 'answer');
      return accept({ certificates, statement: await statements.sign(decision.renewAt) });
    },
    async statement(_roots, accept) {
      await arrives('request');
      return accept(await statements.sign());
    },
  };
}
