// Performs one mutual TLS handshake in this process, to check certificates. It does not speak NATS.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';

export interface End {
  readonly cert: string;
  readonly key: string;
}

/**
 * Connects a client to a server as localhost, both trusting `ca`; returns whether each accepts the other's
 * certificate.
 */
export async function handshake(ends: {
  ca: string;
  server: End;
  client: End;
}): Promise<{ serverAuthorized: boolean; clientAuthorized: boolean }> {
  const { ca } = ends;
  const server = createServer({ ...ends.server, ca, requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const client = connect({
    ...ends.client,
    ca,
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    rejectUnauthorized: false,
  });
  await once(client, 'secureConnect');
  const [peer] = await accepted;
  const verdict = { serverAuthorized: client.authorized, clientAuthorized: peer.authorized };
  client.destroy();
  peer.destroy();
  server.close();
  return verdict;
}
