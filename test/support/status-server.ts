// Serves the status of certificates over HTTP for tests, on a port of the loopback.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StatusService } from '../../src/fleet/http/status.ts';
import { Responder } from '../../src/pki/revoke/responder.ts';
import type { PkiDirectory } from '../../src/pki/store/directory.ts';

export interface StatusServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  close(): Promise<void>;
}

const logger = { error: () => {} };

/** Starts the service for an authority, which looks at the folder for each request. */
export async function startStatusServer(directory: PkiDirectory): Promise<StatusServer> {
  const responder = await Responder.open({ directory, logger, recheckMs: 0 });
  const service = new StatusService({ directory, responder, logger });
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = await service.answer({
      method: request.method ?? '',
      path: (request.url ?? '').replace(/\?.*/, ''),
      body: Buffer.concat(chunks),
      ifNoneMatch: request.headers['if-none-match'],
    });
    response.writeHead(answer.status, { 'Content-Type': answer.type, ...answer.headers }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
