// One TCP or TLS connection as transport: coalesced output with one write in flight, the end of slow consumers, and
// back-pressure on publishers. Knows bytes only; what they mean is its owner's business.
import type { Socket } from 'node:net';
import { formatDuration } from '../../duration.ts';
import { type MessageWriter, messageSize, routedSize } from '../../protocol/message-writer.ts';
import type { Publication } from '../../protocol/operations.ts';
import type { LineComparison } from '../../protocol/repeated-line.ts';
import type { CloseReason } from '../../protocol/violations.ts';
import { formatHostPort } from '../options/host-port.ts';
import { type BufferPool, OutputQueue } from './output.ts';
import { type ReadBuffer, readInto } from './read-buffer.ts';

/** What all connections of a broker share. */
export interface Transport {
  readonly pool: BufferPool;
  readonly flusher: Flusher;
  readonly writer: MessageWriter;
  /** What every socket is read into. */
  readonly readBuffer: ReadBuffer;
  /** What compares lines of it. */
  readonly lines: LineComparison;
  /** Bytes a consumer may leave unread. */
  readonly maxPending: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Milliseconds a write may take. */
  readonly writeDeadlineMs: number;
}

/** Who gives the connection its meaning. */
export interface ConnectionOwner {
  receive(chunk: Buffer): void;
  /** The consumer did not keep up; `closed` follows. @param text for the log, in nats-server's words */
  slow(text: string): void;
  /** Called once; nothing is received afterwards and nothing written is sent. */
  closed(reason: CloseReason): void;
}

/** A consumer with more than this many bytes waiting is behind, and one with less than half of it is not any more. */
const behindBytes = 2 * 1024 * 1024;

/** How long one consumer may hold up a publisher (client.go, stallTotalAllowed). */
const stallMs = 10;

/** How long a connection that ends may take to write what is pending. */
const flushMs = 2000;

/** How long the peer may take to hang up after the last byte: hanging up at once could cost it that byte. */
const lingerMs = 250;

/** Collects the connections that got something to write and flushes them after the current round of reads. */
export class Flusher {
  #waiting: Connection[] = [];

  add(connection: Connection): void {
    if (this.#waiting.push(connection) === 1) setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const connection of waiting) connection.flush();
  };
}

export class Connection {
  readonly remoteAddress: string;
  /** Address and port of the other side, as logs name it. */
  readonly peer: string;
  readonly remotePort: number;
  /** Times that this publisher had to wait for consumers. */
  stalls = 0;
  #socket: Socket;
  #state: 'open' | 'closing' | 'closed' = 'open';
  readonly #owner: ConnectionOwner;
  readonly #transport: Transport;
  readonly #queue: OutputQueue;
  /** Waits for its turn to be flushed. */
  #queued = false;
  #inFlight: { buffer: Buffer; length: number } | undefined;
  #writeStarted = 0;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #peerEnded = false;
  /** Publishers that do not read while this consumer is behind. */
  readonly #heldUp = new Set<Connection>();
  /** Consumers for which this publisher does not read. */
  readonly #awaited = new Set<Connection>();
  #stallTimer: NodeJS.Timeout | undefined;
  #isHeld = false;
  /** Has held a publisher up in vain and written nothing since. */
  #stuck = false;

  constructor(socket: Socket, transport: Transport, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#transport = transport;
    this.#owner = owner;
    this.#queue = new OutputQueue(transport.pool);
    this.remoteAddress = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    this.remotePort = socket.remotePort ?? 0;
    this.peer = formatHostPort({ host: this.remoteAddress, port: this.remotePort });
    this.#listen();
  }

  /** Writes at once, past the queue: for what must be out before a TLS handshake begins. */
  greet(line: Buffer): void {
    this.#socket.write(line);
  }

  /** Hands the socket over to a TLS handshake; `secure` brings back what becomes of it. */
  release(): Socket {
    this.#socket.off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose);
    return this.#socket;
  }

