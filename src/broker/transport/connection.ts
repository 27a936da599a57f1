// The transport of one TCP or TLS connection: coalesces output with one write in flight, disconnects slow consumers and
// applies back-pressure to publishers. It handles bytes only; its owner interprets them.
import type { Socket } from 'node:net';
import { formatDuration } from '../../duration.ts';
import { formatHostPort } from '../../net/host-port.ts';
import { messageSize, routedSize } from '../../protocol/message-writer.ts';
import type { Publication } from '../../protocol/operations.ts';
import type { CloseReason } from '../../protocol/violations.ts';
import type { FramedConnection, Framing } from './framing.ts';
import { type Output, OutputQueue } from './output.ts';
import { readInto } from './read-buffer.ts';
import type { Transport } from './transport.ts';

/** Receives the bytes and events of one connection. Client and route sessions implement it. */
export interface ConnectionOwner {
  receive(chunk: Buffer): void;
  /** The peer is a slow consumer; `closed` follows. @param text log line in nats-server's wording */
  slowConsumer(text: string): void;
  /** Called once. Afterwards the connection delivers no bytes and drops whatever the owner writes. */
  closed(reason: CloseReason): void;
  /** The peer has sent bytes that its framing does not allow; `closed` follows. */
  invalidFrame?(problem: string): void;
}

/** A consumer falls behind above this many pending bytes, and has caught up below half of it. */
const behindBytes = 2 * 1024 * 1024;

/** Milliseconds that input of one connection may take before the others have their turn. */
const maxBusyMs = 5;

/** Longest stall of a publisher, in milliseconds (client.go, stallTotalAllowed). */
const stallMs = 10;

/** Time that a closing connection has to write its pending bytes, in milliseconds. */
const flushMs = 2000;

/** Time that the peer has to close after our last byte, in milliseconds. An immediate close could lose that byte. */
const lingerMs = 250;

export class Connection implements FramedConnection {
  readonly remoteAddress: string;
  /** Address and port of the peer, as log lines name it. */
  readonly peer: string;
  readonly remotePort: number;
  /** Number of times that a consumer stalled this publisher. */
  stalls = 0;
  #socket: Socket;
  #state: 'open' | 'closing' | 'closed' = 'open';
  readonly #owner: ConnectionOwner;
  readonly #transport: Transport;
  readonly #queue: OutputQueue;
  /** Undefined where the socket carries the protocol as it is. */
  readonly #framing: Framing | undefined;
  /** Whether the flusher has this connection in its list. */
  #queued = false;
  #inFlight: Output | undefined;
  #writeStarted = 0;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #peerEnded = false;
  /** Publishers that this consumer stalls. */
  readonly #stalledPublishers = new Set<Connection>();
  /** Consumers that stall this publisher. */
  readonly #stallingConsumers = new Set<Connection>();
  #stallTimer: NodeJS.Timeout | undefined;
  #isPaused = false;
  /** Milliseconds that the owner has taken for input since this connection last yielded. */
  #busyMs = 0;
  #isYielding = false;
  /** Whether a stall for this consumer has timed out since its last completed write. */
  #stallTimedOut = false;

  constructor(socket: Socket, transport: Transport, owner: ConnectionOwner, framing?: Framing) {
    this.#socket = socket;
    this.#transport = transport;
    this.#owner = owner;
    this.#framing = framing;
    this.#queue = framing?.queue ?? new OutputQueue(transport.pool);
    this.remoteAddress = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    this.remotePort = socket.remotePort ?? 0;
    this.peer = formatHostPort({ host: this.remoteAddress, port: this.remotePort });
    this.#listen();
  }

  /** Writes immediately, past the queue: for bytes that must precede a TLS handshake. */
  writeNow(line: Buffer): void {
    if (this.#framing === undefined) {
      this.#socket.write(line);
    } else {
      this.write(line);
      this.flush();
    }
  }

  /** Releases the socket to a TLS handshake; `secure` takes over the resulting socket. */
  release(): Socket {
    this.#socket.off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose);
    return this.#socket;
  }

