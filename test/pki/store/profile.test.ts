import { describe, expect, it } from 'vitest';
import { profileNames, profiles, sansFor } from '../../../src/pki/store/profile.ts';
import { formatSan, parseSan } from '../../../src/x509/name.ts';

const names = (...parameters: Parameters<typeof sansFor>) => sansFor(...parameters).map(formatSan);

describe('the table of profiles', () => {
  it('gives servers and clients their own purpose, and routes, gateways and leaf nodes both', () => {
    expect(Object.fromEntries(profileNames.map((name) => [name, profiles[name].purposes]))).toEqual({
      server: ['serverAuth'],
      route: ['serverAuth', 'clientAuth'],
      client: ['clientAuth'],
      gateway: ['serverAuth', 'clientAuth'],
      leafnode: ['serverAuth', 'clientAuth'],
    });
  });
});

describe.each(['server', 'route', 'gateway', 'leafnode'] as const)('the names of a %s', (profile) => {
  it('are its own name when no others are given', () => {
    expect(names(profile, 'n1.example.com', [])).toEqual(['dns:n1.example.com']);
    expect(names(profile, '10.0.0.1', [])).toEqual(['ip:10.0.0.1']);
  });

  it('are the given ones, each once', () => {
    const asked = ['dns:a.example', 'ip:10.0.0.1', 'dns:a.example'].map(parseSan);
    expect(names(profile, 'n1', asked)).toEqual(['dns:a.example', 'ip:10.0.0.1']);
  });

  it('are required when its own name is not a host', () => {
    expect(() => names(profile, 'my+server', [])).toThrow(
      expect.objectContaining({ code: 'no-san', hint: `natspki issue ${profile} my+server --san dns:HOST` }),
    );
  });
});

describe('the names of a client', () => {
  it('begin with the name that nats-server maps to the user', () => {
    expect(names('client', 'alice', [])).toEqual(['dns:alice']);
    expect(names('client', 'Alice_1', [])).toEqual(['dns:Alice_1']);
    expect(names('client', 'bob@example.com', [])).toEqual(['email:bob@example.com']);
    expect(names('client', 'alice', [parseSan('uri:urn:x:y'), parseSan('dns:alice')])).toEqual([
      'dns:alice',
      'uri:urn:x:y',
    ]);
  });

  it('are empty when nats-server could map none', () => {
    expect(names('client', '10.0.0.1', [])).toEqual([]);
    expect(names('client', 'a+b', [])).toEqual([]);
  });
});
