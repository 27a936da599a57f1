// What strangers may send to a server to hurt it, or by mistake: no CONNECT or too many, JSON that is none, every byte
// where a subject should be. Where the two servers differ, the case says why.
import { describe, expect, it } from 'vitest';
import { conformance } from './suite.ts';

const withoutAWord = '';
const violation = "-ERR 'Authorization Violation'\r\n";
const tooLong = "-ERR 'maximum control line exceeded'\r\n";
const blanks = ['\t', '\n', '\r', ' '];
const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
const inSubjects = everyByte.filter((byte) => !blanks.includes(byte));
const bytes = (text: string) => Buffer.from(text, 'latin1');

const users = `
accounts {
  A { users: [{ user: alice, password: pw, permissions: { publish: { deny: "no" } } }, { user: anne, password: pw }] }
  B { users: [{ user: bob, password: pw }] }
}
authorization { timeout: 0.5 }
`;
const alice = { user: 'alice', pass: 'pw' };

conformance('a client without a CONNECT', users, (suite) => {
  it('gains no time by saying a little now and then', async () => {
    const client = await suite.open();
    client.send('CONNECT {"name":"');
    const trickle = setInterval(() => client.send('x'), 20);
    try {
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    } finally {
      clearInterval(trickle);
    }
  });

  it('keeps nobody else out, be there a hundred of them', async () => {
    const silent = await Promise.all(Array.from({ length: 100 }, () => suite.open()));
    await suite.connect(alice);
    await Promise.all(silent.map((client) => client.closes("-ERR 'Authentication Timeout'\r\n")));
  });
});

conformance('a client that says CONNECT twice', users, (suite) => {
  const again = (options: object) => `CONNECT ${JSON.stringify({ verbose: false, ...options })}\r\n`;

  it('becomes the other user, in the account of that one', async () => {
    const client = await suite.connect(alice);
    const [a, b] = [await suite.connect(alice), await suite.connect({ user: 'bob', pass: 'pw' })];
    const s = suite.subject();
    for (const other of [a, b]) {
      other.send(`SUB ${s} 1\r\n`);
      await other.receives('');
    }
    client.send(`SUB ${s} 1\r\n${again({ user: 'bob' })}PUB ${s} 1\r\nx\r\n`);
    await client.receives('');
    await a.receives('');
    await b.receives(`MSG ${s} 1 1\r\nx\r\n`);
  });

  it('may do what the other user may, and no more', async () => {
    const client = await suite.connect({ user: 'anne', pass: 'pw' });
    client.send(`PUB no 1\r\nx\r\n${again({ user: 'alice' })}PUB no 1\r\nx\r\n`);
    await client.receives(`-ERR 'Permissions Violation for Publish to "no"'\r\n`);
  });

  it('is gone when the second one is wrong, and nothing behind it counts', async () => {
    const listener = await suite.connect(alice);
    const s = suite.subject();
    listener.send(`SUB ${s} 1\r\n`);
    await listener.receives('');
    for (const [second, answer] of [
      ['{"pass":"wrong"}', violation],
      ['{"pass":7}', withoutAWord],
      ['{', withoutAWord],
    ] as const) {
      const client = await suite.connect(alice);
      client.send(`CONNECT ${second}\r\nPUB ${s} 1\r\nx\r\n`);
      await client.closes(answer);
    }
    await listener.receives('');
  });

  it('may do it two hundred times in one packet', async () => {
    const client = await suite.connect(alice);
    client.send('CONNECT {"verbose":true}\r\n'.repeat(200));
    await client.receives('+OK\r\n'.repeat(200));
  });
});

const named = (length: number) => `CONNECT {"verbose":false,"name":"${'n'.repeat(length)}"}\r\n`;

