// Sits between a socket and its TLS layer, and can stop decrypting to count content bytes only. In Node decrypting
// costs more than serving, especially for a server that writes many small records.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { RecordCounter } from './records.ts';

export class Tap extends Duplex {
  readonly #socket: Socket;
  #receive = (chunk: Buffer): void => {
    this.push(chunk);
  };

  /** Takes over a socket that has no other reader. */
  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.destroy());
  }

  /** From now on reports the number of content bytes that arrive instead of the content. */
  count(arrived: (bytes: number) => void, encrypted: boolean): void {
    const records = new RecordCounter();
    this.#receive = encrypted ? (chunk) => arrived(records.add(chunk)) : ({ length }) => arrived(length);
  }

  /** Stops reading for good, so that the server's writes block. */
  stopReading(): void {
    this.#socket.pause();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
