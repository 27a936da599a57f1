import { describe, expect, it } from 'vitest';
import { formatName } from '../../src/x509/distinguished-name.ts';
import { formatSan, isHost, parseSan, sanOfHost } from '../../src/x509/name.ts';

const parsed = (text: string) => formatSan(parseSan(text));

describe('a subject alternative name', () => {
  it.each([
    ['dns:localhost', 'dns:localhost'],
    ['DNS:n1.Example.com', 'dns:n1.Example.com'],
    ['dns:*.example.com', 'dns:*.example.com'],
    ['dns:nats_server.internal', 'dns:nats_server.internal'],
    ['dns:bücher.example', 'dns:xn--bcher-kva.example'],
    ['dns:*.bücher.example', 'dns:*.xn--bcher-kva.example'],
    ['dns:1password.com', 'dns:1password.com'],
    ['ip:127.0.0.1', 'ip:127.0.0.1'],
    ['ip:::1', 'ip:::1'],
    ['ip:[::1]', 'ip:::1'],
    ['ip:2001:DB8:0:0:0:0:0:1', 'ip:2001:db8::1'],
    ['email:alice@example.com', 'email:alice@example.com'],
    ['email:alice+nats@bücher.example', 'email:alice+nats@xn--bcher-kva.example'],
    ['uri:spiffe://example.com/nats/n1', 'uri:spiffe://example.com/nats/n1'],
    [
      'uri:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
      'uri:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    ],
  ])('%s is possible', (text, result) => {
    expect(parsed(text)).toBe(result);
  });

  it.each([
    ['dns:', 'it is empty', undefined],
    ['dns:10.0.0.1', 'it is an IP address', '--san ip:10.0.0.1'],
    ['dns:::1', 'it is an IP address', '--san ip:::1'],
    ['dns:300.1.2.3', 'ends in a number', undefined],
    ['dns:0x7f.1', 'ends in a number', undefined],
    ['dns:nats://n1.example.com:4222', 'more than a host name', '--san dns:n1.example.com'],
    ['dns:n1.example.com:4222', 'more than a host name', '--san dns:n1.example.com'],
    ['dns:[::1]:4222', 'more than a host name', '--san ip:::1'],
    ['dns:n1.example.com.', 'no dot at its end', '--san dns:n1.example.com'],
    ['dns:n1..example.com', '"" is not a label', undefined],
    ['dns:-n1.example.com', '"-n1" is not a label', undefined],
    ['dns:n 1', '"n 1" is not a label', undefined],
    [`dns:${'a'.repeat(64)}.com`, 'a label has 64 characters', undefined],
    [`dns:${'a.'.repeat(127)}com`, 'DNS allows 253', undefined],
    ['dns:*', 'whole first label', '--san dns:*.example.com'],
    ['dns:n*.example.com', 'whole first label', '--san dns:*.example.com'],
    ['dns:a.*.example.com', 'whole first label', '--san dns:*.example.com'],
    ['dns:*.local', 'right below a top-level domain', '--san dns:*.nats.local'],
    ['dns:a\u202eb.example', 'the control character U+202E', undefined],
    ['dns:a\nb.example', 'the control character U+000A', undefined],
    ['dns:a\u00adb.example', 'the control character U+00AD', undefined],
    ['ip:127.0.0.1\r', 'the control character U+000D', undefined],
    ['email:a\t@example.com', 'the control character U+0009', undefined],
    ['email:a@exam\x85ple.com', 'the control character U+0085', undefined],
    ['uri:spiffe://a/\0', 'the control character U+0000', undefined],
    ['ip:', 'not an IP address', undefined],
    ['ip:localhost', 'not an IP address', '--san dns:localhost'],
    ['ip:256.0.0.1', 'not an IP address', undefined],
    ['ip:10.0.0.0/8', 'it is a network', '--san ip:10.0.0.0'],
    ['ip:fe80::1%eth0', 'a zone means nothing', '--san ip:fe80::1'],
    ['ip:::ffff:10.0.0.1', 'in its own form', '--san ip:10.0.0.1'],
    ['ip:0.0.0.0', 'every address of a listener', '--san ip:127.0.0.1'],
    ['ip:::', 'every address of a listener', '--san ip:127.0.0.1'],
    ['email:alice', 'it has no @', '--san email:alice@example.com'],
    ['email:Alice <alice@example.com>', 'more than an address', '--san email:alice@example.com'],
    ['email:@example.com', 'before the @', undefined],
    ['email:a b@example.com', 'before the @', undefined],
    ['email:älice@example.com', 'before the @', undefined],
    ['email:alice@', 'after the @', undefined],
    ['email:alice@*.example.com', 'no wildcard', undefined],
    ['uri:example.com/n1', 'it has no scheme', '--san uri:spiffe://example.com/n1'],
    ['uri:spiffe://example.com/a b', 'writes as %XX', undefined],
    ['uri:http://[/', 'not a URI', undefined],
  ])('%s is impossible', (text, why, hint) => {
    expect(() => parseSan(text)).toThrow(
      expect.objectContaining({
        code: 'impossible-san',
        message: expect.stringContaining(why),
        hint,
        exitCode: 2,
      }),
    );
  });

  it('needs a kind, which the hint guesses', () => {
    const hintOf = (text: string) => {
      try {
        parseSan(text);
      } catch (error) {
        return (error as { hint?: string }).hint;
      }
      throw new Error('it was read');
    };
    expect(hintOf('n1.example.com')).toBe('--san dns:n1.example.com');
    expect(hintOf('10.0.0.1')).toBe('--san ip:10.0.0.1');
    expect(hintOf('alice@example.com')).toBe('--san email:alice@example.com');
    expect(hintOf('foo:bar')).toBe(undefined);
  });
});

describe('a host', () => {
  it.each(['a\nb.example', '127.0.0.1\n', 'a\u200bb'])('%j is impossible', (host) => {
    expect(() => sanOfHost(host)).toThrow(
      expect.objectContaining({ message: expect.stringContaining('control character'), hint: undefined }),
    );
  });

  it('is a DNS name or an IP address, with or without brackets', () => {
    expect(['n1', '10.0.0.1', '::1', '[::1]'].map((host) => formatSan(sanOfHost(host)))).toEqual([
      'dns:n1',
      'ip:10.0.0.1',
      'ip:::1',
      'ip:::1',
    ]);
  });

  it('is rejected when it is impossible, with a hint that uses --host', () => {
    expect(() => sanOfHost('nats://n1.example.com:4222')).toThrow(
      expect.objectContaining({
        code: 'impossible-san',
        message: 'impossible host "nats://n1.example.com:4222": it is more than a host name',
        hint: '--host n1.example.com',
      }),
    );
  });

  it('is nothing else', () => {
    expect(['n1', '::1', 'my host', '', 'a@b', '0.0.0.0'].map(isHost)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('a distinguished name', () => {
  it('is printed with special and control characters escaped', () => {
    const name = [
      { type: 'O', value: 'Example, Inc. <x>' },
      { type: 'CN', value: ' #1\u001b[31m ' },
    ];
    expect(formatName(name)).toBe('O=Example\\, Inc. \\<x\\>,CN=\\ #1\\1b[31m\\ ');
  });
});
