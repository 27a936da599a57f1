// The encoding of lines.
import { describe, expect, it } from 'vitest';
import { errorLine, infoLine, noRespondersMessage } from '../../src/protocol/encoder.ts';

describe('lines', () => {
  it('encodes lines as nats-server does', () => {
    expect(infoLine('{}').toString()).toBe('INFO {} \r\n');
    expect(errorLine('Invalid Subject').toString()).toBe("-ERR 'Invalid Subject'\r\n");
    expect(noRespondersMessage(Buffer.from('back'), '1', Buffer.from('none')).toString()).toBe(
      'HMSG back 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n',
    );
  });
});
