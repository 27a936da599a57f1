// Listens on a port, runs the Handshaker under test on every connection, and records each outcome.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { defaultTlsBlock, type TlsBlock } from '../../src/tls/block.ts';
import { CertificateSource } from '../../src/tls/certificate-source.ts';
import { type ClientCertificates, Handshaker } from '../../src/tls/handshake.ts';
import type { HandshakeError } from '../../src/tls/handshake-error.ts';
import type { MadePair } from '../harness/certificates.ts';

/** The outcome of one accepted socket. */
export type Outcome = TLSSocket | HandshakeError;

export interface TlsListener {
  readonly port: number;
  readonly source: CertificateSource;
  readonly handshaker: Handshaker;
  /** Resolves with the outcome of the next accepted socket; each outcome is returned once. */
  outcome(): Promise<Outcome>;
  close(): Promise<void>;
}

/** The contents of the files that a tls block names. */
export interface ListenerFiles {
  readonly pairs: readonly MadePair[];
  readonly ca?: string;
}

/** Writes the files and listens. After its handshake, each connection receives `hello`. */
export async function listenTls(
  { pairs, ca }: ListenerFiles,
  options: Partial<TlsBlock> = {},
  { host = '127.0.0.1', clients }: { clients?: ClientCertificates; host?: string } = {},
): Promise<TlsListener> {
  const folder = mkdtempSync(join(tmpdir(), 'natspki-tls-'));
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const block: TlsBlock = {
    ...defaultTlsBlock,
    pairs: pairs.map(({ cert, key }, index) => ({
      certFile: write(`${index}.pem`, cert),
      keyFile: write(`${index}.key`, key),
    })),
    caFile: ca === undefined ? undefined : write('ca.pem', ca),
    ...options,
  };
  const quiet = { info: () => {}, warn: () => {}, error: () => {} };
  const source = await CertificateSource.open(block, { where: 'tls', log: quiet });
  const handshaker = new Handshaker(source, clients);
  const outcomes: Promise<Outcome>[] = [];
  const waiting: ((outcome: Promise<Outcome>) => void)[] = [];
  const sockets = new Set<Socket>();
  // Half-open, as the broker's listener is.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    const outcome = handshaker.accept(socket).then(
      (secure) => {
        secure.on('error', () => {});
        secure.write('hello');
        return secure;
      },
      (error: HandshakeError) => error,
    );
    const next = waiting.shift();
    if (next === undefined) outcomes.push(outcome);
    else next(outcome);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    source,
    handshaker,
    outcome: () => outcomes.shift() ?? new Promise((resolve) => waiting.push(resolve)),
    close: async () => {
      handshaker.close();
      source.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Connects, returns the first data from the server or the error that came instead, and closes the connection. */
export async function greeting(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  try {
    return await new Promise<string>((resolve) => {
      socket.once('data', (data) => resolve(String(data)));
      socket.once('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
      socket.once('close', () => resolve('closed'));
    });
  } finally {
    socket.destroy();
  }
}