  /** Goes on over TLS. */
  secure(socket: Socket): void {
    this.#socket = socket;
    this.#listen();
    // It may have closed before anybody listened, or this side has given up meanwhile.
    if (socket.destroyed || this.#state !== 'open') this.abort('Read Error');
  }

  /** Begins to read. */
  open(): void {
    readInto(this.#socket, this.#transport.readBuffer, (chunk) => {
      if (this.#state === 'open') this.#owner.receive(chunk);
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Bytes waiting to be written or being written. */
  get pending(): number {
    return this.#queue.pending + (this.#inFlight?.length ?? 0);
  }

  /** Queues a copy of `bytes`; false where the connection does not take any more. */
  write(bytes: Buffer): boolean {
    const target = this.#room(bytes.length);
    if (target === undefined) return false;
    bytes.copy(target, this.#queue.at);
    this.#queue.advance(this.#queue.at + bytes.length);
    return true;
  }

  /** Queues a message; false where the connection does not take any more. @param sid in Latin-1 */
  writeMessage(publication: Publication, sid: string, headers: boolean): boolean {
    const target = this.#room(messageSize(publication, sid));
    if (target === undefined) return false;
    const { writer } = this.#transport;
    this.#queue.advance(writer.writeMessage(target, this.#queue.at, publication, sid, headers));
    return true;
  }

  /** Queues a message for a route; false where the connection does not take any more. @param account and each queue with a space behind it */
  writeRouted(
    publication: Publication,
    account: Buffer,
    queues: readonly Buffer[],
    headers: boolean,
  ): boolean {
    const target = this.#room(routedSize(publication, account, queues));
    if (target === undefined) return false;
    const { writer } = this.#transport;
    this.#queue.advance(writer.writeRouted(target, this.#queue.at, publication, account, queues, headers));
    return true;
  }

  /** Whether publishers should wait for this consumer: it is behind, and waiting was not in vain so far. */
  get isBehind(): boolean {
    return this.isFarBehind || (this.pending > behindBytes && !this.#stuck);
  }

  /** Whether three quarters of what may be pending are (client.go, queueOutbound). */
  get isFarBehind(): boolean {
    return this.pending > 0.75 * this.#transport.maxPending;
  }

  /** Reads no more until `consumer` has caught up, for some milliseconds at the most. */
  waitFor(consumer: Connection): void {
    if (this.#awaited.has(consumer) || this.#state !== 'open') return;
    this.stalls++;
    this.#awaited.add(consumer);
    consumer.#heldUp.add(this);
    if (this.#stallTimer !== undefined) return;
    this.#socket.pause();
    this.#stallTimer = setTimeout(() => this.#stopWaiting(), stallMs);
  }

  /** Reads no more until `proceed`. */
  hold(): void {
    this.#isHeld = true;
    this.#socket.pause();
  }

  /** Reads on after `hold`. */
  proceed(): void {
    this.#isHeld = false;
    if (this.#awaited.size === 0) this.#resume();
  }

  /** Writes what is queued, unless a write is under way: its end takes along what came meanwhile. */
  flush(): void {
    this.#queued = false;
    if (this.#inFlight === undefined && this.#state !== 'closed') this.#writeNext();
  }

  /** Ends the connection after writing what is pending. */
  close(reason: CloseReason): void {
    if (this.#state !== 'open') return;
    this.#finish(reason, 'closing');
    this.#closeTimer = setTimeout(() => this.#destroy(), flushMs);
    this.flush();
  }

  /** Ends the connection at once. */
  abort(reason: CloseReason): void {
    if (this.#state === 'open') this.#finish(reason, 'closed');
    this.#destroy();
  }

  /** Room for `size` bytes at `#queue.at`; undefined where the connection does not take any more. */
  #room(size: number): Buffer | undefined {
    if (this.#state !== 'open') return undefined;
    const { maxPending } = this.#transport;
    if (this.pending + size > maxPending) {
      this.#slow(`MaxPending of ${maxPending} Exceeded`, 'Slow Consumer (Pending Bytes)');
      return undefined;
    }
    const target = this.#queue.room(size);
    if (!this.#queued) {
      this.#queued = true;
      this.#transport.flusher.add(this);
    }
    if (this.#queue.full && this.#inFlight === undefined) this.#writeNext();
    return target;
  }

  #writeNext(): void {
    const next = this.#queue.take();
    if (next === undefined) {
      if (this.#state === 'closing') this.#end();
      return;
    }
    this.#inFlight = next;
    this.#writeStarted = performance.now();
    this.#deadlineTimer ??= setTimeout(this.#checkDeadline, this.#transport.writeDeadlineMs);
    this.#socket.write(next.buffer.subarray(0, next.length), this.#written);
  }

  readonly #written = (error?: Error | null): void => {
    if (error) this.abort('Write Error');
    if (this.#inFlight === undefined || this.#state === 'closed') return;
    this.#queue.give(this.#inFlight.buffer);
    this.#inFlight = undefined;
    this.#stuck = false;
    this.#writeNext();
    if (this.#heldUp.size > 0 && this.#hasCaughtUp()) this.#letGo();
  };

  readonly #checkDeadline = (): void => {
    this.#deadlineTimer = undefined;
    if (this.#inFlight === undefined) return;
    const { writeDeadlineMs } = this.#transport;
    const left = writeDeadlineMs - (performance.now() - this.#writeStarted);
    if (left > 0) {
      this.#deadlineTimer = setTimeout(this.#checkDeadline, left);
      return;
    }
    const deadline = formatDuration(writeDeadlineMs);
    const text = `WriteDeadline of ${deadline} exceeded with ${this.pending} bytes pending.`;
    this.#slow(text, 'Slow Consumer (Write Deadline)');
  };

  #slow(text: string, reason: CloseReason): void {
    if (this.#state === 'open') this.#owner.slow(`Slow Consumer Detected: ${text}`);
    this.abort(reason);
  }

  #stopWaiting(): void {
    for (const consumer of this.#awaited) {
      consumer.#heldUp.delete(this);
      consumer.#stuck = true;
    }
    this.#awaited.clear();
    this.#resume();
  }

  #hasCaughtUp(): boolean {
    return this.pending < Math.min(behindBytes, this.#transport.maxPending) / 2;
  }

  #letGo(): void {
    for (const publisher of this.#heldUp) {
      publisher.#awaited.delete(this);
      if (publisher.#awaited.size === 0) publisher.#resume();
    }
    this.#heldUp.clear();
  }

  #resume(): void {
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    if (this.#state === 'open' && !this.#isHeld) this.#socket.resume();
  }

  #listen(): void {
    this.#socket.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose);
  }

  readonly #onEnd = (): void => {
    this.#peerEnded = true;
    if (this.#state === 'open') this.close('Client Closed');
    else if (this.#inFlight === undefined) this.#destroy();
  };

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.abort(error.syscall === 'write' ? 'Write Error' : 'Read Error');
  };

  readonly #onClose = (): void => {
    this.abort('Client Closed');
  };

  /** Leaves the open state: nobody waits for this connection any more and its owner is told. */
  #finish(reason: CloseReason, state: 'closing' | 'closed'): void {
    this.#state = state;
    clearTimeout(this.#stallTimer);
    for (const consumer of this.#awaited) consumer.#heldUp.delete(this);
    this.#awaited.clear();
    this.#letGo();
    this.#owner.closed(reason);
  }

  #end(): void {
    this.#socket.end();
    if (this.#peerEnded) {
      this.#socket.destroySoon();
      return;
    }
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.#destroy(), lingerMs);
    // What the peer still sends is read and dropped: unread bytes would make the kernel reset the connection.
    this.#socket.resume();
  }

  #destroy(): void {
    this.#state = 'closed';
    clearTimeout(this.#closeTimer);
    clearTimeout(this.#deadlineTimer);
    this.#queue.clear();
    this.#socket.destroy();
  }
}
