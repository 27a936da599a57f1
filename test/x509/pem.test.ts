import { describe, expect, it } from 'vitest';
import { readPem, writePem } from '../../src/x509/pem.ts';

const one = writePem(
  'CERTIFICATE',
  Buffer.from('the bytes of a certificate, more than one line of base64 can hold'),
);
const two = writePem('PRIVATE KEY', Buffer.from('the bytes of a key'));
const read = (text: string) =>
  readPem(Buffer.from(text), 'chain.pem').map(({ label, der }) => [label, der.toString()]);
const both = [
  ['CERTIFICATE', 'the bytes of a certificate, more than one line of base64 can hold'],
  ['PRIVATE KEY', 'the bytes of a key'],
];

describe('PEM', () => {
  it('is encoded with lines of 64 characters and a newline at the end', () => {
    const lines = one.split('\n');
    expect(lines.at(0)).toBe('-----BEGIN CERTIFICATE-----');
    expect(lines.at(1)).toHaveLength(64);
    expect(lines.slice(-2)).toEqual(['-----END CERTIFICATE-----', '']);
  });

  it('is read block by block', () => {
    expect(read(one + two)).toEqual(both);
  });

  it('can be surrounded by text, as openssl writes it', () => {
    expect(read(`Certificate:\n    Data: -----BEGIN\n${one}\nBag Attributes\n  x: y\n${two}the end`)).toEqual(
      both,
    );
  });

  it('can have CRLF, no newline at the end, and spaces at the end of lines', () => {
    expect(read((one + two).replaceAll('\n', '\r\n'))).toEqual(both);
    expect(read((one + two).trimEnd())).toEqual(both);
    expect(read((one + two).replaceAll('\n', ' \t\n'))).toEqual(both);
  });

  it('can have no blocks', () => {
    expect(read('nothing of interest')).toEqual([]);
  });

  it('recognizes encrypted blocks by their headers', () => {
    const text = two.replace('\n', '\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF\n\n');
    expect(readPem(Buffer.from(text), 'key.pem')[0]).toMatchObject({ encrypted: true });
    expect(readPem(Buffer.from(two), 'key.pem')[0]).toMatchObject({ encrypted: false });
  });

  it('is truncated when a block has no end, wherever it ends', () => {
    for (let length = one.length + 28; length < (one + two).trimEnd().length; length++) {
      expect(() => read((one + two).slice(0, length)), `cut at ${length}`).toThrow(
        /"chain.pem" is truncated/,
      );
    }
  });

  it('leads to an error with the label and the first line of a truncated block', () => {
    expect(() => read(one + two.split('\n').slice(0, 2).join('\n'))).toThrow(
      '"chain.pem" is truncated: the PRIVATE KEY block that begins on line 5 has no whole END line',
    );
    expect(() => read(`${one.split('\n').slice(0, 2).join('\n')}\n${two}`)).toThrow(
      '"chain.pem" is truncated: the CERTIFICATE block that begins on line 1 has no whole END line',
    );
  });

  it('is damaged when a line is not base64, and the error does not contain the line', () => {
    const damaged = () => read(two.replace('dGhl', 'dG*l'));
    expect(damaged).toThrow('"chain.pem" is damaged: line 2 is not base64');
    expect(damaged).not.toThrow('dG*l');
  });

  it('is damaged when characters are missing', () => {
    expect(() => read(one.replace('dGhl', 'dGh'))).toThrow('base64 is not whole');
    expect(() => read('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n')).toThrow(
      'base64 is not whole',
    );
  });

  it('is damaged when a block ends with another label', () => {
    expect(() => read(one.replace('END CERTIFICATE', 'END PRIVATE KEY'))).toThrow(
      'line 4 is not the END of CERTIFICATE',
    );
  });
});
