// Log lines: their format, their levels, and that untrusted text cannot forge one.
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LineLogger, type LineLoggerOptions, LogFile, quote, quoteBytes } from '../src/log.ts';

function capture(options: LineLoggerOptions = {}): { logger: LineLogger; lines: string[] } {
  const lines: string[] = [];
  const now = () => new Date('2026-11-23T18:14:29.123Z');
  const logger = new LineLogger((line) => lines.push(line), { pid: 7, now, utc: true, ...options });
  return { logger, lines };
}

describe('LineLogger', () => {
  it('writes lines in the format of nats-server', () => {
    const { logger, lines } = capture();
    logger.info('Server is ready');
    logger.warn('w');
    logger.error('e');
    logger.fatal('f');
    expect(lines).toEqual([
      '[7] 2026/11/23 18:14:29.123000 [INF] Server is ready\n',
      '[7] 2026/11/23 18:14:29.123000 [WRN] w\n',
      '[7] 2026/11/23 18:14:29.123000 [ERR] e\n',
      '[7] 2026/11/23 18:14:29.123000 [FTL] f\n',
    ]);
  });

  it('drops debug and trace lines unless they are enabled', () => {
    const { logger, lines } = capture();
    logger.debug('d');
    logger.trace('t');
    expect(lines).toEqual([]);
    logger.debugging = true;
    logger.tracing = true;
    logger.debug('d');
    logger.trace('t');
    expect(lines.map((line) => line.slice(-8))).toEqual(['[DBG] d\n', '[TRC] t\n']);
  });

  it('omits the time when timestamps are off', () => {
    const { logger, lines } = capture({ timestamps: false });
    logger.info('x');
    expect(lines).toEqual(['[7] [INF] x\n']);
  });

  it('escapes control characters so that a message stays on one line', () => {
    const { logger, lines } = capture({ timestamps: false });
    logger.info('a\r\n[7] [INF] forged\x1b[2J\u2028\u0085\u202e');
    expect(lines).toEqual(['[7] [INF] a\\r\\n[7] [INF] forged\\x1b[2J\\u2028\\u0085\\u202e\n']);
  });
});

describe('quote', () => {
  it("escapes text as Go's %q does", () => {
    expect(quote('plain')).toBe('"plain"');
    expect(quote('a"b\\c\n\x00é')).toBe('"a\\"b\\\\c\\n\\x00é"');
  });
});

describe('quoteBytes', () => {
  it('keeps valid UTF-8 and escapes the bytes of anything else', () => {
    expect(quoteBytes(Buffer.from('é"\x01'))).toBe('"é\\"\\x01"');
    expect(quoteBytes(Buffer.from([0x61, 0x22, 0x01, 0xff, 0x80]))).toBe('"a\\"\\x01\\xff\\x80"');
  });
});

describe('LogFile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'natspki-log-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('writes to a new file once it is reopened after a rotation', () => {
    const path = join(folder, 'broker.log');
    const file = new LogFile(path);
    file.write('one\n');
    renameSync(path, `${path}.1`);
    file.write('two\n');
    file.reopen();
    file.write('three\n');
    file.close();
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(path, 'utf8')).toBe('three\n');
  });

  it('names the log file that it cannot open', () => {
    expect(() => new LogFile(join(folder, 'none', 'broker.log'))).toThrow(
      /cannot open log file ".*none\/broker\.log": ENOENT/,
    );
  });
});
