// A real nats-server serves and verifies the certificates that natspki issues.
import { readFileSync } from 'node:fs';
import { connect } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import { issueCertificates } from '../../src/pki/issue/issue.ts';
import type { PkiDirectory } from '../../src/pki/store/directory.ts';
import { natsServer } from '../harness/server.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { madeDirectory } from '../support/pki.ts';

const scratch = testFolder('nats-server');

function tlsBlock(directory: PkiDirectory, name: string, more = 'verify: true'): string {
  return `tls { cert_file: "${directory.certificateFile(name)}", key_file: "${directory.keyFile(name)}", ca_file: "${directory.authorityFile}", ${more} }`;
}

function connectAs(directory: PkiDirectory, name: string, port: number) {
  return connect({
    servers: `127.0.0.1:${port}`,
    tls: {
      ca: readFileSync(directory.authorityFile, 'utf8'),
      cert: readFileSync(directory.certificateFile(name), 'utf8'),
      key: readFileSync(directory.keyFile(name), 'utf8'),
    },
    reconnect: false,
  });
}

describePeer('nats-server', 'a real nats-server', (bin) => {
  const start = natsServer(bin);

  // Longer RSA keys behave the same here, but take longer to make.
  it.each(['p256', 'p384', 'ed25519', 'rsa2048'] as const)(
    'serves a key of type %s and accepts a client with the same type',
    async (keyType) => {
      const directory = await madeDirectory(scratch, { keyType });
      const server = await start(tlsBlock(directory, 'server'));
      try {
        const connection = await connectAs(directory, 'client', server.port);
        await connection.flush();
        await connection.close();
      } finally {
        await server.stop();
      }
    },
  );

  it('rejects a server certificate of a client', async () => {
    const directory = await madeDirectory(scratch);
    const server = await start(tlsBlock(directory, 'server'));
    try {
      await expect(connectAs(directory, 'server', server.port)).rejects.toThrow();
      await server.logged(/incompatible key usage/);
    } finally {
      await server.stop();
    }
  });

  it.each(['alice', 'Alice_1', 'alice@example.com', 'alice.example.com'])(
    'maps the client %s to the user of that name',
    async (name) => {
      const directory = await madeDirectory(scratch);
      await issueCertificates({ directory, profile: 'client', names: [name, 'mallory'] });
      const users = `authorization { users: [ { user: "${name}" } ] }`;
      const server = await start(`${tlsBlock(directory, 'server', 'verify_and_map: true')}\n${users}`);
      try {
        const connection = await connectAs(directory, name, server.port);
        await connection.flush();
        await connection.close();
        await expect(connectAs(directory, 'mallory', server.port)).rejects.toThrow(/authorization/i);
      } finally {
        await server.stop();
      }
    },
  );

  it('maps a client without a mappable name to its whole subject, as the notice says', async () => {
    const directory = await madeDirectory(scratch);
    const { notices } = await issueCertificates({ directory, profile: 'client', names: ['a+b'] });
    expect(notices[0]).toMatch(/knows this client as the user 'CN=a\\\+b'$/);
    const users = `authorization { users: [ { user: ${notices[0]?.split(' ').at(-1)} } ] }`;
    const server = await start(`${tlsBlock(directory, 'server', 'verify_and_map: true')}\n${users}`);
    try {
      const connection = await connectAs(directory, 'a+b', server.port);
      await connection.close();
    } finally {
      await server.stop();
    }
  });

  it.each(['route', 'gateway', 'leafnode'] as const)(
    'connects to another server with a certificate of profile %s',
    async (profile) => {
      const directory = await madeDirectory(scratch);
      await issueCertificates({
        directory,
        profile,
        names: ['a', 'b'],
        sans: [{ kind: 'ip', value: '127.0.0.1' }],
      });
      const block = (name: string) => tlsBlock(directory, name, profile === 'leafnode' ? 'verify: true' : '');
      const listen: Record<typeof profile, (name: string, remote?: number) => string> = {
        route: (name, remote) =>
          `cluster { name: c, listen: "127.0.0.1:-1", ${remote === undefined ? '' : `routes: ["nats-route://127.0.0.1:${remote}"],`} ${block(name)} }`,
        gateway: (name, remote) =>
          `gateway { name: ${name}, listen: "127.0.0.1:-1", ${remote === undefined ? '' : `gateways: [{ name: a, url: "nats://127.0.0.1:${remote}", ${block(name)} }],`} ${block(name)} }`,
        leafnode: (name, remote) =>
          remote === undefined
            ? `leafnodes { listen: "127.0.0.1:-1", ${block(name)} }`
            : `leafnodes { remotes: [{ url: "tls://127.0.0.1:${remote}", ${tlsBlock(directory, name, '')} }] }`,
      };
      const listening = {
        route: /route connections on 127\.0\.0\.1:(\d+)/,
        gateway: /Address for gateway "a" is 127\.0\.0\.1:(\d+)|gateway connections on 127\.0\.0\.1:(\d+)/,
        leafnode: /leafnode connections on 127\.0\.0\.1:(\d+)/,
      }[profile];
      const joined = {
        route: /Route connection created/,
        gateway: /Outbound gateway connection to "a" .* registered/,
        leafnode: /Leafnode connection created/,
      }[profile];
      const first = await start(`server_name: a\n${listen[profile]('a')}`);
      try {
        await first.logged(listening);
        const [, ...ports] = listening.exec(first.log()) ?? [];
        const port = Number(ports.find((found) => found !== undefined));
        const second = await start(`server_name: b\n${listen[profile]('b', port)}`);
        try {
          await second.logged(joined);
        } finally {
          await second.stop();
        }
      } finally {
        await first.stop();
      }
    },
  );
});
