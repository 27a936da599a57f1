// Malformed and hostile input: a missing or repeated CONNECT, invalid JSON, and every byte value in place of a
// subject. Where the two servers differ, the test says why.
import { describe, expect, it } from 'vitest';
import { conformance, conformanceOnBothPorts } from './suite.ts';

const noError = '';
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

conformanceOnBothPorts('a client without a CONNECT', users, (suite) => {
  it('is closed at the authentication timeout even when it sends a byte now and then', async () => {
    const client = await suite.open();
    client.send('CONNECT {"name":"');
    const trickle = setInterval(() => client.send('x'), 20);
    try {
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    } finally {
      clearInterval(trickle);
    }
  });

  it('does not keep other clients out, even a hundred of them', async () => {
    const silent = await Promise.all(Array.from({ length: 100 }, () => suite.open()));
    await suite.connect(alice);
    await Promise.all(silent.map((client) => client.closes("-ERR 'Authentication Timeout'\r\n")));
  });
});

conformanceOnBothPorts('a second CONNECT', users, (suite) => {
  const again = (options: object) => `CONNECT ${JSON.stringify({ verbose: false, ...options })}\r\n`;

  it('moves the client to the account of the new user', async () => {
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

  it('applies the permissions of the new user', async () => {
    const client = await suite.connect({ user: 'anne', pass: 'pw' });
    client.send(`PUB no 1\r\nx\r\n${again({ user: 'alice' })}PUB no 1\r\nx\r\n`);
    await client.receives(`-ERR 'Permissions Violation for Publish to "no"'\r\n`);
  });

  it('closes the connection when it is invalid, and ignores what follows it', async () => {
    const listener = await suite.connect(alice);
    const s = suite.subject();
    listener.send(`SUB ${s} 1\r\n`);
    await listener.receives('');
    for (const [second, answer] of [
      ['{"pass":"wrong"}', violation],
      ['{"pass":7}', noError],
      ['{', noError],
    ] as const) {
      const client = await suite.connect(alice);
      client.send(`CONNECT ${second}\r\nPUB ${s} 1\r\nx\r\n`);
      await client.closes(answer);
    }
    await listener.receives('');
  });

  it('is accepted two hundred times in one packet', async () => {
    const client = await suite.connect(alice);
    client.send('CONNECT {"verbose":true}\r\n'.repeat(200));
    await client.receives('+OK\r\n'.repeat(200));
  });
});

const named = (length: number) => `CONNECT {"verbose":false,"name":"${'n'.repeat(length)}"}\r\n`;

conformance('a CONNECT of 1 MB', '', (suite) => {
  // nats-server closes the connection with bytes unread; the reset that this causes may overtake its error.
  const refuses = async (text: string) => {
    const client = await suite.open();
    client.send(text);
    const last = await client.closed();
    if (suite.kind === 'broker' || last !== '') expect(last).toBe(tooLong);
  };

  it('is rejected', async () => {
    await refuses(named(1_048_576));
  });

  it('is rejected before its end has arrived', async () => {
    await refuses(named(1_048_576).slice(0, -3));
  });

  it('does not affect the next client', async () => {
    await refuses(named(1_048_576));
    await suite.connect();
  });
});

conformance('CONNECT where max_control_line is 2 MB', 'max_control_line: 2000000', (suite) => {
  it('accepts a line of 1 MB', async () => {
    const client = await suite.open();
    client.send(named(1_048_576));
    await client.receives('');
  });

  const nested = (open: string, close: string, levels: number) =>
    `CONNECT {"verbose":false,"deep":${open.repeat(levels)}1${close.repeat(levels)}}\r\n`;

  it.each([
    ['arrays', '[', ']'],
    ['objects', '{"a":', '}'],
  ])('accepts 10,000 nested %s and rejects one more', async (_, open, close) => {
    const [deep, deeper, deepest] = [await suite.open(), await suite.open(), await suite.open()];
    deep.send(nested(open, close, 9_999));
    await deep.receives('');
    deeper.send(nested(open, close, 10_000));
    await deeper.closes(noError);
    deepest.send(nested(open, close, 300_000));
    await deepest.closes(noError);
  });
});

conformanceOnBothPorts('JSON', '', (suite) => {
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
    // A value of the wrong type, even when a valid value for the same field follows.
    '{"protocol":1.0}',
    '{"protocol":1e0}',
    '{"protocol":9223372036854775808}',
    '{"verbose":1,"verbose":false}',
    '{"user":{},"USER":"u"}',
  ])('is rejected in a CONNECT: %.40s', async (json) => {
    const client = await suite.open();
    client.send(`CONNECT ${json}\r\n`);
    await client.closes(noError);
  });

  it.each([
    '{"verbose":true,"verbose":false}',
    '{"verbose":false,"VERBOSE":true,"verbose":false}',
    '{"verbose":false,"protocol":-0}',
    '{"verbose":false,"name":"\\ud800"}',
    '{"verbose":false,"":1,"a":1e999,"__proto__":{"verbose":true}}',
    `{"verbose":false,"deep":${'['.repeat(1900)}${']'.repeat(1900)}}`,
    ' \t {\t"verbose" :\tfalse } ',
  ])('is accepted in a CONNECT: %.40s', async (json) => {
    const client = await suite.open();
    client.send(`CONNECT ${json}\r\n`);
    await client.receives('');
  });

  it('is accepted in a CONNECT when it is not valid UTF-8', async () => {
    const client = await suite.open();
    client.send(bytes('CONNECT {"verbose":false,"name":"\xff\xc3"}\r\n'));
    await client.receives('');
  });

  it('reports a protocol number beyond the safe integers as an invalid protocol', async () => {
    const client = await suite.open();
    client.send('CONNECT {"protocol":9007199254740993}\r\n');
    await client.closes("-ERR 'invalid client protocol'\r\n");
  });

  it.each(['[]', '7', '{', '"x"', ''])('is rejected in an INFO: %s', async (json) => {
    const client = await suite.connect();
    client.send(`INFO ${json}\r\n`);
    await client.closes(noError);
  });
});

