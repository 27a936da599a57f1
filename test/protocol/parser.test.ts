// The parser of the client protocol: its operations, its limits, and that chunk boundaries never matter.
import { describe, expect, it } from 'vitest';
import type { ParserLimits, Publication } from '../../src/protocol/operations.ts';
import { Parser } from '../../src/protocol/parser.ts';
import type { Violation } from '../../src/protocol/violations.ts';
import { below, randomSplits, seeded } from '../support/seeded.ts';
import { LentBuffers, limits, parse, Recorder } from './recorder.ts';

const withHeaders = (parser: Parser) => {
  parser.headers = true;
};

/** Parses the stream as a whole, byte by byte and in random chunks; all results must be the same. */
function calls(
  stream: string | Buffer,
  prepare?: (parser: Parser, recorder: Recorder) => void,
  parserLimits: ParserLimits = limits,
): string[] {
  const bytes = Buffer.isBuffer(stream) ? stream : Buffer.from(stream, 'latin1');
  const whole = parse([bytes], prepare, parserLimits);
  const random = seeded(bytes.length);
  const single = Array.from(bytes, (byte) => Buffer.of(byte));
  for (const chunks of [single, randomSplits(bytes, random), randomSplits(bytes, random)]) {
    expect(parse(chunks, prepare, parserLimits)).toEqual(whole);
  }
  return whole;
}

const unknown = 'violation Unknown Protocol Operation, Protocol Violation';
const malformed = 'violation silent, Protocol Violation';