conformance('a CONNECT of 1 MB', '', (suite) => {
  // nats-server hangs up with bytes unread; the reset that this makes may overtake its last words.
  const refuses = async (text: string) => {
    const client = await suite.open();
    client.send(text);
    const last = await client.closed();
    if (suite.kind === 'broker' || last !== '') expect(last).toBe(tooLong);
  };

  it('is refused', async () => {
    await refuses(named(1_048_576));
  });

  it('is refused before its end has come', async () => {
    await refuses(named(1_048_576).slice(0, -3));
  });

  it('leaves the server as it was', async () => {
    await refuses(named(1_048_576));
    await suite.connect();
  });
});

conformance('CONNECT where max_control_line is 2 MB', 'max_control_line: 2000000', (suite) => {
  it('may be 1 MB long', async () => {
    const client = await suite.open();
    client.send(named(1_048_576));
    await client.receives('');
  });

  const nested = (open: string, close: string, levels: number) =>
    `CONNECT {"verbose":false,"deep":${open.repeat(levels)}1${close.repeat(levels)}}\r\n`;

  it.each([
    ['arrays', '[', ']'],
    ['objects', '{"a":', '}'],
  ])('may have 10,000 levels of %s, and no more', async (_, open, close) => {
    const [deep, deeper, deepest] = [await suite.open(), await suite.open(), await suite.open()];
    deep.send(nested(open, close, 9_999));
    await deep.receives('');
    deeper.send(nested(open, close, 10_000));
    await deeper.closes(withoutAWord);
    deepest.send(nested(open, close, 300_000));
    await deepest.closes(withoutAWord);
  });
});

conformance('JSON', '', (suite) => {
  it.each([
    '{"verbose":false,}',
    '{,"verbose":false}',
    "{'verbose':false}",
    '{verbose:false}',
    '{"verbose":false /* no */}',
    '{"verbose":false}{}',
    '[{"verbose":false}]',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":"\t"}',
    '{"a":"\\x41"}',
    '{"a":"\\u12"}',
    '{"a":"unfinished}',
    '\ufeff{"verbose":false}',
    '\u00a0{"verbose":false}',
    '{"verbose":false}\0',
    '{'.repeat(4000),
    '['.repeat(4000),
    // What is no value of its field, be it given again in its type behind that.
    '{"protocol":1.0}',
    '{"protocol":1e0}',
    '{"protocol":9223372036854775808}',
    '{"verbose":1,"verbose":false}',
    '{"user":{},"USER":"u"}',
  ])('of a CONNECT is wrong: %.40s', async (json) => {
    const client = await suite.open();
    client.send(`CONNECT ${json}\r\n`);
    await client.closes(withoutAWord);
  });

  it.each([
    '{"verbose":true,"verbose":false}',
    '{"verbose":false,"VERBOSE":true,"verbose":false}',
    '{"verbose":false,"protocol":-0}',
    '{"verbose":false,"name":"\\ud800"}',
    '{"verbose":false,"":1,"a":1e999,"__proto__":{"verbose":true}}',
    `{"verbose":false,"deep":${'['.repeat(1900)}${']'.repeat(1900)}}`,
    ' \t {\t"verbose" :\tfalse } ',
  ])('of a CONNECT is right: %.40s', async (json) => {
    const client = await suite.open();
    client.send(`CONNECT ${json}\r\n`);
    await client.receives('');
  });

  it('need not be UTF-8', async () => {
    const client = await suite.open();
    client.send(bytes('CONNECT {"verbose":false,"name":"\xff\xc3"}\r\n'));
    await client.receives('');
  });

  it('of a number too large for a protocol is told as one', async () => {
    const client = await suite.open();
    client.send('CONNECT {"protocol":9007199254740993}\r\n');
    await client.closes("-ERR 'invalid client protocol'\r\n");
  });

  it.each(['[]', '7', '{', '"x"', ''])('of an INFO is wrong: %s', async (json) => {
    const client = await suite.connect();
    client.send(`INFO ${json}\r\n`);
    await client.closes(withoutAWord);
  });
});

