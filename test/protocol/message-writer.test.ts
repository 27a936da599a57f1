// The bytes that are delivered for published messages.
import { describe, expect, it } from 'vitest';
import { MessageWriter, messageSize } from '../../src/protocol/message-writer.ts';
import { Parser } from '../../src/protocol/parser.ts';
import { compose } from '../../src/protocol/publication.ts';
import { below, seeded } from '../support/seeded.ts';
import { LentBuffers, limits, Recorder } from './recorder.ts';

const writer = new MessageWriter();

/** Returns the message that the subscription `7` receives for the bytes of a publisher. */
function delivered(published: string, headers: boolean): string {
  const recorder = new Recorder();
  let written = '';
  recorder.publish = (publication) => {
    const sid = '7';
    const target = Buffer.alloc(messageSize(publication, sid) + 3);
    const end = writer.writeMessage(target, 3, publication, sid, headers);
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
  it('writes MSG for a message without headers', () => {
    expect(delivered('PUB foo 5\r\nhello\r\n', true)).toBe('MSG foo 7 5\r\nhello\r\n');
    expect(delivered('PUB foo bar 0\r\n\r\n', false)).toBe('MSG foo 7 bar 0\r\n\r\n');
  });

  it('writes HMSG for a receiver that supports headers', () => {
    expect(delivered('HPUB foo bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', true)).toBe(
      'HMSG foo 7 bar 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    );
  });

  it('removes headers for a receiver that does not support them', () => {
    expect(delivered('HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', false)).toBe('MSG foo 7 2\r\nhi\r\n');
    expect(delivered('HPUB foo bar 12 12\r\nNATS/1.0\r\n\r\n\r\n', false)).toBe('MSG foo 7 bar 0\r\n\r\n');
  });

  it('writes long messages completely', () => {
    const body = 'x'.repeat(5000);
    expect(delivered(`PUB foo 5000\r\n${body}\r\n`, false)).toBe(`MSG foo 7 5000\r\n${body}\r\n`);
  });

  it('copies each message from its own memory, whatever message was written before', () => {
    const random = seeded(1);
    const bytes = (length: number) => Buffer.alloc(length, 97 + below(random, 26));
    // Small buffers share their memory with others; large buffers have separate memory.
    const all = Array.from({ length: 50 }, () => {
      const [subject, payload] = [bytes(1 + below(random, 60)), bytes(below(random, 9000))];
      return { subject, payload, publication: compose(subject, { payload }) };
    });
    const target = Buffer.alloc(10_000);
    for (let turn = 0; turn < 500; turn++) {
      const { subject, payload, publication } = all[below(random, all.length)] as (typeof all)[number];
      const end = writer.writeMessage(target, 7, publication, '12', true);
      expect(target.toString('latin1', 7, end)).toBe(`MSG ${subject} 12 ${payload.length}\r\n${payload}\r\n`);
    }
  });
});
