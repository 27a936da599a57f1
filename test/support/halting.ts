// The client side of a TLS connection that pauses in the middle of the handshake until the test resumes it.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

export interface HaltingSocket {
  /** Goes into `connect` of node:tls as `socket`. */
  readonly stream: Duplex;
  /** Resolves when the server has answered the first flight. The next flight, with the certificate, is held back. */
  readonly halted: Promise<unknown>;
  goOn(): void;
  end(): void;
}

/** Wraps a connected socket. @param raw a socket on which nothing but TLS records is left to read */
export function haltingSocket(raw: Socket): HaltingSocket {
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let written = 0;
  const stream = new Duplex({
    read: () => {},
    write: (chunk, _encoding, done) => {
      void (written++ === 0 ? Promise.resolve() : held).then(() => raw.write(chunk, done));
    },
    final: (done) => {
      raw.end(done);
    },
  });
  const halted = once(raw, 'data');
  raw.on('data', (chunk) => stream.push(chunk)).on('end', () => stream.push(null));
  raw.on('error', () => {}).on('close', () => stream.destroy());
  return { stream, halted, goOn, end: () => raw.destroy() };
}

/** Connects to a port of this host where the TLS handshake comes first. */
export async function connectHalting(port: number): Promise<HaltingSocket> {
  const raw = connect(port, '127.0.0.1');
  await once(raw, 'connect');
  return haltingSocket(raw);
}
