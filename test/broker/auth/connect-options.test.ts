// The parsing of CONNECT, which follows nats-server's JSON decoder.
import { createUser } from '@nats-io/nkeys';
import { describe, expect, it } from 'vitest';
import {
  defaultConnectOptions,
  mergeConnect,
  redactSecrets,
} from '../../../src/broker/auth/connect-options.ts';

const merge = (json: string, previous = defaultConnectOptions) => mergeConnect(previous, Buffer.from(json));

describe('mergeConnect', () => {
  it('changes the fields in the JSON and keeps the others', () => {
    expect(merge('{"verbose":false,"user":"u","protocol":1,"unknown":{}}')).toEqual({
      ...defaultConnectOptions,
      verbose: false,
      user: 'u',
      protocol: 1,
    });
    expect(merge('{"echo":false}', merge('{"verbose":false}'))).toMatchObject({
      verbose: false,
      echo: false,
    });
  });

  it('matches field names in any case, and ignores null', () => {
    expect(merge('{"VERBOSE":false,"Pass":"p","pedantic":null}')).toMatchObject({
      verbose: false,
      pass: 'p',
      pedantic: true,
    });
    expect(merge('null')).toEqual(defaultConnectOptions);
  });

  it('ignores fields named like properties of Object.prototype', () => {
    const merged = merge('{"__proto__":{"verbose":false},"constructor":"x"}');
    expect(merged).toEqual(defaultConnectOptions);
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });

  it('uses the last value of a field that occurs several times', () => {
    expect(
      merge('{"user":"a","USER":"b","user":"c","name":"x,}\\"]:","x":[{"user":"d"},":"]}'),
    ).toMatchObject({
      user: 'c',
      name: 'x,}"]:',
    });
  });

  it.each([
    '',
    '{',
    'x',
    '[]',
    '"x"',
    '5',
    '{"verbose":"yes"}',
    '{"protocol":1.5}',
    '{"protocol":1.0}',
    '{"verbose":1,"verbose":true}',
    '{"protocol":"1"}',
    '{"user":5}',
  ])('rejects %j', (json) => {
    expect(() => merge(json)).toThrow(/^CONNECT with/);
  });

  it('never repeats the input in an error message', () => {
    for (const json of ['{"pass":"hunter2"', '{"pass":{"hunter2":1}}', 'hunter2']) {
      expect(() => merge(json)).toThrow(expect.not.stringContaining('hunter2'));
    }
  });
});

describe('withoutSecrets', () => {
  it('redacts every secret in a CONNECT', () => {
    const json = '{"user":"u","pass":"s1","auth_token":"s2","jwt":"s3","sig":"s4","nkey":"s5","name":"n"}';
    expect(redactSecrets(Buffer.from(json))).not.toMatch(/s\d/);
    expect(redactSecrets(Buffer.from(json))).toContain('"user":"u"');
    expect(redactSecrets(Buffer.from('{"pass":"s1"'))).toBe('[no JSON object]');
    expect(redactSecrets(Buffer.from('"s1"'))).toBe('[no JSON object]');
  });

  it('redacts a private key that a client sends in place of its name', () => {
    const seed = new TextDecoder().decode(createUser().getSeed());
    expect(redactSecrets(Buffer.from(JSON.stringify({ user: seed })))).toBe('{"user":"[REDACTED]"}');
  });
});
