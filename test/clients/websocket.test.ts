// The NATS client for browsers, in Node.js and in Chromium, over WebSocket with TLS and the files of `natspki init`.
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, headers, type NatsConnection, type Subscription, wsconnect } from '@nats-io/transport-node';
import type { Page } from 'playwright-core';
import { build } from 'rolldown';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { freePorts, websocketPort } from '../harness/server.ts';
import { useBrowser } from '../support/browser.ts';
import { describePeer } from '../support/peers.ts';
import { type Installation, onBothServers } from './installation.ts';

const files = 'cert_file: "certs/server-cert.pem", key_file: "certs/server-key.pem"';
/** The origins of two pages. Both are on this host: a browser would not let other ones connect to it. */
const [appPort = 0, otherPort = 0] = await freePorts(2);
const app = `http://localhost:${appPort}`;
const other = `http://localhost:${otherPort}`;
const more = `
websocket {
  listen: "127.0.0.1:-1"
  tls { ${files} }
  compression: true
  allowed_origins: ["${app}"]
}
`;

type Library = typeof import('@nats-io/transport-node');

/** The client as a script for browsers. */
const library = build({
  input: join(fileURLToPath(new URL('../..', import.meta.url)), 'node_modules/@nats-io/nats-core/lib/mod.js'),
  platform: 'browser',
  output: { format: 'iife', name: 'nats' },
  write: false,
  logLevel: 'silent',
}).then(({ output }) => output[0].code);