describe('Parser', () => {
  it('reads nothing while it is held, and then all bytes received so far, whatever the chunk boundaries', () => {
    const stream = Buffer.from('CONNECT {}\r\nPING\r\nCONNECT {}\r\nPUB a 2\r\nhi\r\nPONG\r\n');
    const random = seeded(1);
    const single = Array.from(stream, (byte) => Buffer.of(byte));
    for (const chunks of [[stream], single, randomSplits(stream, random), randomSplits(stream, random)]) {
      const recorder = new Recorder();
      const parser = new Parser(recorder, limits, new LentBuffers());
      recorder.onConnect = () => parser.hold();
      const seen: number[] = [];
      for (const chunk of chunks) parser.parse(chunk);
      seen.push(recorder.calls.length);
      parser.resume();
      seen.push(recorder.calls.length);
      parser.resume();
      parser.resume();
      expect(seen).toEqual([1, 3]);
      expect(recorder.calls).toEqual(parse([stream]));
    }
  });

  it('stays stopped after resume when it was stopped while held', () => {
    const recorder = new Recorder();
    const parser = new Parser(recorder, limits, new LentBuffers());
    recorder.onConnect = () => parser.hold();
    parser.parse(Buffer.from('CONNECT {}\r\nPING\r\n'));
    parser.stop();
    parser.resume();
    parser.parse(Buffer.from('PING\r\n'));
    expect(recorder.calls).toEqual(['CONNECT "{}"']);
  });

  it('treats a carriage return as a blank in SUB and UNSUB, and as part of the subject in PUB', () => {
    expect(calls('SUB a\rb 1\r\nUNSUB \r1\r2\r\r\nSUB a 1\r\r\nPUB a\rb 0\r\n\r\n')).toEqual(
      calls('SUB a b 1\r\nUNSUB 1 2\r\nSUB a 1\r\n').concat(calls('PUB a\rb 0\r\n\r\n')),
    );
    expect(calls('PUB a\rb 0\r\n\r\n')[0]).toContain('a\\rb');
  });

  it('does not quote the password after a misspelled CONNECT', () => {
    const details: (string | undefined)[] = [];
    const violation = (_: Violation, detail?: string) => void details.push(detail);
    new Parser(Object.assign(new Recorder(), { violation }), limits, new LentBuffers()).parse(
      Buffer.from('CONNETC {"pass":"hunter2"}\r\n'),
    );
    expect(details).toEqual(['near "TC {"']);
  });

  it('parses every operation of a client', () => {
    const stream = [
      'CONNECT {"verbose":false}\r\n',
      'PING\r\n',
      'PONG\r\n',
      '+OK\r\n',
      'SUB foo.* 1\r\n',
      'SUB foo workers 22\r\n',
      'UNSUB 1\r\n',
      'UNSUB 22 5\r\n',
      'PUB foo 5\r\nhello\r\n',
      'PUB foo reply.to 0\r\n\r\n',
      'HPUB foo 12 17\r\nNATS/1.0\r\n\r\nhello\r\n',
      'HPUB foo back 12 12\r\nNATS/1.0\r\n\r\n\r\n',
      'INFO {}\r\n',
      "-ERR 'oh'\r\n",
    ].join('');
    expect(calls(stream, withHeaders)).toEqual([
      'CONNECT "{\\"verbose\\":false}"',
      'PING',
      'PONG',
      'SUB "foo.*" "1"',
      'SUB "foo" "workers" "22"',
      'UNSUB "1" undefined',
      'UNSUB "22" 5',
      'PUB "foo" body="hello" wire="foo 5\\r\\nhello\\r\\n"',
      'PUB "foo" reply="reply.to" body="" wire="foo reply.to 0\\r\\n\\r\\n"',
      'PUB "foo" headers="NATS/1.0\\r\\n\\r\\n" body="hello" wire="foo 12 17\\r\\nNATS/1.0\\r\\n\\r\\nhello\\r\\n"',
      'PUB "foo" reply="back" headers="NATS/1.0\\r\\n\\r\\n" body="" wire="foo back 12 12\\r\\nNATS/1.0\\r\\n\\r\\n\\r\\n"',
      'INFO "{}"',
      '-ERR "\'oh\'"',
    ]);
  });

  it('accepts keywords in any case, tabs, repeated spaces and a bare newline, and normalizes messages', () => {
    expect(calls('pUb\tfoo\t \t2\nhi\r\n')).toEqual(['PUB "foo" body="hi" wire="foo 2\\r\\nhi\\r\\n"']);
    expect(calls('PUB   a  b\t2 \r\nhi\r\nsub a\t1\n')).toEqual([
      'PUB "a" reply="b" body="hi" wire="a b 2\\r\\nhi\\r\\n"',
      'SUB "a" "1"',
    ]);
  });

  it('ignores the rest of the line after PING, PONG and +OK', () => {
    expect(calls('PINGx y\r\nPoNg \n+ok!\r\nping\n')).toEqual(['PING', 'PONG', 'PING']);
  });

  it('keeps the size as the publisher wrote it', () => {
    expect(calls('PUB a 05\r\nhello\r\n')).toEqual(['PUB "a" body="hello" wire="a 05\\r\\nhello\\r\\n"']);
  });

  it('treats a message with an empty header block as one without headers', () => {
    expect(calls('HPUB a 0 2\r\nhi\r\n', withHeaders)).toEqual([
      'PUB "a" body="hi" wire="a 2\\r\\nhi\\r\\n"',
    ]);
  });

  it('accepts every byte value in payloads', () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const stream = Buffer.concat([Buffer.from('PUB a 256\r\n'), body, Buffer.from('\r\nPING\r\n')]);
    expect(calls(stream)).toEqual([
      `PUB "a" body=${JSON.stringify(body.toString('latin1'))} wire=${JSON.stringify(`a 256\r\n${body.toString('latin1')}\r\n`)}`,
      'PING',
    ]);
  });

  it('rejects an unknown operation at its first wrong byte', () => {
    for (const stream of [
      'X',
      'PUX',
      'HMSG a 1\r\n',
      'MSG a 1 0\r\n',
      'GET / HTTP/1.1\r\n',
      'PUB\r\n',
      '\r\n',
    ]) {
      expect(calls(stream)).toEqual([unknown]);
    }
  });

  it('rejects a payload whose length differs from its size', () => {
    expect(calls('PUB foo 5\r\nhello!\r\n')).toEqual([unknown]);
    expect(calls('PUB foo 5\r\nhel\r\nPING\r\n')).toEqual([unknown]);
    expect(calls('PUB foo 2\r\nhi\rx')).toEqual([unknown]);
  });

  it('reports invalid arguments as a violation without an error text', () => {
    for (const line of [
      'PUB foo',
      'PUB foo bar baz 0',
      'PUB foo x',
      'PUB foo -1',
      'PUB foo 1234567890',
      'SUB foo',
      'SUB a b c d',
      'SUB a b c d e f g',
      'UNSUB 1 2 3',
      'HPUB foo 2',
      'HPUB foo x 2',
      'HPUB foo 3 2',
      'HPUB a b c 0 0',
      'SUB \r',
    ]) {
      expect([line, ...calls(`${line}\r\nPING\r\n`, withHeaders)]).toEqual([line, malformed]);
    }
  });

  it('reports an invalid max of UNSUB as -1', () => {
    expect(calls('UNSUB 1 x\r\n')).toEqual(['UNSUB "1" -1']);
  });

  it('rejects HPUB unless headers are enabled', () => {
    expect(calls('HPUB foo 12 12\r\n')).toEqual([malformed]);
  });

  it('rejects a payload above the limit before it arrives', () => {
    const small = { ...limits, maxPayload: 10 };
    expect(calls('PUB a 10\r\n0123456789\r\n', undefined, small)).toHaveLength(1);
    expect(calls('PUB a 11\r\n', undefined, small)).toEqual([
      'violation Maximum Payload Violation, Maximum Message Payload Exceeded',
    ]);
    expect(calls('HPUB a 1 11\r\n', withHeaders, small)).toEqual([
      'violation Maximum Payload Violation, Maximum Message Payload Exceeded',
    ]);
  });

  it('rejects a line above the limit, complete or not, and accepts one exactly at the limit', () => {
    const small = { ...limits, maxControlLine: 16 };
    const overlong = 'violation maximum control line exceeded, Maximum Control Line Exceeded';
    expect(calls(`SUB ${'a'.repeat(14)} 1\r\n`, undefined, small)).toEqual([`SUB "${'a'.repeat(14)}" "1"`]);
    expect(calls(`PUB  ${'a'.repeat(14)} 0\r\n\r\n`, undefined, small)).toHaveLength(1);
    expect(calls(`SUB ${'a'.repeat(14)} 1`, undefined, small)).toEqual([]);
    expect(calls(`SUB ${'a'.repeat(15)} 1\r\n`, undefined, small)).toEqual([overlong]);
    expect(calls(`SUB ${'a'.repeat(15)} 1`, undefined, small)).toEqual([overlong]);
    expect(calls(`CONNECT ${'{'.repeat(17)}`, undefined, small)).toEqual([overlong]);
  });

  it('accepts only CONNECT as the first operation while connectFirst is set', () => {
    const first = (admits: boolean) => (parser: Parser, recorder: Recorder) => {
      parser.connectFirst = true;
      recorder.admits = admits;
    };
    expect(calls('PUB foo 1000', first(false))).toEqual([
      'before CONNECT',
      'violation Authorization Violation, Authentication Failure',
    ]);
    expect(calls('PING\r\nPING\r\n', first(true))).toEqual(['before CONNECT', 'PING', 'PING']);
    expect(calls('connect {}\r\n', first(false))).toEqual(['CONNECT "{}"']);
  });

  it('reads nothing more once it is stopped, even in the middle of a chunk', () => {
    const recorder = new Recorder();
    const prepare = (parser: Parser, own: Recorder) => {
      own.ping = () => {
        own.calls.push('PING');
        parser.stop();
      };
    };
    expect(calls('PING\r\nPUB a 1\r\nx\r\nPING\r\n', prepare)).toEqual(['PING']);
    expect(recorder.calls).toEqual([]);
  });

  it('parses random streams to the same operations however they are split', () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= 300; seed++) {
      const random = seeded(seed);
      const stream = Buffer.concat(Array.from({ length: 1 + below(random, 30) }, () => operation(random)));
      if (random() < 0.5) stream[below(random, stream.length)] = below(random, 256);
      for (const call of calls(stream, withHeaders, { maxControlLine: 64, maxPayload: 280 })) {
        const name = call.slice(0, call.indexOf(' '));
        seen.set(name, (seen.get(name) ?? 0) + 1);
      }
    }
    // The streams must not all fail at their first operation.
    for (const name of ['PUB', 'SUB', 'UNSUB', 'CONNECT', 'violation'])
      expect(seen.get(name)).toBeGreaterThan(50);
  });

  it('keeps isNoted exactly while the subject repeats, whatever operations come in between', () => {
    let repeats = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const random = seeded(seed);
      const stream = Buffer.concat(Array.from({ length: 40 }, () => likePublication(random)));
      calls(stream, withHeaders, { maxControlLine: 64, maxPayload: 280 });
      const recorder = new Recorder();
      let noted: string | undefined;
      recorder.publish = (publication) => {
        const { buffer, subjectStart, subjectEnd, isNoted } = publication;
        const subject = buffer.toString('latin1', subjectStart, subjectEnd);
        if (isNoted) expect(subject).toBe(noted);
        if (isNoted) repeats++;
        if (random() < 0.2) return;
        publication.isNoted = true;
        noted = subject;
      };
      const parser = new Parser(recorder, limits, new LentBuffers());
      parser.headers = true;
      // Always into the same buffer, as from a socket.
      const shared = Buffer.alloc(stream.length);
      for (const chunk of randomSplits(stream, random)) {
        chunk.copy(shared);
        parser.parse(shared.subarray(0, chunk.length));
      }
    }
    expect(repeats).toBeGreaterThan(500);
  });

  it('does not mistake HPUB for PUB when the lines are equal after the keyword', () => {
    const headers = 'NATS/1.0\r\n\r\n';
    expect(
      calls(
        `PUB a 12 12\r\n${headers}\r\nHPUB a 12 12\r\n${headers}\r\nPUB a 12 12\r\n${headers}\r\n`,
        withHeaders,
      ),
    ).toMatchInlineSnapshot(`
      [
        "PUB "a" reply="12" body="NATS/1.0\\r\\n\\r\\n" wire="a 12 12\\r\\nNATS/1.0\\r\\n\\r\\n\\r\\n"",
        "PUB "a" headers="NATS/1.0\\r\\n\\r\\n" body="" wire="a 12 12\\r\\nNATS/1.0\\r\\n\\r\\n\\r\\n"",
        "PUB "a" reply="12" body="NATS/1.0\\r\\n\\r\\n" wire="a 12 12\\r\\nNATS/1.0\\r\\n\\r\\n\\r\\n"",
      ]
    `);
  });

  it('keeps no reference to a chunk or to a returned buffer', () => {
    const streams = ['PUB a 1\r\nx\r\nPUB a 1\r\nx\r\n', 'PUB a  1\r\nx\r\n', 'HPUB a 0 1\r\nx\r\n'];
    for (const stream of streams) {
      for (const split of [stream.length, stream.length - 3]) {
        const recorder = new Recorder();
        let publication: Publication | undefined;
        recorder.publish = (given) => {
          publication = given;
        };
        const parser = new Parser(recorder, limits, new LentBuffers());
        parser.headers = true;
        parser.parse(Buffer.from(stream.slice(0, split)));
        parser.parse(Buffer.from(stream.slice(split)));
        expect(publication?.buffer).toHaveLength(0);
      }
    }
  });

  it('applies limits that were lowered during the delivery of the previous publication', () => {
    const one = 'PUB abc 2\r\nhi\r\n';
    const lower = { maxControlLine: 4, maxPayload: 1 };
    for (const name of ['maxControlLine', 'maxPayload'] as const) {
      const recorder = new Recorder();
      const parser = new Parser(recorder, limits, new LentBuffers());
      const seen: string[] = [];
      recorder.publish = () => {
        seen.push('PUB');
        if (seen.length === 2) parser[name] = lower[name];
      };
      parser.parse(Buffer.from(one.repeat(4)));
      expect(seen).toEqual(['PUB', 'PUB']);
      expect(recorder.calls).toHaveLength(1);
    }
  });

  it('parses random bytes without throwing', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seeded(seed);
      const noise = Buffer.from(Array.from({ length: 200 }, () => below(random, 256)));
      // After a keyword, more of the random bytes are parsed.
      calls(Buffer.concat([Buffer.from(random() < 0.5 ? 'PUB ' : 'SUB '), noise]), withHeaders);
    }
  });
});

