// A client that parses what it receives and answers PING, over TCP or TLS. It does not reconnect.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, TLSSocket } from 'node:tls';
import { connectLine, openSocket, upgradeSocket } from './socket.ts';
import { openWebSocket, type UpgradeOptions } from './websocket.ts';

export interface Message {
  readonly subject: string;
  readonly reply: string | undefined;
  /** The header block as received; undefined without headers. */
  readonly headers: string | undefined;
  readonly payload: string;
}

export interface Publish {
  readonly reply?: string;
  /** The header block, with its version line and the final empty line. */
  readonly headers?: string;
}

/** Milliseconds that a test waits before it fails with what has arrived instead. */
const patience = 15_000;

/** The messages of one subscription in order. */
export class Inbox {
  readonly messages: Message[] = [];
  readonly sid: number;
  #changed = () => {};

  constructor(sid: number) {
    this.sid = sid;
  }

  add(message: Message): void {
    this.messages.push(message);
    this.#changed();
  }

  get payloads(): string[] {
    return this.messages.map(({ payload }) => payload);
  }

  /** Resolves with all messages once there are `count`. */
  async has(count: number): Promise<Message[]> {
    const deadline = setTimeout(() => this.#changed(), patience);
    const until = performance.now() + patience;
    while (this.messages.length < count) {
      if (performance.now() > until) {
        throw new Error(`expected ${count} messages, received ${this.messages.length}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    clearTimeout(deadline);
    return this.messages;
  }
}

export class Client {
  /** The last INFO. */
  info: Record<string, unknown> = {};
  /** The -ERR lines of the server, and those that no server should send. */
  readonly errors: string[] = [];
  readonly #socket: Duplex;
  /** The socket below a WebSocket. */
  readonly #carrier: Duplex;
  readonly #inboxes = new Map<string, Inbox>();
  readonly #onPong: (() => void)[] = [];
  #chunks: Buffer[] = [];
  #length = 0;
  /** Number of bytes needed before the next message is complete. */
  #wanted = 0;
  #sid = 0;
  #onInfo = () => {};
  #ending: string | undefined;
  /** Resolves to the reason when the connection has ended. */
  readonly closed: Promise<string>;

  private constructor(socket: Duplex, carrier = socket) {
    this.#socket = socket;
    this.#carrier = carrier;
    socket.on('data', (chunk) => this.#receive(chunk));
    let reason: string | undefined;
    socket.on('error', ({ message }) => {
      reason = message;
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#ending = this.errors.at(-1) ?? reason ?? 'closed';
        for (const go of this.#onPong.splice(0)) go();
        resolve(this.#ending);
      });
    });
  }

  /**
   * Connects to a port of this host; resolves when the server has answered, or closed the connection.
   * @param options additional members of CONNECT
   * @param tls upgrades to TLS after the INFO; rejects when this side rejects the server
   */
  static async connect(port: number, options: object = {}, tls?: ConnectionOptions): Promise<Client> {
    const plain = await openSocket(port);
    const client = tls === undefined ? new Client(plain) : await Client.#upgrade(plain, tls);
    return client.#logIn(options);
  }

  /** Connects by a WebSocket; rejects when either side rejects the other. */
  static async connectWebSocket(
    port: number,
    upgrade: UpgradeOptions,
    options: object = {},
  ): Promise<Client> {
    const stream = await openWebSocket(port, upgrade);
    const client = await new Client(stream, stream.carrier).#logIn(options);
    client.#throwIfEnded();
    return client;
  }

  /** Connects over TLS, and rejects as well when the server rejects this client. */
  static async connectTls(port: number, tls: ConnectionOptions): Promise<Client> {
    // In TLS 1.3 the client's handshake completes before the server has verified the client's certificate.
    const client = await Client.connect(port, {}, tls);
    client.#throwIfEnded();
    return client;
  }

  async #logIn(options: object): Promise<this> {
    const usual = { headers: true, no_responders: true, protocol: 1, lang: 'test', version: '1' };
    this.send(connectLine({ ...usual, ...options }));
    await this.flush();
    return this;
  }

  /** Reads the INFO and continues over TLS; closes the connection when either fails. */
  static async #upgrade(plain: Socket, tls: ConnectionOptions): Promise<Client> {
    const closed = once(plain, 'close').then(() => Promise.reject(new Error('closed before the handshake')));
    closed.catch(() => {});
    try {
      let line = '';
      while (!line.includes('\r\n')) line += (await Promise.race([once(plain, 'data'), closed]))[0];
      const client = new Client(await upgradeSocket(plain, tls));
      client.info = JSON.parse(line.slice('INFO '.length));
      return client;
    } catch (error) {
      plain.destroy();
      throw error;
    }
  }

  /** The serial number of the server's certificate, in lower-case hex; empty without TLS. */
  get serverSerial(): string {
    const carrier = this.#carrier;
    const certificate = carrier instanceof TLSSocket ? carrier.getPeerX509Certificate() : undefined;
    return certificate?.serialNumber.toLowerCase() ?? '';
  }

  /** Subscribes without waiting. @param queue a queue group */
  subscribe(subject: string, queue = ''): Inbox {
    const inbox = new Inbox(++this.#sid);
    this.#inboxes.set(String(inbox.sid), inbox);
    this.#socket.write(`SUB ${subject} ${queue === '' ? '' : `${queue} `}${inbox.sid}\r\n`);
    return inbox;
  }

  /**
   * Subscribes to several subjects, with one inbox for all their messages.
   * @param onMessage takes the messages, which the inbox then does not keep
   */
  subscribeAll(subjects: readonly string[], onMessage?: (message: Message) => void): Inbox {
    const inbox = new Inbox(0);
    if (onMessage !== undefined) inbox.add = onMessage;
    const lines = subjects.map((subject) => {
      this.#inboxes.set(String(++this.#sid), inbox);
      return `SUB ${subject} ${this.#sid}\r\n`;
    });
    this.#socket.write(lines.join(''));
    return inbox;
  }

  unsubscribe({ sid }: Inbox): void {
    this.#socket.write(`UNSUB ${sid}\r\n`);
  }

  /** Subscribes and responds to every request. */
  respond(subject: string, answer: (request: Message) => string, queue = ''): Inbox {
    const inbox = this.subscribe(subject, queue);
    const add = inbox.add.bind(inbox);
    inbox.add = (message) => {
      add(message);
      if (message.reply !== undefined) this.publish(message.reply, answer(message));
    };
    return inbox;
  }

  publish(subject: string, payload: string | Buffer = '', { reply, headers }: Publish = {}): void {
    const to = reply === undefined ? subject : `${subject} ${reply}`;
    const length = Buffer.byteLength(payload);
    // One write of the whole operation where it is text: over TLS, each write is a record.
    const size = Buffer.byteLength(headers ?? '');
    const operation = headers === undefined ? `PUB ${to} ${length}` : `HPUB ${to} ${size} ${size + length}`;
    const head = `${operation}\r\n${headers ?? ''}`;
    if (typeof payload === 'string') this.#socket.write(`${head}${payload}\r\n`);
    else for (const part of [head, payload, '\r\n']) this.#socket.write(part);
  }

  /** Sends operations verbatim. */
  send(operations: string | Buffer): void {
    this.#socket.write(operations);
  }

  /** Sends a request and resolves with the first response, which may be a 503 without responders. */
  async request(subject: string, payload = '', options: Publish = {}): Promise<Message> {
    const reply = `_INBOX.${Math.random().toString(36).slice(2)}`;
    const inbox = this.subscribe(reply);
    this.publish(subject, payload, { ...options, reply });
    const [answer] = await inbox.has(1);
    this.unsubscribe(inbox);
    this.#inboxes.delete(String(inbox.sid));
    return answer as Message;
  }

  /** Resolves when the server has processed everything sent so far, or the connection has ended. */
  flush(): Promise<void> {
    if (this.#ending !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onPong.push(resolve);
      this.#socket.write('PING\r\n');
    });
  }

  /** Resolves when an INFO satisfies a condition. */
  async informed(holds: (info: Record<string, unknown>) => boolean): Promise<void> {
    const until = performance.now() + patience;
    const deadline = setTimeout(() => this.#onInfo(), patience);
    while (!holds(this.info)) {
      if (performance.now() > until) throw new Error(`the last INFO was ${JSON.stringify(this.info)}`);
      await new Promise<void>((resolve) => {
        this.#onInfo = resolve;
      });
    }
    clearTimeout(deadline);
  }

  /** Resolves when the server has processed everything sent so far; rejects when the connection has ended. */
  async processed(): Promise<void> {
    await this.flush();
    this.#throwIfEnded();
  }

  close(): void {
    this.#socket.destroy();
  }

  #throwIfEnded(): void {
    if (this.#ending !== undefined) throw new Error(this.#ending);
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const at = this.#parse(bytes);
    this.#chunks = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#length = bytes.length - at;
  }

  /** Returns the offset of the first incomplete operation. */
  #parse(bytes: Buffer): number {
    let at = 0;
    this.#wanted = 0;
    for (;;) {
      const end = bytes.indexOf('\r\n', at);
      if (end < 0) return at;
      const line = bytes.toString('latin1', at, end);
      const words = line.split(' ');
      if (words[0] !== 'MSG' && words[0] !== 'HMSG') {
        this.#handleLine(line);
        at = end + 2;
        continue;
      }
      const size = Number(words.at(-1));
      if (bytes.length < end + 2 + size + 2) {
        this.#wanted = end - at + 2 + size + 2;
        return at;
      }
      this.#deliver(words, bytes.subarray(end + 2, end + 2 + size));
      at = end + 2 + size + 2;
    }
  }

  #deliver(words: string[], body: Buffer): void {
    const [kind, subject = '', sid = '', ...rest] = words;
    const sizes = kind === 'HMSG' ? 2 : 1;
    const reply = rest.length > sizes ? rest[0] : undefined;
    const headerSize = kind === 'HMSG' ? Number(rest.at(-2)) : 0;
    this.#inboxes.get(sid)?.add({
      subject,
      reply,
      headers: headerSize > 0 ? body.toString('utf8', 0, headerSize) : undefined,
      payload: body.toString('utf8', headerSize),
    });
  }

  #handleLine(line: string): void {
    if (line.startsWith('INFO ')) {
      this.info = JSON.parse(line.slice(5));
      this.#onInfo();
    } else if (line === 'PING') this.#socket.write('PONG\r\n');
    else if (line === 'PONG') this.#onPong.shift()?.();
    else if (line !== '+OK') this.errors.push(line);
  }
}
