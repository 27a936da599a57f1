// Tokens: what they carry, and what is rejected.
import { describe, expect, it } from 'vitest';
import { decodeToken, encodeToken, hashSecret, isSecretOf, newSecret } from '../../src/fleet/token.ts';
import type { Pin } from '../../src/x509/pin.ts';

const token = {
  ...newSecret(),
  authorities: ['ab', 'cd'].map((byte) => byte.repeat(32) as Pin),
  name: 'web-1',
  urls: ['https://ca.example.com:8443', 'https://10.0.0.1:8443'],
};

describe('token', () => {
  it('is one base64url word that carries id, secret, authorities, name and URLs', () => {
    const word = encodeToken(token);
    expect(word).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(decodeToken(` ${word}\n`)).toEqual(token);
  });

  it('is rejected when it names no authority', () => {
    expect(() => decodeToken(encodeToken({ ...token, authorities: [] }))).toThrow('names no authority');
    const many = Array.from({ length: 17 }, () => token.authorities[0] as Pin);
    expect(() => decodeToken(encodeToken({ ...token, authorities: many }))).toThrow('names no authority');
  });

  it('is rejected, without being quoted, when a character is missing or changed', () => {
    const word = encodeToken(token);
    const changed = `${word.slice(0, 40)}${word[40] === 'A' ? 'B' : 'A'}${word.slice(41)}`;
    for (const wrong of [word.slice(0, -1), word.slice(1), changed, '', 'not a token', 'A'.repeat(9000)]) {
      let message = '';
      try {
        decodeToken(wrong);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toMatch(/^the token /);
      expect(wrong.length > 20 && message.includes(wrong)).toBe(false);
    }
  });

  it('has a secret that the kept hash accepts, and no other secret', () => {
    const hash = hashSecret(token.secret);
    expect(isSecretOf(token.secret, hash)).toBe(true);
    expect(isSecretOf(newSecret().secret, hash)).toBe(false);
    expect(isSecretOf(Buffer.alloc(0), hash)).toBe(false);
    expect(isSecretOf(token.secret, 'zz')).toBe(false);
  });
});