/** Returns a publication that usually repeats the previous line, or an operation that resembles one. */
function likePublication(random: () => number): Buffer {
  const pick = (choices: readonly string[]) => choices[below(random, choices.length)] as string;
  const subject = pick(['a', 'abc', 'abc', 'abc', 'abd', 'abcd.efgh']);
  const body = 'x'.repeat(below(random, 4) === 0 ? 0 : 12);
  switch (below(random, 12)) {
    case 0:
      return Buffer.from(`PUB ${subject} 12 ${body.length}\r\n${body}\r\n`);
    case 1:
      return Buffer.from(`HPUB ${subject} 12 12\r\nNATS/1.0\r\n\r\n\r\n`);
    case 2:
      return Buffer.from('PING\r\n');
    case 3:
      return Buffer.from(`SUB ${subject} 12\r\n`);
    default:
      return Buffer.from(`PUB ${subject} ${body.length}\r\n${body}\r\n`);
  }
}

/** Returns an operation that is well-formed except for its spacing, its case and sometimes its sizes. */
function operation(random: () => number): Buffer {
  const pick = (choices: readonly string[]) => choices[below(random, choices.length)] as string;
  const space = () => pick([' ', ' ', ' ', '\t', '  ']);
  const end = () => pick(['\r\n', '\r\n', '\n']);
  const word = () => pick(['a', 'foo.bar', '>', '*', '_INBOX.x.1', 'é', 'x'.repeat(40)]);
  const body = Buffer.from(Array.from({ length: below(random, 300) }, () => below(random, 256)));
  const size = body.length + (random() < 0.05 ? 1 : 0);
  const replied = random() < 0.5 ? `${word()}${space()}` : '';
  const line = (text: string) => Buffer.from(text, 'latin1');
  switch (below(random, 8)) {
    case 0:
      return line(`${pick(['PING', 'ping', 'PONG', '+OK'])}${end()}`);
    case 1:
      return line(`SUB${space()}${word()}${space()}${random() < 0.5 ? `q${space()}` : ''}7${end()}`);
    case 2:
      return line(`UNSUB${space()}7${random() < 0.5 ? `${space()}${below(random, 99)}` : ''}${end()}`);
    case 3:
      return line(`CONNECT${space()}{"verbose":${pick(['true', 'false'])}}${end()}`);
    case 4: {
      const headers = below(random, body.length + 1);
      const head = `HPUB${space()}${word()}${space()}${replied}${headers}${space()}${size}${end()}`;
      return Buffer.concat([line(head), body, line('\r\n')]);
    }
    default: {
      const head = `${pick(['PUB', 'pub'])}${space()}${word()}${space()}${replied}${size}${end()}`;
      return Buffer.concat([line(head), body, line('\r\n')]);
    }
  }
}
