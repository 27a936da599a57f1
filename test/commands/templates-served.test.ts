// Every configuration that `init` writes, on the bundled broker and on the real nats-server, with clients that have the
// certificates of `init`.
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TemplateName, templates } from '../../src/files/templates.ts';
import { bin, natspki } from '../harness/process.ts';
import { startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';

const scratch = testFolder('served');
const hosts = ['--host', 'localhost', 'nats.example.com', '127.0.0.1'];

/** Starts a server on a template, and calls `use` with a function that connects as the client of a name. */
async function served(
  command: readonly string[],
  template: TemplateName,
  clients: readonly string[],
  use: (connect: (client: string | undefined, servername?: string) => Promise<Wire>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(scratch, 'x-'));
  const args = ['init', '--yes', '--template', template, ...hosts, '--client', ...clients];
  expect(await natspki(folder, args)).toMatchObject({ code: 0, stderr: '' });
  const server = await startProcess([...command, '-c', 'nats.conf', '-a', '127.0.0.1', '-p', '-1'], folder);
  const read = (file: string) => readFileSync(join(folder, 'certs', file));
  try {
    await use((client, servername = 'localhost') =>
      Wire.open(server.port, {
        tls: {
          ca: read('ca.pem'),
          servername,
          ...(client && { cert: read(`${client}-cert.pem`), key: read(`${client}-key.pem`) }),
        },
      }),
    );
  } finally {
    await server.stop();
  }
}

/** Have the server accept routes on a free port of this host only. */
const clusterFlags = ['--cluster_listen', 'nats://127.0.0.1:-1'];

function cases(command: readonly string[]): void {
  it.each(Object.keys(templates) as TemplateName[])(
    'accepts its client with the template %s',
    async (template) => {
      const flags = template === 'cluster' ? clusterFlags : [];
      await served([...command, ...flags], template, ['alice'], async (connect) => {
        const wire = await connect('alice');
        wire.send('CONNECT {"verbose":false}\r\n');
        await wire.receives('');
        wire.end();
      });
    },
  );

  it('maps client names of every kind to users with verify-and-map, and rejects other certificates', async () => {
    const clients = ['alice', 'bob_x', 'carol@example.com', '10.1.1.1'];
    await served(command, 'verify-and-map', clients, async (connect) => {
      for (const client of clients) {
        const wire = await connect(client);
        wire.send('CONNECT {"verbose":false}\r\n');
        await wire.receives('');
        wire.end();
      }
      const stranger = await connect('route');
      stranger.send('CONNECT {"verbose":false}\r\n');
      await stranger.reads("-ERR 'Authorization Violation'\r\n");
      stranger.end();
    });
  });

  it('presents a certificate for each domain with multi-certificate', async () => {
    await served(command, 'multi-certificate', ['alice'], async (connect) => {
      for (const name of ['localhost', 'nats.example.com']) (await connect('alice', name)).end();
    });
  });
}

describe('the bundled broker', () => cases([process.execPath, bin, 'broker']));

describePeer('nats-server', 'nats-server', (natsServer) => cases([natsServer]));
