// Runs the `nats` command line client against an installation, and waits for its subscriptions.
import { vi } from 'vitest';
import { type Finished, run } from '../harness/process.ts';
import { Wire } from '../harness/wire.ts';
import type { Installation } from './installation.ts';

export interface NatsCli {
  /** Runs a command with the client certificate of the installation. */
  (...parameters: string[]): Promise<Finished>;
  /** Runs a command with other TLS flags. */
  with(tls: string[], ...parameters: string[]): Promise<Finished>;
}

export function natsCli(bin: string, installation: Installation): NatsCli {
  // The CLI must not find contexts of the user that runs the tests.
  const natsWith = (tls: string[], ...parameters: string[]): Promise<Finished> =>
    run([bin, '--server', `nats://localhost:${installation.server.port}`, ...tls, ...parameters], {
      environment: { HOME: installation.folder, XDG_CONFIG_HOME: installation.folder, NO_COLOR: '1' },
    });
  const nats = (...parameters: string[]): Promise<Finished> => {
    const { caFile, certFile, keyFile } = installation.files;
    return natsWith(['--tlsca', caFile, '--tlscert', certFile, '--tlskey', keyFile], ...parameters);
  };
  return Object.assign(nats, { with: natsWith });
}

/**
 * Waits until the subject has a subscriber, which receives one empty message. The output of the CLI does not show
 * it: the CLI reports a subscription before it subscribes.
 * @param user credentials for the CONNECT that reaches the subscriber
 */
export async function answered(
  installation: Installation,
  subject: string,
  user: object = {},
): Promise<void> {
  const wire = await Wire.open(installation.server.port, { tls: installation.tls });
  try {
    const connect = { verbose: false, headers: true, no_responders: true, ...user };
    wire.send(`CONNECT ${JSON.stringify(connect)}\r\nSUB probe 1\r\n`);
    await vi.waitUntil(
      async () => {
        wire.send(`PUB ${subject} probe 0\r\n\r\n`);
        return !(await wire.drain()).includes('NATS/1.0 503');
      },
      { timeout: 10_000, interval: 20 },
    );
  } finally {
    wire.end();
  }
}