conformanceOnBothPorts('bytes in the arguments of operations', '', (suite) => {
  describe.each([
    ['within a token', (byte: string) => `a${byte}b`],
    // Except the bytes that form another token, or an empty one.
    ['as a token', (byte: string) => ('.*>'.includes(byte) ? `x${byte}x` : byte)],
  ])('%s', (_, place) => {
    it('accepts every byte except white space in a subject, a reply, a queue group and an id', async () => {
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

    it('accepts every byte except white space in a subject in pedantic mode', async () => {
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

  it.each([' ', '\t', '\r', ' \r\t'])('accepts %j between the arguments of SUB', async (blank) => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s}${blank}group${blank}7\r\nPUB ${s} 1\r\nx\r\n`);
    await client.receives(`MSG ${s} 7 1\r\nx\r\n`);
  });

  it.each([' ', '\t', '\r'])('accepts %j between the arguments of UNSUB', async (blank) => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s} 7\r\nUNSUB${blank === '\r' ? ' ' : ''}${blank}7${blank}1\r\n`);
    client.send(`PUB ${s} 1\r\nx\r\nPUB ${s} 1\r\ny\r\n`);
    await client.receives(`MSG ${s} 7 1\r\nx\r\n`);
  });

  it.each(['\r 1', ' \r\r\r 1', '1\r'])(
    'closes the connection on "SUB %j", which lacks an argument',
    async (rest) => {
      const client = await suite.connect();
      client.send(`SUB ${rest}\r\n`);
      await client.closes(noError);
    },
  );

  it('accepts a carriage return within a subject of PUB, whose arguments only blanks separate', async () => {
    const client = await suite.connect();
    const s = suite.subject();
    client.send(`SUB ${s}.* 1\r\nPUB ${s}.a\rb 1\r\nx\r\n`);
    await client.receives(`MSG ${s}.a\rb 1 1\r\nx\r\n`);
  });

  it.each(['SUB a\nb 1', 'PUB a\nb 1', 'HPUB a\nb 1 1'])(
    'ends the line %j at its first newline',
    async (line) => {
      const client = await suite.connect({ headers: true });
      client.send(`${line}\r\n`);
      await client.closes(noError);
    },
  );

  it('rejects every byte that starts no operation', async () => {
    const begins = 'CcHhIiPpSsUuMm+-\r';
    for (const byte of everyByte.filter((one) => !begins.includes(one))) {
      const client = await suite.connect();
      client.send(bytes(`${byte}\r\n`));
      await client.closes("-ERR 'Unknown Protocol Operation'\r\n");
    }
  });
});

conformance('a newline at the start of a published subject', '', (suite) => {
  it('does not split the MSG line of subscribers', async () => {
    const [listener, client] = [await suite.connect(), await suite.connect()];
    listener.send('SUB > 1\r\n');
    await listener.receives('');
    client.send('PUB \n+OK 1\r\nx\r\n');
    // nats-server delivers such a subject: subscribers read two lines, and the publisher controls the second.
    if (suite.kind === 'nats-server') {
      await client.receives('');
      await listener.receives('MSG \n+OK 1 1\r\nx\r\n');
    } else {
      await client.closes(noError);
      await listener.receives('');
    }
  });
});
