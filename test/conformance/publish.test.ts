// PUB: every form of the line, every way to make it invalid, and every position at which the stream may be split.
import { describe, expect, it } from 'vitest';
import { conformanceOnBothPorts } from './suite.ts';

const unknown = "-ERR 'Unknown Protocol Operation'\r\n";

conformanceOnBothPorts('publish', 'max_payload: 1024', (suite) => {
  describe('PUB', () => {
    it.each<[string, (s: string) => string, (s: string) => string]>([
      ['a payload', (s) => `PUB ${s} 5\r\nhello\r\n`, (s) => `MSG ${s} 1 5\r\nhello\r\n`],
      ['a reply subject', (s) => `PUB ${s} re.ply 2\r\nhi\r\n`, (s) => `MSG ${s} 1 re.ply 2\r\nhi\r\n`],
      ['an empty payload', (s) => `PUB ${s} 0\r\n\r\n`, (s) => `MSG ${s} 1 0\r\n\r\n`],
      [
        'an empty payload with a reply subject',
        (s) => `PUB ${s} r 0\r\n\r\n`,
        (s) => `MSG ${s} 1 r 0\r\n\r\n`,
      ],
      [
        'line endings within the payload',
        (s) => `PUB ${s} 6\r\na\r\n\r\nb\r\n`,
        (s) => `MSG ${s} 1 6\r\na\r\n\r\nb\r\n`,
      ],
      [
        'a payload that looks like an operation',
        (s) => `PUB ${s} 6\r\nPING\r\n\r\n`,
        (s) => `MSG ${s} 1 6\r\nPING\r\n\r\n`,
      ],
      ['a UTF-8 payload', (s) => `PUB ${s} 6\r\nžluť\r\n`, (s) => `MSG ${s} 1 6\r\nžluť\r\n`],
      ['a line in lower case', (s) => `pub ${s} 1\r\nx\r\n`, (s) => `MSG ${s} 1 1\r\nx\r\n`],
      ['a line in mixed case', (s) => `pUb ${s} 1\r\nx\r\n`, (s) => `MSG ${s} 1 1\r\nx\r\n`],
      [
        'tabs and spaces in the line',
        (s) => `PUB \t ${s}\t\tr \t1 \t\r\nx\r\n`,
        (s) => `MSG ${s} 1 r 1\r\nx\r\n`,
      ],
      ['a bare line feed after the line', (s) => `PUB ${s} 1\nx\r\n`, (s) => `MSG ${s} 1 1\r\nx\r\n`],
      [
        'a blank and a bare line feed after the line',
        (s) => `PUB ${s} 1 \nx\r\n`,
        (s) => `MSG ${s} 1 1\r\nx\r\n`,
      ],
      [
        'a size with leading zeros unchanged',
        (s) => `PUB ${s} 002\r\nhi\r\n`,
        (s) => `MSG ${s} 1 002\r\nhi\r\n`,
      ],
      [
        'a size of nine digits',
        (s) => `PUB ${s} 000000002\r\nhi\r\n`,
        (s) => `MSG ${s} 1 000000002\r\nhi\r\n`,
      ],
    ])('delivers %s', async (_, sent, delivered) => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\n${sent(s)}`);
      await client.receives(delivered(s));
    });

    it('delivers every byte value', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      client.send(
        `SUB ${s} 1\r\n`,
        Buffer.concat([Buffer.from(`PUB ${s} 256\r\n`), all, Buffer.from('\r\n')]),
      );
      await client.receives(Buffer.concat([Buffer.from(`MSG ${s} 1 256\r\n`), all, Buffer.from('\r\n')]));
    });

    it('delivers in the order of publishing', async () => {
      const publisher = await suite.connect();
      const subscriber = await suite.connect();
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\n`);
      await subscriber.receives('');
      const numbers = Array.from({ length: 500 }, (_, number) => String(number));
      publisher.send(numbers.map((number) => `PUB ${s} ${number.length}\r\n${number}\r\n`).join(''));
      await publisher.receives('');
      await subscriber.receives(
        numbers.map((number) => `MSG ${s} 1 ${number.length}\r\n${number}\r\n`).join(''),
      );
    });

    it('delivers what precedes a protocol error in the same packet', async () => {
      const publisher = await suite.connect();
      const subscriber = await suite.connect();
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\n`);
      await subscriber.receives('');
      publisher.send(`PUB ${s} 1\r\nx\r\nBUB ${s} 1\r\ny\r\nPUB ${s} 1\r\nz\r\n`);
      await publisher.closes(unknown);
      await subscriber.receives(`MSG ${s} 1 1\r\nx\r\n`);
    });

    it.each<[string, string]>([
      ['no size', 'PUB s'],
      ['no subject', 'PUB 5'],
      ['four arguments', 'PUB s r x 1'],
      ['a word for a size', 'PUB s five'],
      ['a negative size', 'PUB s -1'],
      ['a signed size', 'PUB s +1'],
      ['a fraction for a size', 'PUB s 1.0'],
      ['a hexadecimal size', 'PUB s 0x1'],
      ['a size of ten digits', 'PUB s 0000000001'],
      ['a size beyond 64 bits', 'PUB s 99999999999999999999'],
    ])('closes the connection without an error on PUB with %s', async (_, line) => {
      const client = await suite.connect();
      client.send(`${line}\r\nx\r\nPING\r\n`);
      await client.closes('');
    });

    it.each<[string, string]>([
      ['more payload than its size', 'PUB s 3\r\nabcd\r\n'],
      ['less payload than its size', 'PUB s 4\r\nabc\r\nPING\r\n'],
      ['a bare line feed after the payload', 'PUB s 3\r\nabc\nPING\r\n'],
      ['a bare carriage return after the payload', 'PUB s 3\r\nabc\rPING\r\n'],
      ['nothing after the payload', 'PUB s 3\r\nabcPING\r\n'],
    ])('reports a protocol error on PUB with %s', async (_, bytes) => {
      const client = await suite.connect();
      client.send(`${bytes}PING\r\n`);
      await client.closes(unknown);
    });
  });

  describe('max_payload', () => {
    it('is announced in the INFO', async () => {
      const { info } = await suite.open();
      expect(info.max_payload).toBe(1024);
    });

    it('accepts a payload of exactly that size', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      const payload = 'x'.repeat(1024);
      client.send(`SUB ${s} 1\r\nPUB ${s} 1024\r\n${payload}\r\n`);
      await client.receives(`MSG ${s} 1 1024\r\n${payload}\r\n`);
    });

    it.each(['1025', '999999999'])(
      'closes the connection on a size of %s before the payload arrives',
      async (size) => {
        const client = await suite.connect();
        client.send(`PUB ${suite.subject()} ${size}\r\n`);
        await client.closes("-ERR 'Maximum Payload Violation'\r\n");
      },
    );

    it('includes the headers', async () => {
      const client = await suite.connect({ headers: true });
      client.send(`HPUB ${suite.subject()} 12 1025\r\nNATS/1.0\r\n\r\n`);
      await client.closes("-ERR 'Maximum Payload Violation'\r\n");
    });
  });

  describe('an unknown operation', () => {
    it.each([
      'FOO\r\n',
      'PUBLISH s 1\r\nx\r\n',
      'PUB\r\n',
      'SUB\r\n',
      'UNSUB\r\n',
      'HPUB\r\n',
      'SUBS s 1\r\n',
      'HELLO\r\n',
      'PANG\r\n',
      'CONNEXT {}\r\n',
      '+NO\r\n',
      '-OK\r\n',
      '\r\n',
      ' PING\r\n',
      '\0',
      'GET / HTTP/1.1\r\n',
      'MSG s 1 1\r\nx\r\n',
      'RS+ $G s\r\n',
      'RMSG $G s 1\r\nx\r\n',
      'A+ $G\r\n',
      'LS+ s\r\n',
    ])('such as %j closes the connection with an error', async (bytes) => {
      const client = await suite.connect();
      client.send(`${bytes}PING\r\n`);
      await client.closes(unknown);
    });

    it('is reported after the answers to earlier operations', async () => {
      const client = await suite.connect();
      client.send('PING\r\nNOPE\r\nPING\r\n');
      await client.closes(`PONG\r\n${unknown}`);
    });
  });

  describe('verbose', () => {
    it('answers +OK to SUB, PUB and UNSUB in their order, before the delivery', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send('CONNECT {"verbose":true}\r\n');
      client.send(`SUB ${s} 1\r\nPUB ${s} 2\r\nhi\r\nUNSUB 1\r\nPUB ${s} 2\r\nhi\r\n`);
      await client.receives(`+OK\r\n+OK\r\n+OK\r\nMSG ${s} 1 2\r\nhi\r\n+OK\r\n+OK\r\n`);
    });

    it('answers no +OK to PING, PONG and +OK', async () => {
      const client = await suite.connect();
      client.send('CONNECT {"verbose":true}\r\nPING\r\nPONG\r\n+OK\r\n');
      await client.receives('+OK\r\nPONG\r\n');
    });
  });

  describe('an invalid subject', () => {
    it.each(['a..b', '.a', 'a.', '*', '>', 'a.*', 'a.>', 'a.*.b'])(
      '%j is reported in pedantic mode, and the message is processed',
      async (wrong) => {
        const client = await suite.connect();
        client.send(
          `CONNECT {"verbose":false,"pedantic":true}\r\nPUB ${suite.subject()}.${wrong} 1\r\nx\r\n`,
        );
        await client.receives("-ERR 'Invalid Publish Subject'\r\n");
      },
    );

    it.each(['a..b', '.a', 'a.', 'a.*', 'a.>'])('%j is accepted outside pedantic mode', async (wrong) => {
      const client = await suite.connect();
      client.send(`PUB ${suite.subject()}.${wrong} 1\r\nx\r\n`);
      await client.receives('');
    });

    it('with an empty token reaches no subscriber', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s}.> 1\r\nPUB ${s}..b 1\r\nx\r\nPUB ${s}.b. 1\r\nx\r\n`);
      await client.receives('');
    });
  });

  describe('the stream of operations', () => {
    // Contains every kind of operation together with its answer, so that a wrong split at any position shows.
    const story = (s: string): [string, string] => [
      `CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nSUB ${s}.* 7\r\nPUB ${s}.a re.ply 5\r\nhe\r\no\r\nHPUB ${s}.b 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n` +
        `SUB ${s}.q group 8\r\nUNSUB 8 1\r\nUNSUB 8\r\nPUB ${s}.c 0\r\n\r\nPONG\r\nUNSUB 7\r\nPUB ${s}.a 1\r\nx\r\nPING\r\n`,
      `MSG ${s}.a 7 re.ply 5\r\nhe\r\no\r\nHMSG ${s}.b 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPONG\r\nMSG ${s}.c 7 0\r\n\r\nPONG\r\n`,
    ];

    it('may arrive in one packet', async () => {
      const client = await suite.connect({ headers: true });
      const [sent, answered] = story(suite.subject());
      client.send(sent);
      await client.receives(answered);
    });

    it('may arrive byte by byte', async () => {
      const client = await suite.connect({ headers: true });
      const other = await suite.connect();
      const [sent, answered] = story(suite.subject());
      for (const byte of Buffer.from(sent)) {
        client.send(Buffer.of(byte));
        await other.receives(''); // lets the server process the one byte
      }
      await client.receives(answered);
    });

    it('may be split at any byte', async () => {
      const client = await suite.connect({ headers: true });
      const other = await suite.connect();
      const [sent, answered] = story(suite.subject());
      // Over WebSocket, where other tests cut the frames, fewer cuts suffice.
      const step = suite.transport === 'tcp' ? 1 : 7;
      for (let cut = 1; cut < sent.length; cut += step) {
        client.send(sent.slice(0, cut));
        await other.receives('');
        client.send(sent.slice(cut));
        await client.receives(answered);
      }
    });

    it('may contain a thousand operations in one write', async () => {
      const client = await suite.connect({ headers: true });
      const [sent, answered] = story(suite.subject());
      client.send(sent.repeat(100));
      await client.receives(answered.repeat(100));
    });

    it('may split a payload into many packets', async () => {
      const client = await suite.connect();
      const other = await suite.connect();
      const s = suite.subject();
      const pieces = Array.from({ length: 64 }, (_, number) => String.fromCharCode(33 + number).repeat(16));
      client.send(`SUB ${s} 1\r\nPUB ${s} 1024\r\n`);
      for (const piece of pieces) {
        client.send(piece);
        await other.receives('');
      }
      client.send('\r\n');
      await client.receives(`MSG ${s} 1 1024\r\n${pieces.join('')}\r\n`);
    });

    it('delivers no part of a message that the end of the connection truncates', async () => {
      const publisher = await suite.connect();
      const subscriber = await suite.connect();
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\n`);
      await subscriber.receives('');
      publisher.send(`PUB ${s} 1\r\nx\r\nPUB ${s} 10\r\nhalf`);
      await subscriber.reads(`MSG ${s} 1 1\r\nx\r\n`);
      publisher.end();
      await subscriber.receives('');
    });
  });
});
