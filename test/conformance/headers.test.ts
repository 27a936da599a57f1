// HPUB and HMSG: who may send headers, who gets them, and in which bytes.
import { describe, expect, it } from 'vitest';
import { conformance } from './suite.ts';

const headers = 'NATS/1.0\r\nA: b\r\n\r\n'; // 18 bytes

conformance('headers', '', (suite) => {
  describe('HPUB', () => {
    it.each<[string, (s: string) => string, (s: string) => string]>([
      [
        'headers and payload',
        (s) => `HPUB ${s} 18 20\r\n${headers}hi\r\n`,
        (s) => `HMSG ${s} 1 18 20\r\n${headers}hi\r\n`,
      ],
      [
        'a reply',
        (s) => `HPUB ${s} re.ply 18 20\r\n${headers}hi\r\n`,
        (s) => `HMSG ${s} 1 re.ply 18 20\r\n${headers}hi\r\n`,
      ],
      [
        'headers alone',
        (s) => `HPUB ${s} 18 18\r\n${headers}\r\n`,
        (s) => `HMSG ${s} 1 18 18\r\n${headers}\r\n`,
      ],
      [
        'no header lines',
        (s) => `HPUB ${s} 12 12\r\nNATS/1.0\r\n\r\n\r\n`,
        (s) => `HMSG ${s} 1 12 12\r\nNATS/1.0\r\n\r\n\r\n`,
      ],
      [
        'a status line',
        (s) => `HPUB ${s} 16 16\r\nNATS/1.0 100\r\n\r\n\r\n`,
        (s) => `HMSG ${s} 1 16 16\r\nNATS/1.0 100\r\n\r\n\r\n`,
      ],
      [
        'headers of no size, which are none',
        (s) => `HPUB ${s} 0 2\r\nhi\r\n`,
        (s) => `MSG ${s} 1 2\r\nhi\r\n`,
      ],
      ['nothing at all', (s) => `HPUB ${s} 0 0\r\n\r\n`, (s) => `MSG ${s} 1 0\r\n\r\n`],
      [
        'lower case, tabs and spaces',
        (s) => `hpub\t${s} \t18  20 \r\n${headers}hi\r\n`,
        (s) => `HMSG ${s} 1 18 20\r\n${headers}hi\r\n`,
      ],
      [
        'leading zeros, which stay',
        (s) => `HPUB ${s} 018 020\r\n${headers}hi\r\n`,
        (s) => `HMSG ${s} 1 018 020\r\n${headers}hi\r\n`,
      ],
      [
        'what is no header, unread',
        (s) => `HPUB ${s} 3 5\r\nabchi\r\n`,
        (s) => `HMSG ${s} 1 3 5\r\nabchi\r\n`,
      ],
    ])('delivers %s', async (_, sent, delivered) => {
      const client = await suite.connect({ headers: true });
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\n${sent(s)}`);
      await client.receives(delivered(s));
    });

    it.each<[string, string]>([
      ['no sizes', 'HPUB s'],
      ['one size', 'HPUB s 18'],
      ['five arguments', 'HPUB s r x 18 20'],
      ['headers longer than the whole', 'HPUB s 20 18'],
      ['a word for the header size', 'HPUB s x 20'],
      ['a word for the total size', 'HPUB s 18 x'],
      ['a negative header size', 'HPUB s -1 20'],
      ['a header size of ten digits', 'HPUB s 0000000018 20'],
    ])('with %s closes the connection without a word', async (_, line) => {
      const client = await suite.connect({ headers: true });
      client.send(`${line}\r\n${headers}hi\r\nPING\r\n`);
      await client.closes('');
    });

    it('from a client that has not asked for headers closes the connection without a word', async () => {
      const client = await suite.connect();
      client.send(`HPUB ${suite.subject()} 18 20\r\n${headers}hi\r\nPING\r\n`);
      await client.closes('');
    });

    it('with more payload than its size is a protocol error', async () => {
      const client = await suite.connect({ headers: true });
      client.send(`HPUB ${suite.subject()} 18 20\r\n${headers}high\r\nPING\r\n`);
      await client.closes("-ERR 'Unknown Protocol Operation'\r\n");
    });

    it('is told of a subject that is none in pedantic mode', async () => {
      const client = await suite.connect({ headers: true, pedantic: true });
      client.send(`HPUB ${suite.subject()}.* 18 20\r\n${headers}hi\r\n`);
      await client.receives("-ERR 'Invalid Publish Subject'\r\n");
    });

    it('is answered +OK in verbose mode', async () => {
      const client = await suite.connect();
      client.send(
        `CONNECT {"verbose":true,"headers":true}\r\nHPUB ${suite.subject()} 18 20\r\n${headers}hi\r\n`,
      );
      await client.receives('+OK\r\n+OK\r\n');
    });
  });

  describe('a subscriber without headers', () => {
    it.each<[string, (s: string) => string, (s: string) => string]>([
      ['the payload alone', (s) => `HPUB ${s} 18 20\r\n${headers}hi\r\n`, (s) => `MSG ${s} 1 2\r\nhi\r\n`],
      ['the reply', (s) => `HPUB ${s} r 18 20\r\n${headers}hi\r\n`, (s) => `MSG ${s} 1 r 2\r\nhi\r\n`],
      [
        'an empty message for headers alone',
        (s) => `HPUB ${s} 18 18\r\n${headers}\r\n`,
        (s) => `MSG ${s} 1 0\r\n\r\n`,
      ],
    ])('gets %s', async (_, sent, delivered) => {
      const publisher = await suite.connect({ headers: true });
      const subscriber = await suite.connect();
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\n`);
      await subscriber.receives('');
      publisher.send(sent(s));
      await publisher.receives('');
      await subscriber.receives(delivered(s));
    });

    it('does not spoil the headers for those who have them', async () => {
      const plain = await suite.connect();
      const full = await suite.connect({ headers: true });
      const s = suite.subject();
      for (const client of [plain, full]) {
        client.send(`SUB ${s} 1\r\n`);
        await client.receives('');
      }
      full.send(`HPUB ${s} 18 20\r\n${headers}hi\r\nHPUB ${s} 18 20\r\n${headers}ho\r\n`);
      await full.receives(`HMSG ${s} 1 18 20\r\n${headers}hi\r\nHMSG ${s} 1 18 20\r\n${headers}ho\r\n`);
      await plain.receives(`MSG ${s} 1 2\r\nhi\r\nMSG ${s} 1 2\r\nho\r\n`);
    });
  });
});

conformance('no_header_support', 'no_header_support: true', (suite) => {
  it('is told in the INFO', async () => {
    expect((await suite.open()).info.headers).toBe(false);
  });

  it('refuses HPUB without a word, whatever the client asked for', async () => {
    const client = await suite.connect({ headers: true });
    client.send(`HPUB ${suite.subject()} 18 20\r\n${headers}hi\r\nPING\r\n`);
    await client.closes('');
  });

  it('refuses no_responders', async () => {
    const client = await suite.open();
    client.send('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
    await client.closes("-ERR 'no responders requires headers support'\r\n");
  });
});
