// A client for the tests of clusters: it keeps what it receives and answers PING. It neither supports TLS nor
// reconnects.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

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
  /** The -ERR lines of the server. */
  readonly errors: string[] = [];
  readonly #socket: Socket;
  readonly #inboxes = new Map<string, Inbox>();
  readonly #onPong: (() => void)[] = [];
  #chunks: Buffer[] = [];
  #length = 0;
  /** Number of bytes needed before the next message is complete. */
  #wanted = 0;
  #sid = 0;
  #onInfo = () => {};
  #isClosed = false;
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true;
        for (const go of this.#onPong.splice(0)) go();
        resolve();
      });
    });
  }

  /**
   * Connects to a port of this host; resolves when the server has answered.
   * @param options additional members of CONNECT
   */
  static async connect(port: number, options: object = {}): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const client = new Client(socket);
    const usual = { verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1 };
    socket.write(`CONNECT ${JSON.stringify({ ...usual, lang: 'test', version: '1', ...options })}\r\n`);
    await client.flush();
    return client;
  }

  /** Subscribes without waiting. @param queue a queue group */
  subscribe(subject: string, queue = ''): Inbox {
    const inbox = new Inbox(++this.#sid);
    this.#inboxes.set(String(inbox.sid), inbox);
    this.#socket.write(`SUB ${subject} ${queue === '' ? '' : `${queue} `}${inbox.sid}\r\n`);
    return inbox;
  }

  /** Subscribes to several subjects, with one inbox for all their messages. */
  subscribeAll(subjects: readonly string[]): Inbox {
    const inbox = new Inbox(0);
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
    if (headers === undefined) this.#socket.write(`PUB ${to} ${length}\r\n`);
    else {
      const size = Buffer.byteLength(headers);
      this.#socket.write(`HPUB ${to} ${size} ${size + length}\r\n${headers}`);
    }
    this.#socket.write(payload);
    this.#socket.write('\r\n');
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
    if (this.#isClosed) return Promise.resolve();
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

  close(): void {
    this.#socket.destroy();
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
    else if (line.startsWith('-ERR')) this.errors.push(line);
  }
}