  /** Continues over TLS. */
  secure(socket: Socket): void {
    this.#socket = socket;
    this.#listen();
    // The socket may have closed before these listeners were added, or this side may have ended the connection.
    if (socket.destroyed || this.#state !== 'open') this.abort('Read Error');
  }

  /** Starts reading. */
  open(): void {
    readInto(this.#socket, this.#transport.readBuffer, (chunk) => {
      if (this.#state !== 'open') return;
      const start = performance.now();
      if (this.#framing === undefined) this.#owner.receive(chunk);
      else this.#framing.read(chunk, this);
      this.#busyMs += performance.now() - start;
      if (this.#busyMs > maxBusyMs) this.#yield();
    });
  }

  /** Lets the event loop serve other connections: libuv reads one socket up to 32 times before it turns to the next. */
  #yield(): void {
    if (this.#isYielding) return;
    this.#isYielding = true;
    this.#socket.pause();
    setImmediate(() => {
      this.#isYielding = false;
      this.#busyMs = 0;
      if (this.#stallingConsumers.size === 0) this.#resume();
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Limits the size in bytes of messages that the framing must read as a whole. */
  limitMessages(bytes: number): void {
    if (this.#framing !== undefined) this.#framing.maxMessageSize = bytes;
  }

  // Called by the framing.

  deliver(bytes: Buffer): void {
    this.#owner.receive(bytes);
  }

  refuse(problem: string): void {
    this.#owner.invalidFrame?.(problem);
    this.close('Read Error');
  }

  /** Bytes that are queued or being written. */
  get pending(): number {
    return (
      this.#queue.pending + (this.#inFlight === undefined ? 0 : this.#inFlight.end - this.#inFlight.start)
    );
  }

  /** Queues a copy of `bytes`; returns false if the connection accepts no more output. */
  write(bytes: Buffer): boolean {
    const target = this.#room(bytes.length);
    if (target === undefined) return false;
    bytes.copy(target, this.#queue.at);
    this.#queue.advance(this.#queue.at + bytes.length);
    return true;
  }

  /** Queues a message; returns false if the connection accepts no more output. @param sid in Latin-1 */
  writeMessage(publication: Publication, sid: string, headers: boolean): boolean {
    const target = this.#room(messageSize(publication, sid));
    if (target === undefined) return false;
    const { writer } = this.#transport;
    this.#queue.advance(writer.writeMessage(target, this.#queue.at, publication, sid, headers));
    return true;
  }

  /**
   * Queues a message for a route; returns false if the connection accepts no more output.
   * @param account with a trailing space, as each of `queues`
   */
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

  /** Whether to stall publishers for this consumer. After a stall has timed out, only `isFarBehind` counts. */
  get stallsPublishers(): boolean {
    return this.isFarBehind || (this.pending > behindBytes && !this.#stallTimedOut);
  }

  /** Whether pending output exceeds three quarters of its maximum (client.go, queueOutbound). */
  get isFarBehind(): boolean {
    return this.pending > 0.75 * this.#transport.maxPending;
  }

  /** Stalls this publisher: stops reading until `consumer` has caught up, for at most `stallMs`. */
  stallFor(consumer: Connection): void {
    if (this.#stallingConsumers.has(consumer) || this.#state !== 'open') return;
    this.stalls++;
    this.#stallingConsumers.add(consumer);
    consumer.#stalledPublishers.add(this);
    if (this.#stallTimer !== undefined) return;
    this.#socket.pause();
    this.#stallTimer = setTimeout(() => this.#endStalls(), stallMs);
  }

  /** Stops reading until `resumeReading`. */
  pauseReading(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  /** Resumes reading after `pauseReading`. */
  resumeReading(): void {
    this.#isPaused = false;
    if (this.#stallingConsumers.size === 0) this.#resume();
  }

  /** Writes the queued bytes, unless a write is in flight: its completion writes what was queued meanwhile. */
  flush(): void {
    this.#queued = false;
    if (this.#inFlight === undefined && this.#state !== 'closed') this.#writeNext();
  }

  /** Ends the connection after writing its pending bytes. */
  close(reason: CloseReason): void {
    if (this.#state !== 'open') return;
    this.#finish(reason, 'closing');
    this.#closeTimer = setTimeout(() => this.#destroy(), flushMs);
    this.#framing?.end(reason);
    this.flush();
  }

  /** Ends the connection immediately and drops its pending bytes. */
  abort(reason: CloseReason): void {
    if (this.#state === 'open') this.#finish(reason, 'closed');
    this.#destroy();
  }

  /** Prepares to queue `size` bytes; returns false if the connection accepts no more output. */
  mayQueue(size: number): boolean {
    if (this.#state !== 'open') return false;
    const { maxPending, flusher } = this.#transport;
    if (this.pending + size > maxPending) {
      this.#closeSlowConsumer(`MaxPending of ${maxPending} Exceeded`, 'Slow Consumer (Pending Bytes)');
      return false;
    }
    if (!this.#queued) {
      this.#queued = true;
      flusher.add(this);
    }
    return true;
  }

  /** Returns a buffer with room for `size` bytes at `#queue.at`; undefined if the connection accepts no more output. */
  #room(size: number): Buffer | undefined {
    if (!this.mayQueue(size)) return undefined;
    const target = this.#queue.room(size);
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
    this.#socket.write(next.buffer.subarray(next.start, next.end), this.#written);
  }

  readonly #written = (error?: Error | null): void => {
    if (error) this.abort('Write Error');
    if (this.#inFlight === undefined || this.#state === 'closed') return;
    this.#queue.give(this.#inFlight.buffer);
    this.#inFlight = undefined;
    this.#stallTimedOut = false;
    this.#writeNext();
    if (this.#stalledPublishers.size > 0 && this.#hasCaughtUp()) this.#releasePublishers();
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
    this.#closeSlowConsumer(text, 'Slow Consumer (Write Deadline)');
  };

  #closeSlowConsumer(text: string, reason: CloseReason): void {
    if (this.#state === 'open') this.#owner.slowConsumer(`Slow Consumer Detected: ${text}`);
    this.abort(reason);
  }

  #endStalls(): void {
    for (const consumer of this.#stallingConsumers) {
      consumer.#stalledPublishers.delete(this);
      consumer.#stallTimedOut = true;
    }
    this.#stallingConsumers.clear();
    this.#resume();
  }

  #hasCaughtUp(): boolean {
    return this.pending < Math.min(behindBytes, this.#transport.maxPending) / 2;
  }

  #releasePublishers(): void {
    for (const publisher of this.#stalledPublishers) {
      publisher.#stallingConsumers.delete(this);
      if (publisher.#stallingConsumers.size === 0) publisher.#resume();
    }
    this.#stalledPublishers.clear();
  }

  #resume(): void {
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    if (this.#state === 'open' && !this.#isPaused && !this.#isYielding) this.#socket.resume();
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

  /** Leaves the open state: releases the publishers that it stalls and notifies the owner. */
  #finish(reason: CloseReason, state: 'closing' | 'closed'): void {
    this.#state = state;
    clearTimeout(this.#stallTimer);
    for (const consumer of this.#stallingConsumers) consumer.#stalledPublishers.delete(this);
    this.#stallingConsumers.clear();
    this.#releasePublishers();
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
    // Read and drop what the peer still sends: unread bytes would make the kernel reset the connection.
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