/** The SHA-256 of the server's public key, in base64. */
function pinOf({ folder }: Installation): string {
  const { publicKey } = new X509Certificate(readFileSync(join(folder, 'certs/server-cert.pem')));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

async function urlOf({ server }: Installation): Promise<string> {
  return `wss://localhost:${await websocketPort(server)}`;
}

onBothServers(
  'wsconnect',
  (installation) => {
    const opened: NatsConnection[] = [];
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((client) => client.close()));
    });

    /** Connects with a WebSocket that trusts the authority of the installation alone. */
    async function open(): Promise<NatsConnection> {
      const ca = readFileSync(installation.files.caFile);
      const client = await wsconnect({
        servers: await urlOf(installation),
        reconnect: false,
        wsFactory: async (url) => ({
          socket: new WebSocket(url, { ca, origin: app }) as unknown as globalThis.WebSocket,
          encrypted: true,
        }),
      });
      opened.push(client);
      return client;
    }

    it('is told that the connection is encrypted, and where the WebSocket listens', async () => {
      const { info } = await open();
      expect(info).toMatchObject({
        tls_required: true,
        tls_available: true,
        host: '127.0.0.1',
        port: await websocketPort(installation.server),
      });
    });

    it('publishes and subscribes in order', async () => {
      const [publisher, subscriber] = [await open(), await open()];
      const subscription = subscriber.subscribe('numbers.>', { max: 2000 });
      await subscriber.flush();
      for (let number = 0; number < 2000; number += 1) publisher.publish(`numbers.${number}`, String(number));
      const received = await collect(subscription);
      expect(received.map(({ subject }) => subject)).toEqual(
        Array.from({ length: 2000 }, (_, number) => `numbers.${number}`),
      );
    });

    it('delivers a large payload, compressed', async () => {
      const client = await open();
      // Both servers limit a compressed message with its line to max_payload.
      const size = (client.info?.max_payload ?? 0) - 100;
      const payload = new Uint8Array(size).map((_, index) => index);
      const subscription = client.subscribe('large', { max: 1 });
      client.publish('large', payload);
      const [message] = await collect(subscription);
      expect(Buffer.from(message?.data ?? []).equals(payload)).toBe(true);
    });

    it('requests and replies, with headers', async () => {
      const [requester, responder] = [await open(), await open()];
      responder.subscribe('upper', {
        callback: (_error, message) => {
          message.respond(`${message.headers?.get('x')} ${message.string().toUpperCase()}`);
        },
      });
      await responder.flush();
      const given = headers();
      given.set('x', 'y');
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, number) =>
          requester.request('upper', `a ${number}`, { timeout: 5000, headers: given }),
        ),
      );
      expect(answers.map((answer) => answer.string())).toEqual(
        Array.from({ length: 100 }, (_, number) => `y A ${number}`),
      );
    });

    it('exchanges messages with a client of the other port', async () => {
      const web = await open();
      const subscription = web.subscribe('from.tcp', { max: 1 });
      await web.flush();
      const tcp = await connect({
        servers: `localhost:${installation.server.port}`,
        tls: installation.files,
      });
      opened.push(tcp);
      tcp.publish('from.tcp', 'hello');
      expect((await collect(subscription)).map((message) => message.string())).toEqual(['hello']);
    });

    it('rejects a certificate of an authority that it does not trust', async () => {
      const socket = new WebSocket(await urlOf(installation));
      const [error] = await once(socket, 'error');
      expect(error.code).toMatch(/SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
    });

    it('drains', async () => {
      const [publisher, subscriber] = [await open(), await open()];
      let count = 0;
      subscriber.subscribe('drained', {
        callback: () => {
          count++;
        },
      });
      await subscriber.flush();
      for (let sent = 0; sent < 500; sent++) publisher.publish('drained');
      await publisher.drain();
      await subscriber.drain();
      expect(count).toBe(500);
    });

    describePeer('chromium', 'in Chromium', (bin) => {
      // Instead of the trust store of the system: the browser accepts exactly the key of the server's certificate.
      const browse = useBrowser(bin, () => [`--ignore-certificate-errors-spki-list=${pinOf(installation)}`]);

      const servers = [appPort, otherPort].map((port) => ({
        port,
        server: createServer((_request, response) => response.end()),
      }));
      beforeAll(() =>
        Promise.all(servers.map(({ port, server }) => once(server.listen(port, 'localhost'), 'listening'))),
      );
      afterAll(() => {
        for (const { server } of servers) server.close();
      });

      /** Opens an empty page of an origin, with the client as `nats`. */
      async function openPage(origin: string): Promise<Page> {
        const { page } = await browse();
        await page.goto(origin);
        await page.addScriptTag({ content: await library });
        return page;
      }

      it('publishes, subscribes and requests', async () => {
        const [url, node, page] = [await urlOf(installation), await open(), await openPage(app)];
        node.subscribe('echo', {
          callback: (_error, message) => {
            message.respond(message.data);
          },
        });
        const subscription = node.subscribe('from.page', { max: 300 });
        await node.flush();
        const answers = await page.evaluate(async (servers) => {
          const { wsconnect } = (globalThis as unknown as { nats: Library }).nats;
          const client = await wsconnect({ servers });
          for (let number = 0; number < 300; number++)
            client.publish('from.page', `${number} ${'x'.repeat(99)}`);
          const large = 'y'.repeat(500_000);
          const [small, big] = [await client.request('echo', 'a'), await client.request('echo', large)];
          await client.close();
          return [small.string(), big.string() === large];
        }, url);
        expect(answers).toEqual(['a', true]);
        const numbers = (await collect(subscription)).map((message) => Number.parseInt(message.string(), 10));
        expect(numbers).toEqual([...Array(300).keys()]);
      });

      it('is rejected from a page of another origin', async () => {
        const [url, page] = [await urlOf(installation), await openPage(other)];
        const logged = installation.server.logged(/origin not allowed: not in the allowed list/);
        const failure = await page.evaluate(async (servers) => {
          const { wsconnect } = (globalThis as unknown as { nats: Library }).nats;
          return wsconnect({ servers, reconnect: false }).then(
            () => 'connected',
            () => 'rejected',
          );
        }, url);
        expect(failure).toBe('rejected');
        await logged;
      });
    });
  },
  more,
);

async function collect(subscription: Subscription) {
  const messages = [];
  for await (const message of subscription) messages.push(message);
  return messages;
}
