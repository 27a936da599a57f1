// Checks at every address whether servers present the expected certificate.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { probeServers } from '../../src/rollout/probe.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serving({ cert, key }: MadePair): Promise<{ server: Server; url: string }> {
  const server = createServer({ cert, key }, (socket) => socket.on('error', () => {}));
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, url: `tls://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('probing servers', () => {
  it('returns the address and the name of the certificate', async () => {
    const pair = await (await TestAuthority.make()).server();
    const { url } = await serving(pair);
    const { serial } = pair.certificate;
    expect(await probeServers(url, new Map([[serial, 'server']]))).toEqual([
      { address: '127.0.0.1', name: 'server', serial },
    ]);
  });

  it('waits for a server that needs some time to reload', async () => {
    const authority = await TestAuthority.make();
    const [old, fresh] = [await authority.server(), await authority.server()];
    const { server, url } = await serving(old);
    // The current connection has the old pair; the next one gets the new pair.
    server.once('connection', () => server.setSecureContext({ cert: fresh.cert, key: fresh.key }));
    const served = await probeServers(url, new Map([[fresh.certificate.serial, 'server']]));
    expect(served).toMatchObject([{ serial: fresh.certificate.serial }]);
  });

  it('names the address and its wrong certificate, but not the password in the URL', async () => {
    const pair = await (await TestAuthority.make()).server('n1');
    const { url } = await serving(pair);
    const secret = url.replace('tls://', 'tls://me:secret@');
    await expect(probeServers(secret, new Map(), { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'not-served',
      message: `${url} at 127.0.0.1 serves "n1" with serial ${pair.certificate.serial}, which is not a current certificate`,
    });
  });

  it('fails when one of several addresses does not answer', async () => {
    const pair = await (await TestAuthority.make()).server();
    const { url } = await serving(pair);
    const expected = new Map([[pair.certificate.serial, 'server']]);
    const everywhere = async () => [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ];
    await expect(
      probeServers(url.replace('127.0.0.1', 'nats.test'), expected, { timeoutMs: 1, lookup: everywhere }),
    ).rejects.toThrow(/cannot connect to tls:\/\/nats\.test:\d+: .*ECONNREFUSED.* \(at 127\.0\.0\.2\)/);
  });
});
