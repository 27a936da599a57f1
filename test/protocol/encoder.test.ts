// What goes out on the wire for what came in.
import { describe, expect, it } from 'vitest';
import {
  errorLine,
  infoLine,
  messageSize,
  noRespondersMessage,
  writeMessage,
} from '../../src/protocol/encoder.ts';
import { Parser } from '../../src/protocol/parser.ts';
import { LentBuffers, limits, Recorder } from './recorder.ts';

/** The message that a subscriber `7` gets for what a publisher sent. */
function delivered(published: string, headers: boolean): string {
  const recorder = new Recorder();
  let written = '';
  recorder.publish = (publication) => {
    const sid = Buffer.from('7 ');
    const target = Buffer.alloc(messageSize(publication, sid) + 3);
    const end = writeMessage(target, 3, publication, sid, headers);
    expect(end).toBeLessThanOrEqual(target.length);
    written = target.toString('latin1', 3, end);
  };
  const parser = new Parser(recorder, limits, new LentBuffers());
  parser.headers = true;
  parser.parse(Buffer.from(published, 'latin1'));
  expect(recorder.calls).toEqual([]);
  return written;
}

describe('writeMessage', () => {
  it('writes MSG', () => {
    expect(delivered('PUB foo 5\r\nhello\r\n', true)).toBe('MSG foo 7 5\r\nhello\r\n');
    expect(delivered('PUB foo bar 0\r\n\r\n', false)).toBe('MSG foo 7 bar 0\r\n\r\n');
  });

  it('writes HMSG to those who take headers', () => {
    expect(delivered('HPUB foo bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', true)).toBe(
      'HMSG foo 7 bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    );
  });

  it('cuts headers off for those who do not', () => {
    expect(delivered('HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', false)).toBe('MSG foo 7 2\r\nhi\r\n');
    expect(delivered('HPUB foo bar 12 12\r\nNATS/1.0\r\n\r\n\r\n', false)).toBe('MSG foo 7 bar 0\r\n\r\n');
  });

  it('writes long messages whole', () => {
    const body = 'x'.repeat(5000);
    expect(delivered(`PUB foo 5000\r\n${body}\r\n`, false)).toBe(`MSG foo 7 5000\r\n${body}\r\n`);
  });
});

describe('lines', () => {
  it("are nats-server's", () => {
    expect(infoLine('{}').toString()).toBe('INFO {} \r\n');
    expect(errorLine('Invalid Subject').toString()).toBe("-ERR 'Invalid Subject'\r\n");
    expect(noRespondersMessage(Buffer.from('back'), '1', Buffer.from('none')).toString()).toBe(
      'HMSG back 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n',
    );
  });
});
