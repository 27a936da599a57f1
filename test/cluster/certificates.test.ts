// Verification of route certificates: wrong certificates on the dialling and on the accepting side, and what the log
// says about each. nats-server behaves the same, with its own log lines.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type MadeLeafOptions, TestAuthority } from '../harness/certificates.ts';
import { Cluster, type Node } from './cluster.ts';
import { describePairs, type Kind } from './set-ups.ts';

interface Wrong {
  readonly what: string;
  readonly options?: MadeLeafOptions;
  /** Issued by an authority that the other server does not trust. */
  readonly foreign?: true;
  /** What the server that dials it logs, and the server that it dials; undefined where the certificate is accepted. */
  readonly dialing?: Record<'broker' | 'nats-server', RegExp>;
  readonly accepting?: Record<'broker' | 'nats-server', RegExp>;
}

/** Go's client sends no certificate to a server that does not name its authority. */
const withheld = {
  broker: /client sent no certificate, expected one from an authority in "ca\.pem"/,
  'nats-server': /client didn't provide a certificate/,
};

const both = ['serverAuth', 'clientAuth'] as const;
const wrongs: readonly Wrong[] = [
  {
    what: 'for clients only',
    options: { purposes: ['clientAuth'] },
    dialing: {
      broker: /server certificate CN=n2 is not for servers: its extended key usage is clientAuth/,
      'nats-server': /certificate specifies an incompatible key usage/,
    },
  },
  {
    what: 'for servers only',
    options: { purposes: ['serverAuth'] },
    accepting: {
      broker: /client certificate CN=n2 is not for clients: its extended key usage is serverAuth/,
      'nats-server': /certificate specifies an incompatible key usage/,
    },
  },
  {
    what: 'of a foreign authority',
    foreign: true,
    dialing: {
      broker:
        /server certificate CN=n2 is from an authority that is not trusted: CN=Foreign CA is not in "ca\.pem"/,
      'nats-server': /certificate signed by unknown authority/,
    },
    accepting: {
      broker:
        /client certificate CN=n2 is from an authority that is not trusted: CN=Foreign CA is not in "ca\.pem"/,
      'nats-server': /certificate signed by unknown authority/,
    },
  },
  {
    what: 'that has expired',
    options: { purposes: [...both], from: -3, until: -2 },
    dialing: { broker: /server certificate CN=n2 expired at /, 'nats-server': /certificate has expired/ },
    accepting: { broker: /client certificate CN=n2 expired at /, 'nats-server': /certificate has expired/ },
  },
  {
    what: 'for another host',
    options: { purposes: [...both], sans: ['dns:elsewhere.example.com'] },
    dialing: {
      broker: /server certificate is not for "localhost": its names are DNS:elsewhere\.example\.com/,
      'nats-server': /certificate is valid for elsewhere\.example\.com, not localhost/,
    },
  },
];

describePairs('a route certificate', (judge, other) => {
  let cluster: Cluster | undefined;

  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
  });

  /** Makes two servers that do not run yet. */
  async function make(): Promise<[Cluster, Node, Node]> {
    cluster = await Cluster.make([judge, other] as Kind[]);
    return [cluster, ...(cluster.nodes as [Node, Node])];
  }

  /** Checks that no message passes between the servers. */
  async function areApart(made: Cluster, nodes: readonly Node[]): Promise<void> {
    for (const node of nodes) {
      const client = await made.connect(node);
      client.respond(`on.${node.name}`, () => 'here');
      await client.flush();
    }
    for (const node of nodes) {
      const client = await made.connect(node);
      for (const { name } of nodes) {
        const answer = await client.request(`on.${name}`);
        if (name === node.name) expect(answer.payload).toBe('here');
        else expect(answer.headers).toMatch(/^NATS\/1\.0 503/);
      }
    }
  }

  const cases = wrongs.flatMap((wrong) =>
    (['dialing', 'accepting'] as const).flatMap((role) => {
      const isWithheld = wrong.foreign && role === 'accepting' && other === 'nats-server';
      const said = isWithheld ? withheld[judge] : wrong[role]?.[judge];
      return said === undefined ? [] : [{ ...wrong, role, said }];
    }),
  );

  it.each(cases)(
    'a certificate $what is rejected by the $role server',
    async ({ options, foreign, role, said }) => {
      const [made, first, second] = await make();
      const issuer = foreign ? await TestAuthority.make('Foreign CA') : made.authority;
      const pair = await issuer.server('n2', { purposes: [...both], ...options });
      // The second server trusts both authorities, so that only the first one rejects.
      if (foreign) writeFileSync(join(second.folder, 'ca.pem'), `${made.authority.pem}${issuer.pem}`);
      made.configure(second, { pair, routes: role === 'dialing' ? [] : [first.url] });
      made.configure(first, { routes: role === 'dialing' ? [second.url] : [] });
      await second.start();
      await first.start();
      await first.process.logged(new RegExp(`TLS route handshake error: .*${said.source}`));
      await areApart(made, [first, second]);
    },
  );

  it('is rejected if it is not pinned, and its route is closed when a reload removes its pin', async () => {
    const [made, first, second] = await make();
    const pairs = [await made.routeCertificate('n1'), await made.routeCertificate('n2')] as const;
    const pinning = (...pins: string[]) =>
      `pinned_certs: [ ${pins.map((pin) => JSON.stringify(pin)).join(', ')} ]`;
    const [mine, theirs] = [pairs[0].certificate.pin, pairs[1].certificate.pin];
    // Each server dials the other, so that the pins are checked on both sides, whichever route is kept.
    made.configure(second, { pair: pairs[1] });
    made.configure(first, { pair: pairs[0], inTls: pinning(mine, theirs) });
    await Promise.all([first.start(), second.start()]);
    await made.complete();

    // A reload that removes another pin keeps the route.
    made.configure(first, { inTls: pinning(theirs) });
    first.process.reload();
    await first.process.logged(/Reloaded server configuration/);
    await made.complete();
    expect(first.process.log()).not.toMatch(/Router connection closed: TLS Handshake/);

    made.configure(first, { inTls: pinning(mine) });
    first.process.reload();
    if (judge === 'nats-server') {
      // It keeps the open route and rejects the next one.
      await first.process.logged(/(Reloaded server configuration[\s\S]*){2}/);
      await second.stop();
      await second.start();
    } else {
      await first.process.logged(/Disconnect \d routes due to pinned certs reload/);
    }
    const unpinned =
      judge === 'broker' ? /certificate CN=n2 is not pinned: its pin is / : /certificate not pinned/;
    await first.process.logged(new RegExp(`TLS route handshake error: .*${unpinned.source}`));
    await areApart(made, [first, second]);
  });
});
