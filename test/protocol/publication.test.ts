import { expect, it } from 'vitest';
import { MessageWriter } from '../../src/protocol/message-writer.ts';
import type { Publication } from '../../src/protocol/operations.ts';
import { compose, readdress } from '../../src/protocol/publication.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const headers = bytes('NATS/1.0\r\nA: b\r\n\r\n');

/** Returns the message as a subscriber receives it. */
function written(publication: Publication, takesHeaders = true): string {
  const target = Buffer.alloc(256);
  const end = new MessageWriter().writeMessage(target, 0, publication, '7', takesHeaders);
  return target.toString('latin1', 0, end);
}

it.each([
  ['a message', { payload: bytes('hi') }, 'MSG a.b 7 2\r\nhi\r\n'],
  ['an empty message', { payload: bytes('') }, 'MSG a.b 7 0\r\n\r\n'],
  ['a request', { payload: bytes('hi'), reply: bytes('in.1') }, 'MSG a.b 7 in.1 2\r\nhi\r\n'],
  [
    'a message with headers',
    { payload: bytes('hi'), headers },
    'HMSG a.b 7 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n',
  ],
  [
    'a request with headers',
    { payload: bytes('hi'), headers, reply: bytes('in.1') },
    'HMSG a.b 7 in.1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n',
  ],
])('composes %s', (_, content, message) => {
  expect(written(compose(bytes('a.b'), content))).toBe(message);
});

it.each([{}, { reply: bytes('in.1') }, { headers }, { headers, reply: bytes('in.1') }])(
  'copies a publication with another subject and another reply: %#',
  (parts) => {
    const payload = bytes('pay\r\nload');
    const original = compose(bytes('a.b'), { payload, ...parts });
    const moved = readdress(original, bytes('other.subject'), bytes('r'));
    expect(written(moved)).toBe(
      written(compose(bytes('other.subject'), { payload, ...parts, reply: bytes('r') })),
    );
    expect(written(moved, false)).toBe('MSG other.subject 7 r 9\r\npay\r\nload\r\n');
    expect(written(readdress(moved, bytes('x'), bytes('')), false)).toBe('MSG x 7 9\r\npay\r\nload\r\n');
  },
);
