// The result of `natspki init --yes`, served by the bundled broker and by the real nats-server.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { bin, natspki } from '../harness/process.ts';
import { type ServerUnderTest, startProcess } from '../harness/server.ts';
import { describePeer } from '../support/peers.ts';

/** An installation and its server, which runs during the tests of the surrounding block. */
export class Installation {
  folder = '';
  #command: readonly string[];
  #server: ServerUnderTest | undefined;

  /** @param more configuration text appended to nats.conf */
  constructor(command: readonly string[], more: string) {
    this.#command = command;
    beforeAll(async () => {
      this.folder = mkdtempSync(join(tmpdir(), 'natspki-clients-'));
      expect(await natspki(this.folder, ['init', '--yes'])).toMatchObject({ code: 0, stderr: '' });
      appendFileSync(join(this.folder, 'nats.conf'), more);
      this.#server = await this.start();
    });
    afterAll(async () => {
      await this.#server?.stop();
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  /** The server that the tests of the block share. */
  get server(): ServerUnderTest {
    if (!this.#server) throw new Error('the server runs only during its tests');
    return this.#server;
  }

  /** The paths of the files that a client needs. */
  get files(): { caFile: string; certFile: string; keyFile: string } {
    return {
      caFile: join(this.folder, 'certs/ca.pem'),
      certFile: join(this.folder, 'certs/client-cert.pem'),
      keyFile: join(this.folder, 'certs/client-key.pem'),
    };
  }

  /** The same files as options for node:tls. */
  get tls(): ConnectionOptions {
    const { caFile, certFile, keyFile } = this.files;
    return {
      ca: readFileSync(caFile),
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
      host: 'localhost',
    };
  }

  /** Starts another server with the same files, on a free port or on this one. */
  start(port = -1): Promise<ServerUnderTest> {
    return startProcess(
      [...this.#command, '-c', 'nats.conf', '-a', '127.0.0.1', '-p', String(port)],
      this.folder,
    );
  }
}

/**
 * Declares tests of real clients against the installation, once per server.
 * @param more configuration text appended to nats.conf
 */
export function onBothServers(title: string, cases: (installation: Installation) => void, more = ''): void {
  describe(`${title}, on the bundled broker`, () =>
    cases(new Installation([process.execPath, bin, 'broker'], more)));
  describePeer('nats-server', `${title}, on nats-server`, (natsServer) =>
    cases(new Installation([natsServer], more)),
  );
}
