// The cluster configurations of `natspki init`, started unchanged on every kind of server, and `natspki rotate` on all
// their certificates while they run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { natspki } from '../harness/process.ts';
import { freePorts, type ServerProcess, startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { commandOf, describeClusters } from './set-ups.ts';

const names = ['n1', 'n2', 'n3'];

describeClusters('the cluster nodes of natspki init', (kinds) => {
  const folder = mkdtempSync(join(tmpdir(), 'natspki-nodes-'));
  const servers: ServerProcess[] = [];
  const fileOf = (name: string) => join(folder, `nats-${name}.conf`);

  beforeAll(async () => {
    const nodes = names.flatMap((name) => ['--node', `${name}=localhost`]);
    const init = ['init', '--yes', '--template', 'cluster', ...nodes, '--client', 'alice'];
    expect(await natspki(folder, init)).toMatchObject({ code: 0, stderr: '' });
    // Change only ports and addresses, so that parallel tests do not conflict.
    const ports = await freePorts(2 * names.length);
    for (const name of names) {
      let text = readFileSync(fileOf(name), 'utf8').replaceAll('0.0.0.0', '127.0.0.1');
      for (const [index, port] of ports.entries()) {
        text = text.replaceAll(String(index < 3 ? 4222 + index : 6222 + index - 3), String(port));
      }
      writeFileSync(fileOf(name), text);
    }
    for (const [index, kind] of kinds.entries()) {
      const command = [...commandOf(kind), '-a', '127.0.0.1', '-c', `nats-${names[index]}.conf`];
      servers.push(await startProcess(command, folder));
    }
  });

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  function tls(): ConnectionOptions {
    const read = (file: string) => readFileSync(join(folder, 'certs', file));
    return {
      ca: read('ca.pem'),
      cert: read('alice-cert.pem'),
      key: read('alice-key.pem'),
      servername: 'localhost',
    };
  }

  /** Checks that messages pass from every server to every other. */
  async function areConnected(): Promise<void> {
    const wires = await Promise.all(servers.map(({ port }) => Wire.open(port, { tls: tls() })));
    for (const wire of wires) wire.send('CONNECT {"verbose":false}\r\n');
    for (const [to, listener] of wires.entries()) {
      for (const [from, speaker] of wires.entries()) {
        const subject = `from.${from}.to.${to}`;
        listener.send(`SUB ${subject} 1\r\nUNSUB 1 1\r\n`);
        for (let heard = ''; heard === ''; ) {
          speaker.send(`PUB ${subject} 0\r\n\r\n`);
          await delay(5);
          heard = await listener.drain();
        }
      }
    }
    for (const wire of wires) wire.end();
  }

  it('connect to each other and accept the client certificate', areConnected);

  it('pass natspki check and natspki verify', async () => {
    for (const name of names) {
      const { code, stdout } = await natspki(folder, ['check', fileOf(name)]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('nothing wrong') });
    }
    expect(await natspki(folder, ['verify'])).toMatchObject({ code: 0 });
  });

  it('stay connected while natspki rotate renews all their certificates and pins', async () => {
    const pinned = 'n2-route';
    const pin = (await natspki(folder, ['pin', `certs/${pinned}-cert.pem`])).stdout.trim();
    const others = await Promise.all(
      ['n1-route', 'n3-route'].map((name) => natspki(folder, ['pin', `certs/${name}-cert.pem`])),
    );
    const pins = [pin, ...others.map(({ stdout }) => stdout.trim())];
    for (const name of names) {
      const text = readFileSync(fileOf(name), 'utf8');
      // The tls block of the cluster is the one that names the route certificate.
      const list = `pinned_certs: [${pins.map((each) => JSON.stringify(each)).join(', ')}]`;
      writeFileSync(fileOf(name), text.replace(/(cert_file: "[^"]*route-cert\.pem")/, `${list}\n    $1`));
    }
    expect(await natspki(folder, ['rotate', '--prune-pins'])).toMatchObject({ code: 0, stderr: '' });
    const renewed = (await natspki(folder, ['pin', `certs/${pinned}-cert.pem`])).stdout.trim();
    expect(renewed).not.toBe(pin);
    for (const name of names) {
      const text = readFileSync(fileOf(name), 'utf8');
      expect(text).toContain(renewed);
      expect(text).not.toContain(pin);
    }
    const signalled = servers.filter((_, index) => kinds[index] !== 'broker');
    for (const server of signalled) server.reload();
    await Promise.all(signalled.map((server) => server.logged(/Reloaded server configuration/)));
    await areConnected();
    // The others accept a restarted server with its new certificate.
    await servers[0]?.stop();
    servers[0] = await startProcess(
      [...commandOf(kinds[0] as never), '-a', '127.0.0.1', '-c', 'nats-n1.conf'],
      folder,
    );
    await areConnected();
  });
});
