// Frames that a client of a WebSocket may send and must not send, and the frames of the server.
import { describe, expect, it } from 'vitest';
import { code, frame } from '../harness/frames.ts';
import { connectLine } from '../harness/socket.ts';
import { compressed, openWebSocket, type WebSocketStream } from '../harness/websocket.ts';
import { conformanceOverWebSocket, type Suite } from './suite.ts';

const plain = 'websocket { listen: "127.0.0.1:-1", no_tls: true';
const deflate = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };
const browser = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0.0.0 Safari/537.36' };
const safari = { 'User-Agent': 'Mozilla/5.0 (Macintosh) Version/18.0 Safari/605.1.15' };

/** A WebSocket whose frames a test writes itself. */
class Raw {
  readonly stream: WebSocketStream;
  /** What the server has sent of the protocol. */
  text = '';
  readonly ended: Promise<void>;
  #changed = () => {};

  private constructor(stream: WebSocketStream) {
    this.stream = stream;
    stream.setEncoding('latin1').on('data', (text: string) => {
      this.text += text;
      this.#changed();
    });
    stream.on('error', () => {});
    this.ended = new Promise((resolve) => {
      stream.on('close', () => {
        this.#changed();
        resolve();
      });
    });
  }

  /** Opens a WebSocket of a suite; the INFO has arrived. */
  static async open(suite: Suite, headers: Record<string, string> = {}): Promise<Raw> {
    const raw = new Raw(await openWebSocket(suite.port, { headers }));
    await raw.has('\r\n');
    return raw;
  }

  send(...frames: Buffer[]): void {
    this.stream.sendFrame(Buffer.concat(frames));
  }

  /** Resolves when the server has sent this; rejects when the connection ends before. */
  has(text: string): Promise<void> {
    return this.#until(() => this.text.includes(text));
  }

  /** Resolves when the server has processed everything sent so far. */
  settled(): Promise<void> {
    this.send(frame('PING\r\n'));
    return this.answers(1);
  }

