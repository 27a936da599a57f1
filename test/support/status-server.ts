// Serves the status of certificates over HTTP for tests, on a port of the loopback.
import { PublicServer } from '../../src/fleet/http/public-server.ts';
import { statusHandlers } from '../../src/fleet/http/status.ts';
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
  const handlers = new Map(statusHandlers({ directory, responder, logger }));
  const where = { host: '127.0.0.1', port: 0 };
  const server = await PublicServer.open({ handlers, where, names: () => [], logger });
  return { url: `http://127.0.0.1:${server.port}`, close: () => server.close(0) };
}
