// The broker as a whole, with and without TLS: how it starts, serves clients, reloads its configuration and shuts down.
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { startBroker } from '../../src/broker/broker.ts';
import { defaultBrokerOptions } from '../../src/broker/options/options.ts';
import { LineLogger } from '../../src/log.ts';
import { clientTls, makeCertificateSet, verifyingTls } from '../harness/certificate-set.ts';
import { makeLeaf, type Pair } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';
import { below, seeded } from '../support/seeded.ts';
import { Running } from './running.ts';

const folder = testFolder('broker');
const certificates = makeCertificateSet(folder);
const tls = verifyingTls(certificates);
const asClient = clientTls(certificates);

describe.each([
  ['without TLS', '', undefined],
  ['with TLS', tls, asClient],
] as const)('a broker %s', (_, configuration, clientSide) => {
  const start = (more = '') => Running.start(configuration + more, clientSide);

  it('logs that it is natspki, where it listens and when it is ready', async () => {
    const { log, broker } = await start('server_name: n1');
    expect(log).toMatch(/^\[\d+\] \[INF\] Starting natspki, a NATS broker \(not nats-server\)\n/);
    expect(log).toContain('  Version:  1.2.3\n');
    expect(log).toContain('  Name:     n1\n');
    expect(log).toContain(`[INF] Listening for client connections on 127.0.0.1:${broker.port}\n`);
    expect(log.includes('TLS required for client connections')).toBe(clientSide !== undefined);
    expect(log).toMatch(/\[INF\] Server is ready\n$/);
    expect(broker.clientUrl).toBe(`${clientSide ? 'tls' : 'nats'}://127.0.0.1:${broker.port}`);
  });

  it('delivers a message to every plain subscriber and to one member of each queue group', async () => {
    const running = await start();
    const [publisher, one, two] = [await running.connect(), await running.connect(), await running.connect()];
    one.send('SUB a.* 1\r\nSUB a.b workers 2\r\n');
    two.send('SUB a.b workers 3\r\n');
    await one.receives('');
    await two.receives('');
    publisher.send('PUB a.b back 2\r\nhi\r\n');
    await publisher.receives('');
    const got = (await one.drain()) + (await two.drain());
    expect(got.match(/MSG a\.b 1 back 2\r\nhi\r\n/g)).toHaveLength(1);
    expect(got.match(/MSG a\.b [23] back 2\r\nhi\r\n/g)).toHaveLength(1);
    expect(running.broker.clients).toBe(3);
  });

  it('distributes messages evenly over the members of a queue group', async () => {
    const running = await start();
    const [publisher, worker] = [await running.connect(), await running.connect()];
    worker.send('SUB jobs w 1\r\nSUB jobs w 2\r\nSUB jobs w 3\r\n');
    await worker.receives('');
    publisher.send('PUB jobs 0\r\n\r\n'.repeat(3000));
    await publisher.receives('');
    const got = await worker.drain();
    for (const sid of [1, 2, 3]) {
      const share = got.split(`MSG jobs ${sid} 0`).length - 1;
      expect(share).toBeGreaterThan(800);
      expect(share).toBeLessThan(1200);
    }
  });

  it('writes pending messages before it closes, and releases its port', async () => {
    const running = await start();
    const [publisher, subscriber] = [await running.connect(), await running.connect()];
    subscriber.send('SUB a 1\r\n');
    await subscriber.receives('');
    subscriber.pause();
    publisher.send('PUB a 1000\r\n'.concat('x'.repeat(1000), '\r\n').repeat(500));
    await publisher.receives('');
    const closed = running.broker.close();
    subscriber.resume();
    expect(await subscriber.closed()).toBe('MSG a 1 1000\r\n'.concat('x'.repeat(1000), '\r\n').repeat(500));
    await closed;
    await expect(running.open()).rejects.toThrow(/ECONNREFUSED/);
    expect(running.log).toMatch(/Initiating Shutdown\.\.\.\n.*Server Exiting\.\.\n$/s);
  });

  it('serves other clients while one subscriber does not read', async () => {
    const running = await start('max_pending: 2MB');
    const [publisher, stuck, healthy] = [
      await running.connect(),
      await running.connect(),
      await running.connect(),
    ];
    for (const consumer of [stuck, healthy]) {
      consumer.send('SUB a 1\r\n');
      await consumer.receives('');
    }
    stuck.pause();
    const message = `PUB a 1000\r\n${'x'.repeat(1000)}\r\n`.repeat(1000);
    let received = 0;
    // 24 MB overflow the system's buffers and the 2 MB of max_pending.
    for (let round = 0; round < 24; round++) {
      await publisher.drain(message);
      // If this takes seconds, the broker sends PINGs too.
      received += (await healthy.drain()).replaceAll('PING\r\n', '').length;
    }
    expect(received).toBe(24_000 * 'MSG a 1 1000\r\n'.concat('x'.repeat(1000), '\r\n').length);
    expect(running.log).toMatch(/\[INF\] .*Slow Consumer Detected: MaxPending of 2097152 Exceeded/);
  });

  it('keeps serving while unauthenticated clients send random bytes', async () => {
    const running = await start();
    const random = seeded(7);
    const words = [
      'PUB ',
      'SUB ',
      'HPUB ',
      'CONNECT ',
      '{"verbose":',
      'a 1\r\n',
      '999999999',
      '\r\n',
      '\0',
      '>',
      '.',
      '*',
    ];
    const wires = await Promise.all(Array.from({ length: 30 }, () => running.open()));
    for (const wire of wires) {
      for (let step = 0; step < 20; step++) {
        const noise = Buffer.from(Array.from({ length: below(random, 60) }, () => below(random, 256)));
        wire.send(random() < 0.7 ? (words[below(random, words.length)] as string) : noise);
      }
    }
    const raw = connect(running.broker.port, '127.0.0.1');
    raw.on('error', () => {});
    raw.end(Buffer.from(Array.from({ length: 5000 }, () => below(random, 256))));
    const client = await running.connect();
    client.send('SUB ok 1\r\nPUB ok 2\r\nhi\r\n');
    await client.receives('MSG ok 1 2\r\nhi\r\n');
    expect(running.log).not.toContain('cannot accept the connection');
  });

  it('escapes control characters from clients, so that no client can forge a log line', async () => {
    const running = await start();
    const evil = 'x"\r\n[1] [INF] Server is ready \u001b[2J\u2028';
    const client = await running.connect({ name: evil, lang: evil, version: evil });
    client.send('NONSENSE \x1b[31m\r\n');
    await client.closed();
    expect(running.log.match(/Server is ready\n/g)).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters must not appear in the log
    expect(running.log).not.toMatch(/[\x00-\x09\x0b-\x1f\u2028]/);
    expect(running.log).toMatch(/cid:1 - "vx\\"\\r\\n.*" - Client parser ERROR/);
  });

  it('names the client and its user in the log lines about the client', async () => {
    const running = await start('authorization { users: [{user: alice, password: a}] }');
    const client = await running.connect({ user: 'alice', pass: 'a', name: 'app', lang: 'ts', version: '1' });
    client.send('OOPS\r\n');
    await client.closed();
    expect(running.log).toMatch(
      /\[ERR\] 127\.0\.0\.1:\d+ - cid:1 - "v1:ts:app" - "\$G\/user:alice" - Client parser ERROR/,
    );
    const other = await running.open();
    other.send('CONNECT {"user":"alice","pass":"hunter2"}\r\n');
    await other.closes("-ERR 'Authorization Violation'\r\n");
    expect(running.log).toMatch(/\[ERR\] .*authentication error: wrong user or password for user "alice"/);
    expect(running.log).not.toContain('hunter2');
  });
});

describe('a broker', () => {
  it('fails to start on a port in use, and names the address', async () => {
    const { broker } = await Running.start();
    const options = { ...defaultBrokerOptions, host: '127.0.0.1', port: broker.port };
    const logger = new LineLogger(() => {});
    await expect(startBroker(options, { logger })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${broker.port}: EADDRINUSE`,
    );
  });

  it('warns of a cluster without a name, of plain-text passwords and of a large max_payload', async () => {
    const { log } = await Running.start(
      'cluster { listen: "127.0.0.1:-1" }\nauthorization {user: a, password: b}\nmax_payload: 10MB',
    );
    expect(log).toMatch(/\[WRN\] Cluster name was dynamically generated/);
    expect(log).toMatch(/\[WRN\] Plaintext passwords detected/);
    expect(log).toMatch(/\[WRN\] Maximum payloads over 8\.00 MB/);
  });

  it('sends client_advertise to clients in place of its address', async () => {
    const running = await Running.start('client_advertise: "nats.example.com:5222"');
    expect((await running.open()).info).toMatchObject({ host: 'nats.example.com', port: 5222 });
    const other = await Running.start('client_advertise: "nats.example.com"');
    expect((await other.open()).info).toMatchObject({ host: 'nats.example.com', port: other.broker.port });
  });

  it('logs only once that it has reached max_connections, however many clients it rejects', async () => {
    const running = await Running.start('max_connections: 1');
    await running.connect();
    for (let times = 0; times < 5; times++) {
      const rejected = await running.open();
      await rejected.closes("-ERR 'maximum connections exceeded'\r\n");
    }
    expect(running.log.match(/\[ERR\] maximum connections exceeded: 1\n/g)).toHaveLength(1);
  });

  it('drops messages for a subscriber with a large backlog under no_fast_producer_stall', async () => {
    const running = await Running.start('max_pending: 4MB, no_fast_producer_stall: true');
    const [publisher, slow] = [await running.connect(), await running.connect()];
    slow.send('SUB a 1\r\n');
    await slow.receives('');
    slow.pause();
    const message = `PUB a 10000\r\n${'x'.repeat(10_000)}\r\n`.repeat(100);
    for (let round = 0; round < 30; round++) {
      publisher.send(message);
      await publisher.receives('');
    }
    slow.resume();
    const got = (await slow.drain()).length;
    expect(got).toBeGreaterThan(0);
    expect(got).toBeLessThan(30_000_000);
    expect(running.log).not.toContain('Slow Consumer');
  });

  it('traces incoming and outgoing messages without secrets', async () => {
    const running = await Running.start('trace: true, max_traced_msg_len: 4');
    const client = await running.connect({ pass: 'hunter2', headers: true });
    client.send(
      'SUB a q 1\r\nUNSUB 1 5\r\nPUB a b 5\r\nh\\l\x01o\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\nPUB a 0\r\n\r\n',
    );
    await client.drain();
    const traced = running.log.match(/(?<=\[TRC\] .*cid:1 - ).*/g);
    expect(traced?.slice(2)).toEqual([
      '<<- [SUB a q 1]',
      '<<- [UNSUB 1 5]',
      '<<- [PUB a b 5]',
      '<<- MSG_PAYLOAD: ["h\\\\l\\x01..."]',
      '->> [MSG a 1 b 5]',
      '<<- [HPUB a 12 12]',
      '<<- MSG_PAYLOAD: ["NATS..."]',
      '->> [HMSG a 1 12 12]',
      '<<- [PUB a 0]',
      '->> [MSG a 1 0]',
      '<<- [PING]',
    ]);
    expect(running.log).not.toContain('hunter2');
  });
});

describe('a reload', () => {
  it('applies limits and users to connected clients and to new ones', async () => {
    const running = await Running.start(
      'authorization { users: [{user: a, password: 1x}, {user: b, password: 2x}] }',
    );
    const [a, b] = [
      await running.connect({ user: 'a', pass: '1x', protocol: 1 }),
      await running.connect({ user: 'b', pass: '2x' }),
    ];
    await a.nextInfo();
    await running.reload('authorization { users: [{user: a, password: 1x}] }\nmax_payload: 10');
    await b.closes();
    expect(await a.nextInfo()).toMatchObject({ max_payload: 10 });
    a.send('PUB x 11\r\n');
    await a.closes("-ERR 'Maximum Payload Violation'\r\n");
    const rejected = await running.open();
    rejected.send('CONNECT {"user":"b","pass":"2x"}\r\n');
    await rejected.closes("-ERR 'Authorization Violation'\r\n");
    expect(running.log).toMatch(
      /Reloaded: max_payload\n.*Reloaded: authorization\n.*Reloaded server configuration\n/s,
    );
  });

  it('logs in one line the options that only a restart changes', async () => {
    const running = await Running.start('server_name: one');
    const { port } = running.broker;
    await running.reload('server_name: two, pid_file: "/tmp/none.pid", max_payload: 100');
    expect(running.log).toContain('[WRN] Only a restart changes these options: server_name, pid_file\n');
    const client = await running.open();
    expect(client.info).toMatchObject({ server_name: 'one', port, max_payload: 100 });
  });

  it('changes nothing if the new configuration is invalid', async () => {
    const running = await Running.start('max_payload: 100');
    await expect(running.reload('max_payload: 200, nonsense: 1')).rejects.toThrow(/unknown field "nonsense"/);
    await expect(running.reload('tls { cert_file: "/none", key_file: "/none" }')).rejects.toThrow();
    const client = await running.open();
    expect(client.info).toMatchObject({ max_payload: 100 });
    expect(client.info).not.toHaveProperty('tls_required');
  });

  it('disconnects anonymous clients when a login becomes required', async () => {
    const running = await Running.start();
    const client = await running.connect();
    await running.reload('authorization { token: t }');
    await client.closes("-ERR 'Authorization Violation'\r\n");
    await running.connect({ auth_token: 't' });
  });

  it('turns TLS on and off for new clients, and keeps connected ones', async () => {
    const running = await Running.start('', asClient);
    const before = await running.connect({}, {});
    await running.reload(tls);
    await running.connect();
    await before.receives('');
    await running.reload('');
    await running.connect({}, {});
  });

  it('accepts a client after its pin is added, which was rejected before', async () => {
    const other = makeLeaf(folder, 'added', certificates.ca, { usage: 'clientAuth' });
    const asOther = { tls: clientTls(certificates, other) };
    const running = await Running.start(withPins(certificates.client), asClient);
    const stays = await running.connect();
    await expect(running.connect({}, asOther)).rejects.toThrow();
    await running.reload(withPins(certificates.client, other));
    await running.connect({}, asOther);
    stays.send('PING\r\n');
    await stays.receives('PONG\r\n');
    expect(running.log).not.toContain('due to pinned certs reload');
  });

  it('disconnects a client whose pin is removed, and no other', async () => {
    const other = makeLeaf(folder, 'other', certificates.ca, { usage: 'clientAuth' });
    const running = await Running.start(withPins(certificates.client, other), asClient);
    const [kept, revoked] = [
      await running.connect(),
      await running.connect({}, { tls: clientTls(certificates, other) }),
    ];
    await running.reload(withPins(certificates.client));
    await revoked.closed();
    await kept.receives('');
    expect(running.log).toContain('Disconnect 1 clients due to pinned certs reload\n');
  });

  it('disconnects a client whose pin is missing when TLS is turned back on', async () => {
    const running = await Running.start(verifyingTls(certificates), asClient);
    const client = await running.connect();
    await running.reload('');
    await client.receives('');
    await running.reload(verifyingTls(certificates, `pinned_certs: ["${'ab'.repeat(32)}"]`));
    await client.closed();
  });
});

describe('certificates', () => {
  it('map clients to users and their accounts under verify_and_map', async () => {
    const alice = makeLeaf(folder, 'alice', certificates.ca, {
      usage: 'clientAuth',
      hosts: ['nobody.invalid'],
    });
    const running = await Running.start(
      `${verifyingTls(certificates, 'verify_and_map: true')}
       accounts { APP: { users: [ {user: "alice"} ] }, OTHER: { users: [ {user: "localhost"} ] } }`,
      asClient,
    );
    const asAlice = { tls: clientTls(certificates, alice) };
    const one = await running.connect({ protocol: 1 }, asAlice);
    expect(await one.nextInfo()).toMatchObject({ remote_account: 'APP' });
    await running.connect({ protocol: 1 }, asAlice);
    const warnings = running.log.match(/.*common name.*/g) ?? [];
    expect(warnings).toEqual([
      expect.stringContaining('User "alice" is found by the common name of a client certificate alone'),
    ]);
    const two = await running.connect({ protocol: 1 });
    expect(await two.nextInfo()).toMatchObject({ remote_account: 'OTHER' });
    const eve = makeLeaf(folder, 'eve', certificates.ca, { usage: 'clientAuth', hosts: ['eve.invalid'] });
    const rejected = await running.open({ tls: clientTls(certificates, eve) });
    rejected.send('CONNECT {"user":"alice"}\r\n');
    await rejected.closes("-ERR 'Authorization Violation'\r\n");
    expect(running.log).toMatch(/authentication error: .*eve/);
  });

  it('are reloaded for new connections when their files change, while existing connections continue', async () => {
    const own = {
      ...certificates,
      server: makeLeaf(folder, 'first', certificates.ca, { usage: 'serverAuth' }),
    };
    const next = makeLeaf(folder, 'second', certificates.ca, { usage: 'serverAuth' });
    const running = await Running.start(verifyingTls(own), asClient);
    const before = await running.connect();
    const serialBefore = await serialServed(running);
    copyFileSync(next.cert, own.server.cert);
    copyFileSync(next.key, own.server.key);
    await expect.poll(() => serialServed(running), { timeout: 8000 }).not.toBe(serialBefore);
    await before.receives('');
  });
});

function withPins(...pairs: Pair[]): string {
  return verifyingTls(certificates, `pinned_certs: [${pairs.map((pair) => `"${pinOf(pair)}"`)}]`);
}

function pinOf({ cert }: Pair): string {
  const { publicKey } = new X509Certificate(readFileSync(cert));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** Returns the serial number of the certificate that the broker presents to a new client. */
async function serialServed({ broker }: Running): Promise<string> {
  const socket = connect(broker.port, '127.0.0.1');
  await once(socket, 'data');
  const secure = connectTls({ ...asClient, socket });
  await once(secure, 'secureConnect');
  const { serialNumber } = secure.getPeerCertificate();
  secure.destroy();
  return serialNumber;
}