  /** Resolves when the server has sent this many more PONGs. */
  answers(count: number): Promise<void> {
    const pongs = () => this.text.split('PONG\r\n').length;
    const before = pongs();
    return this.#until(() => pongs() >= before + count);
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.stream.destroyed) throw new Error(`closed after ${this.text}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  close(): void {
    this.stream.destroy();
  }
}

const hello = `${connectLine({})}PING\r\n`;

conformanceOverWebSocket('frames', `max_payload: 1000\n${plain}, compression: true }`, (suite) => {
  /** Runs a test with a connection that ends with it. */
  const withRaw = async (headers: Record<string, string>, test: (raw: Raw) => Promise<void>) => {
    const raw = await Raw.open(suite, headers);
    try {
      await test(raw);
    } finally {
      raw.close();
    }
  };

  it.each<[string, Buffer[]]>([
    ['a text message', [frame(hello, { code: code.text })]],
    ['a message without content before it', [frame(''), frame(hello)]],
    [
      'a fragment of each byte',
      [...hello].map((byte, index) =>
        frame(byte, { code: index === 0 ? 2 : 0, isFinal: index === hello.length - 1 }),
      ),
    ],
    [
      'a fragment without content',
      [frame(hello, { isFinal: false }), frame('', { code: code.continuation })],
    ],
    [
      'a pong between fragments',
      [
        frame(hello.slice(0, 5), { isFinal: false }),
        frame('x', { code: code.pong }),
        frame(hello.slice(5), { code: code.continuation }),
      ],
    ],
    [
      'a length in more bytes than it needs',
      [Buffer.concat([Buffer.from([0x82, 0xfe, 0, 6, 0, 0, 0, 0]), Buffer.from('PING\r\n')])],
    ],
  ])('accepts %s', (_what, frames) =>
    withRaw({}, async (raw) => {
      raw.send(...frames);
      await raw.has('PONG\r\n');
    }),
  );

  it('accepts frames in any pieces', () =>
    withRaw({}, async (raw) => {
      const s = suite.subject();
      const line = `PUB ${s} 200\r\n${'x'.repeat(200)}\r\n`;
      const bytes = Buffer.concat([
        frame(`${connectLine({})}SUB ${s} 1\r\n`),
        frame(line.slice(0, 30), { isFinal: false }),
        frame(line.slice(30), { code: code.continuation }),
        frame('PING\r\n'),
      ]);
      for (const byte of bytes) raw.stream.sendFrame(Buffer.from([byte]));
      await raw.has('PONG\r\n');
      expect(raw.text).toContain(`MSG ${s} 1 200\r\n${'x'.repeat(200)}\r\n`);
    }));

  it('answers a ping with its content', () =>
    withRaw({}, async (raw) => {
      raw.send(
        frame(hello),
        frame('', { code: code.ping }),
        frame('content', { code: code.ping }),
        frame('PING\r\n'),
      );
      await raw.settled();
      const pongs = raw.stream.frames.filter(({ code: own }) => own === code.pong);
      expect(pongs.map(({ payload }) => String(payload))).toEqual(['', 'content']);
    }));

  it('accepts frames without a mask of a client that asked for it', () =>
    withRaw({ 'Nats-No-Masking': 'true' }, async (raw) => {
      raw.send(frame(hello, { isMasked: false }));
      await raw.has('PONG\r\n');
    }));

  it.each<[string, Buffer, string]>([
    ['a frame without a mask', frame('', { isMasked: false }), 'mask bit missing'],
    ['a second reserved bit', frame('', { reserved: 2 }), 'RSV2 and RSV3 must be clear'],
    ['a third reserved bit', frame('', { reserved: 1 }), 'RSV2 and RSV3 must be clear'],
    [
      'a compressed message that was not negotiated',
      frame('', { reserved: 4 }),
      'compressed frame received without negotiated permessage-deflate',
    ],
    ['the code of no data frame', frame('', { code: 3 }), 'unknown opcode 3'],
    ['the code of no control frame', frame('', { code: 11 }), 'unknown opcode 11'],
    [
      'a ping of 126 bytes',
      frame(Buffer.alloc(126), { code: code.ping }),
      'control frame length bigger than maximum allowed of 125 bytes',
    ],
    [
      'a fragment of a ping',
      frame('', { code: code.ping, isFinal: false }),
      'control frame does not have final bit set',
    ],
    ['a continuation of nothing', frame('', { code: code.continuation }), 'invalid continuation frame'],
    [
      'a message within another',
      Buffer.concat([frame('', { isFinal: false }), frame('')]),
      'new message started before final frame for previous message was received',
    ],
    ['a length of 64 bits', frame('', { length: 2n ** 63n }), 'invalid 64-bit payload length'],
    ['a close frame of one byte', frame('x', { code: code.close }), 'close frame payload cannot be 1 byte'],
    [
      'a close frame with a reserved status',
      frame(Buffer.from([3, 0xed]), { code: code.close }),
      'invalid close status code 1005',
    ],
  ])('ends the connection after %s', (_what, bytes, problem) =>
    withRaw({}, async (raw) => {
      raw.send(frame(hello));
      await raw.has('PONG\r\n');
      const logged = suite.server.logged(new RegExp(`wid:\\d+ .*read error: ${problem}`));
      raw.send(bytes);
      await Promise.all([raw.ended, logged]);
      // nats-server prepares the same close frame and rarely gets to send it.
      if (suite.kind === 'broker') {
        expect(raw.stream.closing?.readUInt16BE()).toBe(1002);
        expect(raw.stream.closing?.toString('latin1', 2)).toBe(problem);
      }
    }),
  );

  it.each<[string, Buffer, Buffer]>([
    ['without a status', frame('', { code: code.close }), Buffer.alloc(0)],
    ['with a status', frame(Buffer.from([3, 0xe8]), { code: code.close }), Buffer.from([3, 0xe8])],
    [
      'with a reason',
      frame(Buffer.from('\x0f\xa0bye', 'latin1'), { code: code.close }),
      Buffer.from('\x0f\xa0bye', 'latin1'),
    ],
    [
      'with an invalid reason',
      frame(Buffer.from([3, 0xe8, 0xff]), { code: code.close }),
      Buffer.from('\x03\xefinvalid utf8 body in close frame', 'latin1'),
    ],
  ])('answers a close frame %s', (_what, bytes, expected) =>
    withRaw({}, async (raw) => {
      raw.send(frame(hello), bytes);
      await raw.ended;
      expect(raw.text).toContain('PONG\r\n');
      expect(raw.stream.closing).toEqual(expected);
    }),
  );

  it('names the reason in its own close frame', () =>
    withRaw({}, async (raw) => {
      raw.send(frame(connectLine({})), frame('PUB a 1001\r\n'));
      await raw.ended;
      expect(raw.text).toMatch(/-ERR 'Maximum Payload Violation'\r\n$/);
      expect(raw.stream.closing?.readUInt16BE()).toBe(1009);
      expect(raw.stream.closing?.toString('latin1', 2)).toBe('Maximum Message Payload Exceeded');
    }));

  describe('with compression', () => {
    it('are compressed above 64 bytes, each message on its own', () =>
      withRaw(deflate, async (raw) => {
        raw.send(frame(`${connectLine({})}SUB a 1\r\n`));
        await raw.settled();
        for (const size of [20, 300]) {
          raw.send(frame(`PUB a ${size}\r\n${'x'.repeat(size)}\r\n`));
          await raw.settled();
          expect(raw.text).toContain(`MSG a 1 ${size}\r\n${'x'.repeat(size)}\r\n`);
        }
        const [info, ...others] = raw.stream.frames;
        expect(info).toMatchObject({ isCompressed: true, isFinal: true });
        for (const { isCompressed, payload } of others) {
          if (isCompressed) expect(payload.length).toBeLessThan(100);
          else expect(payload.length).toBeLessThanOrEqual(64);
        }
        expect(others.some(({ isCompressed }) => isCompressed)).toBe(true);
      }));

    it('may be compressed, fragmented and interrupted', () =>
      withRaw(deflate, async (raw) => {
        const content = compressed(`${hello}${'PING\r\n'.repeat(50)}`);
        raw.send(
          frame(content.subarray(0, 9), { isFinal: false, reserved: 4 }),
          frame('now', { code: code.ping }),
          frame(content.subarray(9), { code: code.continuation }),
          frame('PING\r\n'),
        );
        await raw.has('PONG\r\n'.repeat(52));
      }));

    it.each<[string, Buffer[], string]>([
      [
        'a message of more than max_payload',
        [frame(compressed('PING\r\n'.repeat(1000)), { reserved: 4 })],
        'maximum payload exceeded',
      ],
      ['a bomb', [frame(compressed(Buffer.alloc(2_000_000)), { reserved: 4 })], 'maximum payload exceeded'],
      [
        'a compressed message without end',
        Array.from({ length: 100 }, (_, index) =>
          frame(Buffer.alloc(200), {
            isFinal: false,
            reserved: index === 0 ? 4 : 0,
            code: index === 0 ? 2 : 0,
          }),
        ),
        'maximum payload exceeded',
      ],
      [
        'a compressed ping',
        [frame('', { code: code.ping, reserved: 4 })],
        'control frame must not be compressed',
      ],
      [
        'a compressed continuation',
        [frame('', { isFinal: false }), frame('', { code: code.continuation, reserved: 4 })],
        'invalid continuation frame',
      ],
    ])('end the connection after %s', (_what, frames, problem) =>
      withRaw(deflate, async (raw) => {
        raw.send(frame(hello));
        await raw.has('PONG\r\n');
        const bombs = /Client parser ERROR|read error: maximum payload exceeded/;
        const logged = suite.server.logged(
          problem.startsWith('maximum') ? bombs : new RegExp(`read error: ${problem}`),
        );
        raw.send(...frames);
        await Promise.all([raw.ended, logged]);
        if (suite.kind === 'broker') expect(raw.stream.closing?.toString('latin1', 2)).toBe(problem);
      }),
    );

    it('end the connection after an invalid compressed message', () =>
      withRaw(deflate, async (raw) => {
        raw.send(frame(hello));
        await raw.has('PONG\r\n');
        raw.send(frame('\x07\x07\x07\x07', { reserved: 4 }));
        await raw.ended;
      }));
  });

  it.each<[string, Record<string, string>, number]>([
    ['a browser', browser, 4096],
    ['a browser with compression', { ...browser, ...deflate }, 4096],
    ['Safari with compression', { ...safari, ...deflate }, 1_000_000],
    ['another client', {}, 1_000_000],
  ])('to %s have at most the size that suits it', (_what, headers, most) =>
    withRaw(headers, async (raw) => {
      const s = suite.subject();
      raw.send(frame(`${connectLine({})}SUB ${s} 1\r\n`));
      await raw.settled();
      // Text that deflate hardly shortens.
      const noise = Array.from({ length: 900 }, (_, index) =>
        String.fromCharCode(33 + ((index * index * 7919 + index * 104_729) % 90)),
      ).join('');
      for (let sent = 0; sent < 40; sent++) raw.send(frame(`PUB ${s} 900\r\n${noise}\r\n`));
      await raw.settled();
      expect(raw.text.split(`MSG ${s} 1 900\r\n${noise}\r\n`).length).toBe(41);
      expect(Math.max(...raw.stream.frames.map(({ payload }) => payload.length))).toBeLessThanOrEqual(most);
    }),
  );
});

conformanceOverWebSocket('frames without end', plain.concat(' }'), (suite) => {
  it('cost nothing but their bytes', async () => {
    const raw = await Raw.open(suite);
    const other = await suite.connect();
    raw.send(frame(hello, { isFinal: false }));
    const line = 'PUB a 4\r\nxxxx\r\n';
    // One message of 20,000 fragments, and one frame that never ends.
    const fragment = frame(line, { isFinal: false, code: code.continuation });
    raw.send(...Array.from({ length: 20_000 }, () => fragment));
    raw.send(frame('PING\r\n', { code: code.continuation }));
    await raw.has('PONG\r\n');
    raw.send(frame(`${line.repeat(50_000)}PING\r\n`, { length: 2n ** 62n }));
    await raw.answers(1);
    // The server may have pinged it meanwhile.
    expect(['', 'PING\r\n']).toContain(await other.drain());
    raw.close();
  });
});
