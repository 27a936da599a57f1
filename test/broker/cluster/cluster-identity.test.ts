// ClusterIdentity: which servers it accepts as members, by cluster name, by user and password, and by certificate.
import { describe, expect, it } from 'vitest';
import { ClusterIdentity, type ClusterState } from '../../../src/broker/cluster/cluster-identity.ts';
import type { RouteConnect } from '../../../src/broker/cluster/route-info.ts';
import type { ClusterOptions } from '../../../src/broker/options/cluster-options.ts';
import { readBrokerOptions } from '../../../src/broker/options/options.ts';
import { parseConf } from '../../../src/conf/parser.ts';
import type { PeerCertificate } from '../../../src/tls/peer.ts';

function identity(cluster: string): ClusterIdentity {
  const text = `cluster { listen: "127.0.0.1:6222", ${cluster} }`;
  const { cluster: options } = readBrokerOptions(parseConf(text, { file: 'nats.conf' }), []);
  return new ClusterIdentity({ options: options as ClusterOptions, facts: { id: 'NONE' } } as ClusterState);
}

const connect: RouteConnect = {
  user: '',
  pass: '',
  name: 'NTWO',
  lang: '',
  cluster: 'c',
  cluster_dynamic: false,
  headers: true,
};

/** Makes a peer certificate with these DNS names and this common name. */
function peer(dnsNames: string[], commonName = 'none'): () => PeerCertificate {
  const distinguishedName = [[{ type: '2.5.4.3', value: commonName }]];
  return () =>
    ({
      emails: [],
      uris: [],
      dnsNames,
      subject: `CN=${commonName}`,
      distinguishedName,
    }) as unknown as PeerCertificate;
}

const noCertificate = () => undefined;
const tls = (option: string) => `tls { cert_file: "c", key_file: "k", ca_file: "a", ${option}: true }`;

describe('user and password of a cluster', () => {
  it('are both required once they are configured', () => {
    const one = identity('name: c, authorization { user: r, password: s }');
    const checked = (user: string, pass: string) =>
      one.checkConnect({ ...connect, user, pass }, noCertificate)?.detail;
    expect(checked('r', 's')).toBeUndefined();
    for (const [user, pass] of [
      ['r', ''],
      ['r', 'S'],
      ['', 's'],
      ['x', 's'],
    ] as const) {
      expect(checked(user, pass)).toBe(`wrong user or password for user "${user}"`);
    }
    expect(identity('name: c').checkConnect(connect, noCertificate)).toBeUndefined();
  });
});

describe('verify_cert_and_check_known_urls', () => {
  const one = identity(
    `name: c, ${tls('verify_cert_and_check_known_urls')}, routes: ["nats://n1.example.com:6222"]`,
  );
  const detail = (names: string[]) => one.checkConnect(connect, peer(names))?.detail;

  it('accepts a certificate with the host of a configured route, or with a wildcard for its first label', () => {
    expect(detail(['other', 'N1.example.com'])).toBeUndefined();
    expect(detail(['*.example.com'])).toBeUndefined();
  });

  it('rejects a certificate without the host of a configured route', () => {
    for (const names of [[], ['n2.example.com'], ['n1.*.com'], ['*.com'], ['*'], ['example.com']]) {
      expect(detail(names)).toMatch(/^no DNS name of the certificate is the host/);
    }
    expect(one.checkConnect(connect, noCertificate)?.detail).toBeDefined();
  });
});

describe('verify_and_map', () => {
  it('accepts a certificate that names the user of the cluster, whatever CONNECT contains', () => {
    const one = identity(
      `name: c, ${tls('verify_and_map')}, authorization { user: "n.example.com", password: s }`,
    );
    expect(one.checkConnect(connect, peer(['n.example.com']))).toBeUndefined();
    const detail = one.checkConnect(
      { ...connect, user: 'n.example.com', pass: 's' },
      peer(['x.example.com']),
    )?.detail;
    expect(detail).toMatch(/^no user for the client certificate/);
  });

  it('ignores a bare common name, as nats-server does', () => {
    const one = identity(`name: c, ${tls('verify_and_map')}, authorization { user: alice, password: s }`);
    expect(one.checkConnect(connect, peer([], 'alice'))?.detail).toMatch(
      /^no user for the client certificate/,
    );
  });
});

describe('a cluster name', () => {
  it('must match exactly if it is configured', () => {
    const one = identity('name: c');
    expect([one.agreeOnName('c', false), one.agreeOnName('d', false), one.agreeOnName('z', true)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('gives way to a configured name and to a greater generated one if it is generated', () => {
    const one = identity('');
    expect(one.isDynamic).toBe(true);
    expect(one.agreeOnName('A', true)).toBe(false);
    expect(one.agreeOnName('Z', true)).toBe('adopted');
    expect([one.name, one.isDynamic]).toEqual(['Z', true]);
    expect(one.agreeOnName('c', false)).toBe('adopted');
    expect([one.name, one.isDynamic]).toEqual(['c', false]);
    expect(one.agreeOnName('d', false)).toBe(false);
  });
});
