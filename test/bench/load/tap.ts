// Stands between a socket and its TLS, and can stop to decrypt: then it only tells how much content arrives. Decrypting
// in Node costs more than serving does, most of all for a server that writes many small records.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { RecordCounter } from './records.ts';

export class Tap extends Duplex {
  readonly #socket: Socket;
  #receive = (chunk: Buffer): void => {
    this.push(chunk);
  };

  /** Takes over a socket that nobody else reads. */
  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.destroy());
  }

  /** Hands over the number of content bytes, instead of the content, of all that arrives from here on. */
  count(arrived: (bytes: number) => void, encrypted: boolean): void {
    const records = new RecordCounter();
    this.#receive = encrypted ? (chunk) => arrived(records.add(chunk)) : ({ length }) => arrived(length);
  }

  /** Stops reading for good, so that the server's writes have nowhere to go. */
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
