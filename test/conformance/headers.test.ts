// HPUB and HMSG: which clients may send headers, which receive them, and in which bytes.
import { describe, expect, it } from 'vitest';
import { conformance, conformanceOnBothPorts } from './suite.ts';

const headers = 'NATS/1.0\r\nA: b\r\n\r\n'; // 18 bytes

conformanceOnBothPorts('headers', '', (suite) => {
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
        'headers without a payload',
        (s) => `HPUB ${s} 18 18\r\n${headers}\r\n`,
        (s) => `HMSG ${s} 1 18 18\r\n${headers}\r\n`,
      ],
      [
        'a header block without lines',
        (s) => `HPUB ${s} 12 12\r\nNATS/1.0\r\n\r\n\r\n`,
        (s) => `HMSG ${s} 1 12 12\r\nNATS/1.0\r\n\r\n\r\n`,
      ],
      [
        'a status line',
        (s) => `HPUB ${s} 16 16\r\nNATS/1.0 100\r\n\r\n\r\n`,
        (s) => `HMSG ${s} 1 16 16\r\nNATS/1.0 100\r\n\r\n\r\n`,
      ],
      ['a header size of zero as MSG', (s) => `HPUB ${s} 0 2\r\nhi\r\n`, (s) => `MSG ${s} 1 2\r\nhi\r\n`],
      [
        'an empty message with a header size of zero',
        (s) => `HPUB ${s} 0 0\r\n\r\n`,
        (s) => `MSG ${s} 1 0\r\n\r\n`,
      ],
      [
        'a line in lower case with tabs and spaces',
        (s) => `hpub\t${s} \t18  20 \r\n${headers}hi\r\n`,
        (s) => `HMSG ${s} 1 18 20\r\n${headers}hi\r\n`,
      ],
      [
        'sizes with leading zeros unchanged',
        (s) => `HPUB ${s} 018 020\r\n${headers}hi\r\n`,
        (s) => `HMSG ${s} 1 018 020\r\n${headers}hi\r\n`,
      ],
      [
        'an invalid header block unchanged',
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
      ['a header size above the total size', 'HPUB s 20 18'],
      ['a word for the header size', 'HPUB s x 20'],
      ['a word for the total size', 'HPUB s 18 x'],
      ['a negative header size', 'HPUB s -1 20'],
      ['a header size of ten digits', 'HPUB s 0000000018 20'],
    ])('closes the connection without an error on HPUB with %s', async (_, line) => {
      const client = await suite.connect({ headers: true });
      client.send(`${line}\r\n${headers}hi\r\nPING\r\n`);
      await client.closes('');
    });

    it('closes the connection without an error on HPUB from a client that did not enable headers', async () => {
      const client = await suite.connect();
      client.send(`HPUB ${suite.subject()} 18 20\r\n${headers}hi\r\nPING\r\n`);
      await client.closes('');
    });

    it('reports a protocol error when the payload is longer than its size', async () => {
      const client = await suite.connect({ headers: true });
      client.send(`HPUB ${suite.subject()} 18 20\r\n${headers}high\r\nPING\r\n`);
      await client.closes("-ERR 'Unknown Protocol Operation'\r\n");
    });

    it('reports an invalid subject in pedantic mode', async () => {
      const client = await suite.connect({ headers: true, pedantic: true });
      client.send(`HPUB ${suite.subject()}.* 18 20\r\n${headers}hi\r\n`);
      await client.receives("-ERR 'Invalid Publish Subject'\r\n");
    });

    it('answers +OK in verbose mode', async () => {
      const client = await suite.connect();
      client.send(
        `CONNECT {"verbose":true,"headers":true}\r\nHPUB ${suite.subject()} 18 20\r\n${headers}hi\r\n`,
      );
      await client.receives('+OK\r\n+OK\r\n');
    });
  });

  describe('a subscriber without headers', () => {
    it.each<[string, (s: string) => string, (s: string) => string]>([
      [
        'the payload without headers',
        (s) => `HPUB ${s} 18 20\r\n${headers}hi\r\n`,
        (s) => `MSG ${s} 1 2\r\nhi\r\n`,
      ],
      [
        'the reply subject',
        (s) => `HPUB ${s} r 18 20\r\n${headers}hi\r\n`,
        (s) => `MSG ${s} 1 r 2\r\nhi\r\n`,
      ],
      [
        'an empty message for headers without a payload',
        (s) => `HPUB ${s} 18 18\r\n${headers}\r\n`,
        (s) => `MSG ${s} 1 0\r\n\r\n`,
      ],
    ])('receives %s', async (_, sent, delivered) => {
      const publisher = await suite.connect({ headers: true });
      const subscriber = await suite.connect();
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\n`);
      await subscriber.receives('');
      publisher.send(sent(s));
      await publisher.receives('');
      await subscriber.receives(delivered(s));
    });

    it('does not strip the headers for subscribers that enable them', async () => {
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
  it('announces headers: false in the INFO', async () => {
    expect((await suite.open()).info.headers).toBe(false);
  });

  it('closes the connection on HPUB without an error, even if the client enabled headers', async () => {
    const client = await suite.connect({ headers: true });
    client.send(`HPUB ${suite.subject()} 18 20\r\n${headers}hi\r\nPING\r\n`);
    await client.closes('');
  });

  it('rejects a CONNECT with no_responders', async () => {
    const client = await suite.open();
    client.send('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
    await client.closes("-ERR 'no responders requires headers support'\r\n");
  });
});
