// Wraps what commands print to the width of a terminal.
import { describe, expect, it } from 'vitest';
import { wrapped } from '../../src/cli/wrap.ts';

describe('wrapping a line', () => {
  it('breaks between words and indents what follows, and leaves a pipe alone', () => {
    const line = '  1. give ca.pem to every server and client';
    expect(wrapped(line, 24)).toEqual(['  1. give ca.pem to', '    every server and', '    client']);
    expect(wrapped(line, undefined)).toEqual([line]);
    expect(wrapped(line, 80)).toEqual([line]);
  });

  it('keeps the columns of the first line, and breaks neither pins nor commands in backquotes', () => {
    const pin = 'ab'.repeat(32);
    expect(wrapped(`revoke  alice: pin ${pin}`, 40)).toEqual(['revoke  alice: pin', `  ${pin}`]);
    expect(wrapped('run `natspki rotate --ca --finish` then', 20)).toEqual([
      ...['run', '  `natspki rotate --ca --finish`', '  then'],
    ]);
  });

  it('continues a command after a backslash, between its flags', () => {
    expect(wrapped("  nats -s tls://localhost --tlsca ca.pem --tlskey alice.pem sub '>'", 46)).toEqual([
      ...['  nats -s tls://localhost --tlsca ca.pem \\', "    --tlskey alice.pem sub '>'"],
    ]);
  });

  it('does not count colours', () => {
    expect(wrapped('\x1b[31mred\x1b[39m and blue', 12)).toHaveLength(1);
  });
});