conformance('every byte', '', (suite) => {
  describe.each([
    ['within a token', (byte: string) => `a${byte}b`],
    // Without those that stand for other tokens, or for none.
    ['as a token', (byte: string) => ('.*>'.includes(byte) ? `x${byte}x` : byte)],
  ])('%s', (_, place) => {
    it('but white space is part of a subject, a reply, a queue group and an id', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      const expected: string[] = [];
      for (const [index, byte] of inSubjects.entries()) {
        const word = place(byte);
        const subject = `${s}.${index}.${word}`;
        client.send(
          bytes(`SUB ${subject} ${word} ${word}\r\nPUB ${subject} ${word} 1\r\nx\r\nUNSUB ${word}\r\n`),
        );
        expected.push(`MSG ${subject} ${word} ${word} 1\r\nx\r\n`);
      }
      await client.receives(bytes(expected.join('')));
    });

    it('but white space is part of the subject in pedantic mode too', async () => {
      const client = await suite.connect({ pedantic: true });
      const s = suite.subject();
      const expected: string[] = [];
      for (const [index, byte] of inSubjects.entries()) {
        const subject = `${s}.${index}.${place(byte)}`;
        client.send(bytes(`SUB ${subject} ${index}\r\nPUB ${subject} 1\r\nx\r\n`));
        expected.push(`MSG ${subject} ${index} 1\r\nx\r\n`);
      }
      await client.receives(bytes(expected.join('')));
    });
  });

  it.each([' ', '\t', '\r', ' \r\t'])('%j parts the arguments of SUB', async (blank) => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s}${blank}group${blank}7\r\nPUB ${s} 1\r\nx\r\n`);
    await client.receives(`MSG ${s} 7 1\r\nx\r\n`);
  });

  it.each([' ', '\t', '\r'])('%j parts the arguments of UNSUB', async (blank) => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s} 7\r\nUNSUB${blank === '\r' ? ' ' : ''}${blank}7${blank}1\r\n`);
    client.send(`PUB ${s} 1\r\nx\r\nPUB ${s} 1\r\ny\r\n`);
    await client.receives(`MSG ${s} 7 1\r\nx\r\n`);
  });

  it.each(['\r 1', ' \r\r\r 1', '1\r'])('"SUB %j" is short of an argument', async (rest) => {
    const client = await suite.connect();
    client.send(`SUB ${rest}\r\n`);
    await client.closes(withoutAWord);
  });

  it('of PUB may be a carriage return: only blanks part its arguments', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s}.* 1\r\nPUB ${s}.a\rb 1\r\nx\r\n`);
    await client.receives(`MSG ${s}.a\rb 1 1\r\nx\r\n`);
  });

  it.each(['SUB a\nb 1', 'PUB a\nb 1', 'HPUB a\nb 1 1'])('%j ends at its newline', async (line) => {
    const client = await suite.connect({ headers: true });
    client.send(`${line}\r\n`);
    await client.closes(withoutAWord);
  });

  it('as an operation is one nobody knows', async () => {
    const begins = 'CcHhIiPpSsUuMm+-\r';
    for (const byte of everyByte.filter((one) => !begins.includes(one))) {
      const client = await suite.connect();
      client.send(bytes(`${byte}\r\n`));
      await client.closes("-ERR 'Unknown Protocol Operation'\r\n");
    }
  });
});

conformance('a newline at the head of a published subject', '', (suite) => {
  it('does not tear the lines of those who listen', async () => {
    const [listener, client] = [await suite.connect(), await suite.connect()];
    listener.send('SUB > 1\r\n');
    await listener.receives('');
    client.send('PUB \n+OK 1\r\nx\r\n');
    // nats-server hands such a subject on: what others read are two lines, the second as the stranger likes it.
    if (suite.kind === 'nats-server') {
      await client.receives('');
      await listener.receives('MSG \n+OK 1 1\r\nx\r\n');
    } else {
      await client.closes(withoutAWord);
      await listener.receives('');
    }
  });
});
