// Monitoring of a broker in this process: HTTPS beside clients that must present certificates, /tlsz over certificate
// reloads, limits on untrusted requests, and records of closed connections.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createUser } from '@nats-io/nkeys';
import { describe, expect, it } from 'vitest';
import { clientTls, makeCertificateSet, verifyingTls } from '../../../harness/certificate-set.ts';
import { makeLeaf } from '../../../harness/openssl.ts';
import { closed } from '../../../harness/socket.ts';
import { testFolder } from '../../../support/folder.ts';
import { ask, askJson } from '../../../support/monitoring.ts';
import { renameOver } from '../../../support/replace.ts';
import { Running } from '../../running.ts';

const pageFolder = new URL('../../../../templates/page/', import.meta.url);
const folder = testFolder('monitor');
const certificates = makeCertificateSet(folder);
const http = 'http: "127.0.0.1:-1"\n';
const https = `https: "127.0.0.1:-1"\n${verifyingTls(certificates)}`;
const trusting = { ca: readFileSync(certificates.ca.cert) };

function urlOf({ broker }: Running): string {
  return broker.monitorUrl ?? '';
}

async function sends(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.write(bytes);
  await closed(socket);
  return text;
}

describe('monitoring over https', () => {
  it('requests no client certificate, even if the broker requires one of its clients', async () => {
    const running = await Running.start(https);
    expect(urlOf(running)).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const { tls_verify, https_port, http_port } = await askJson(`${urlOf(running)}/varz`, trusting);
    expect({ tls_verify, https_port, http_port }).toEqual({
      tls_verify: true,
      https_port: Number(new URL(urlOf(running)).port),
      http_port: 0,
    });
  });

  it('does not apply pinned_certs to monitoring clients', async () => {
    const pins = `pinned_certs: ["${'0'.repeat(64)}"]`;
    const running = await Running.start(`https: "127.0.0.1:-1"\n${verifyingTls(certificates, pins)}`);
    expect((await ask(`${urlOf(running)}/healthz`, trusting)).body).toBe('{"status":"ok"}');
  });

  it('serves the new certificate after a certificate reload', async () => {
    const other = testFolderCopy('swapped');
    const running = await Running.start(`https: "127.0.0.1:-1"\n${verifyingTls(other)}`);
    const served = async () => {
      const [block] = (await askJson(`${urlOf(running)}/tlsz`, trusting)).tls;
      return block;
    };
    const before = await served();
    const renewed = makeLeaf(folder, 'renewed', certificates.ca, { usage: 'serverAuth' });
    renameOver({
      [other.server.cert]: readFileSync(renewed.cert, 'utf8'),
      [other.server.key]: readFileSync(renewed.key, 'utf8'),
    });
    await expect.poll(async () => (await served()).generation).toBe(2);
    const after = await served();
    expect(after.certificates[0]).toMatchObject({ subject: 'CN=renewed', issuer: 'CN=ca' });
    expect(after.certificates[0].serial).not.toBe(before.certificates[0].serial);
  });

  it('answers no plaintext request', async () => {
    const running = await Running.start(https);
    expect(await sends(urlOf(running), 'GET /varz HTTP/1.1\r\nHost: a\r\n\r\n')).not.toContain('server_id');
  });
});

describe('/tlsz', () => {
  it('reports the served certificates, their reloads and the reason of a rejected reload', async () => {
    const { ca, server, client } = testFolderCopy('refused');
    const running = await Running.start(http + verifyingTls({ ca, server, client }));
    const block = async () => (await askJson(`${urlOf(running)}/tlsz`)).tls[0];
    const before = await block();
    expect(before).toEqual({
      name: 'tls',
      ca_file: ca.cert,
      verify: true,
      current: true,
      generation: 1,
      swaps: 0,
      refused_swaps: 0,
      certificates: [
        {
          cert_file: server.cert,
          key_file: server.key,
          subject: 'CN=server',
          sans: ['dns:localhost', 'ip:127.0.0.1'],
          issuer: 'CN=ca',
          serial: expect.stringMatching(/^[\da-f]+$/),
          pin: expect.stringMatching(/^[\da-f]{64}$/),
          not_before: expect.stringMatching(/^20.*\dZ$/),
          not_after: expect.stringMatching(/^20.*\dZ$/),
          days_left: 29,
        },
      ],
      intermediates: [],
      authorities: [expect.objectContaining({ subject: 'CN=ca', issuer: 'CN=ca', days_left: 29 })],
      history: [
        {
          at: expect.stringMatching(/^20.*\dZ$/),
          outcome: 'opened',
          generation: 1,
          changes: [
            expect.stringMatching(/^new: CN=server, serial [\da-f]+, valid until 20/),
            expect.stringMatching(/^new: CN=ca, /),
          ],
        },
      ],
    });
    renameOver({ [server.key]: readFileSync(client.key, 'utf8') });
    await expect.poll(async () => (await block()).refused_swaps).toBe(1);
    const refused = await block();
    expect(refused).toMatchObject({ current: false, generation: 1, swaps: 0 });
    expect(refused.certificates).toEqual(before.certificates);
    expect(refused.last_refusal).toEqual({
      at: expect.stringMatching(/^20/),
      reason: expect.stringMatching(/^the key in ".*" does not belong to the certificate/),
    });
    renameOver({ [server.cert]: readFileSync(client.cert, 'utf8') });
    await expect.poll(async () => (await block()).swaps).toBe(1);
    const swapped = await block();
    expect(swapped).toMatchObject({ current: true, generation: 2, refused_swaps: 1 });
    expect(swapped.last_swap).toMatch(/^20/);
    expect(swapped.certificates[0].subject).toBe('CN=client');
    expect(swapped.history).toEqual([
      before.history[0],
      { ...refused.last_refusal, outcome: 'refused', generation: 1, changes: [] },
      {
        at: swapped.last_swap,
        outcome: 'swapped',
        generation: 2,
        changes: [expect.stringMatching(/^new: CN=client, /), expect.stringMatching(/^removed: CN=server, /)],
      },
    ]);
  });

  it('reports no blocks without TLS', async () => {
    expect(await askJson(`${urlOf(await Running.start(http))}/tlsz`)).toMatchObject({ tls: [] });
  });
});

describe('monitoring', () => {
  it('links its endpoints on the page at the root path', async () => {
    const { body, headers } = await ask(`${urlOf(await Running.start(http))}/`);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; /);
    const links = [...body.matchAll(/<li><a href="([^"]+)"/g)].map(([, link]) => link);
    const endpoints = [
      'varz',
      'connz',
      'routez',
      'subsz',
      'accountz',
      'accstatz',
      'healthz',
      'tlsz',
      'metrics',
    ];
    expect(links).toEqual(endpoints);
  });

  it('serves every file of the page with its content type', async () => {
    const url = urlOf(await Running.start(http));
    // The page of an authority, which fleet-page.test.ts loads, shares the others.
    const files = readdirSync(pageFolder).filter((name) => !/\.(html|json)$|^fleet\./.test(name));
    const types = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
    for (const name of files) {
      const { status, headers, body } = await ask(`${url}/page/${name}`);
      expect([name, status, body]).toEqual([name, 200, readFileSync(new URL(name, pageFolder), 'utf8')]);
      const type = types[name.split('.')[1] as keyof typeof types];
      expect(headers['content-type']?.split(';')[0]).toBe(type);
    }
    expect(files.length).toBeGreaterThan(5);
  });

  it('serves all endpoints below http_base_path', async () => {
    const running = await Running.start(`${http}http_base_path: "a/b/"\nserver_name: "<x>"`);
    const url = urlOf(running);
    expect(new URL(url).pathname).toBe('/a/b');
    const { body } = await ask(url);
    expect(body).toContain('href="b/varz"');
    expect(body).not.toContain('<x>');
    expect((await ask(`${url}/`)).body).toContain('href="varz"');
    expect((await ask(`${url}/page/page.js`)).headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect((await askJson(`${url}/varz`)).http_base_path).toBe('/a/b');
    expect((await ask(`${new URL(url).origin}/varz`)).status).toBe(404);
  });

  it('reports tls_first for a client whose handshake preceded INFO', async () => {
    const tls = verifyingTls(certificates, 'handshake_first: "300ms"');
    const running = await Running.start(http + tls, clientTls(certificates));
    const first = await running.open({ tls: clientTls(certificates), tlsFirst: true });
    first.send('CONNECT {"verbose":false,"name":"first"}\r\n');
    await first.receives('');
    await running.connect({ name: 'second' });
    const { connections } = await askJson(`${urlOf(running)}/connz`);
    const firsts = connections.map(({ name, tls_first }: Record<string, unknown>) => [name, tls_first]);
    expect(firsts).toEqual([
      ['first', true],
      ['second', undefined],
    ]);
  });

  it('redacts the token of a client', async () => {
    const running = await Running.start(`${http}authorization { token: "t0psecret" }`);
    await running.connect({ auth_token: 't0psecret' });
    const { body } = await ask(`${urlOf(running)}/connz?auth=1`);
    expect(body).toContain('"authorized_user": "[REDACTED]"');
    expect(body).not.toContain('t0psecret');
  });

  it.each(['nkey', 'user'])('redacts a private key that a client sends as its %s', async (field) => {
    const pair = createUser();
    const users = `authorization { users: [{ nkey: ${pair.getPublicKey()} }, { user: a }] }`;
    const running = await Running.start(`${http}debug: true\ntrace: true\n${users}`);
    const seed = new TextDecoder().decode(pair.getSeed());
    const client = await running.open();
    client.send(`CONNECT ${JSON.stringify({ [field]: seed })}\r\n`);
    await client.closes("-ERR 'Authorization Violation'\r\n");
    const { body } = await ask(`${urlOf(running)}/connz?auth=1&state=closed`);
    expect(body).toContain('"authorized_user": "[REDACTED]"');
    expect(body + running.log).not.toContain(seed);
  });

  it('counts a slow consumer and retains its connection with the close reason', async () => {
    const running = await Running.start(`${http}max_pending: 2000\nmax_payload: 1000`);
    const slow = await running.connect();
    slow.send('SUB a 1\r\n');
    await slow.receives('');
    const publisher = await running.connect();
    publisher.send(`PUB a 900\r\n${'x'.repeat(900)}\r\n`.repeat(20));
    await publisher.receives('');
    expect(await askJson(`${urlOf(running)}/varz`)).toMatchObject({
      slow_consumers: 1,
      slow_consumer_stats: { clients: 1 },
    });
    const { connections } = await askJson(`${urlOf(running)}/connz?state=closed&subs=1`);
    expect(connections).toEqual([
      expect.objectContaining({ reason: 'Slow Consumer (Pending Bytes)', subscriptions_list: ['a'] }),
    ]);
  });

  it('reports an unhealthy server in lame duck mode', async () => {
    const running = await Running.start(`${http}lame_duck_duration: "30s"`);
    await running.connect();
    void running.broker.lameDuck();
    const { status, body } = await ask(`${urlOf(running)}/healthz`);
    expect([status, JSON.parse(body)]).toEqual([
      500,
      { status: 'error', error: 'not ready for connections' },
    ]);
  });

  it('closes with the broker, including keep-alive connections', async () => {
    const running = await Running.start(http);
    const url = urlOf(running);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    await running.broker.close();
    await expect(ask(`${url}/healthz`)).rejects.toThrow('ECONNREFUSED');
  });

  it('fails with the address that it cannot listen on and the flag to change it', async () => {
    const { port } = (await Running.start()).broker;
    await expect(Running.start(`http: "127.0.0.1:${port}"`)).rejects.toThrow(
      expect.objectContaining({
        message: `cannot listen on 127.0.0.1:${port}: EADDRINUSE`,
        hint: expect.stringContaining('--http_port'),
      }),
    );
  });
});

describe('an untrusted client of the monitoring port', () => {
  it('may send GET and HEAD only', async () => {
    const url = urlOf(await Running.start(http));
    const { status, headers } = await ask(`${url}/varz`, { method: 'POST' });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    expect(await ask(`${url}/varz`, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'])(
    'receives status 405 for %s',
    async (method) => {
      const url = urlOf(await Running.start(http));
      const body = 'Content-Length: 3\r\n\r\nabc';
      const reply = await sends(url, `${method} /varz HTTP/1.1\r\nHost: localhost\r\n${body}`);
      expect(reply).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n/);
      expect(reply.match(/HTTP\/1\.1/g)).toHaveLength(1);
    },
  );

  it.each([
    ['a proxy request', 'CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n', /^$/],
    ['long headers', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['a long query', `GET /connz?${'subs=1&'.repeat(3000)} HTTP/1.1\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['a missing Host header', 'GET /varz HTTP/1.1\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'two Host headers',
      'GET /varz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      /^HTTP\/1\.1 400 [\s\S]*too many Host headers$/,
    ],
    ['bytes that are not HTTP', '\x16\x03\x01\x02\x00', /^HTTP\/1\.1 400 /],
    [
      'two content lengths',
      'GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
  ])('is rejected for %s', async (_what, bytes, answer) => {
    const reply = await sends(urlOf(await Running.start(http)), bytes);
    expect(reply).toMatch(answer);
    if (reply !== '') expect(reply).toContain('\r\nX-Content-Type-Options: nosniff\r\n');
  });

  it('receives the same security headers with every response', async () => {
    const url = urlOf(await Running.start(http));
    const paths = ['/', '/page/page.js', '/page.json', '/varz', '/metrics', '/none', '/connz?limit=x'];
    const replies = await Promise.all(paths.map((path) => ask(`${url}${path}`)));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 404, 400]);
    const post = await ask(`${url}/varz`, { method: 'POST' });
    for (const { headers } of [...replies, post]) {
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': expect.stringMatching(/^default-src 'none'; .*frame-ancestors 'none'/),
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it('cannot read monitoring through a local browser by DNS rebinding', async () => {
    const url = urlOf(await Running.start(http));
    const { status, body } = await ask(`${url}/connz`, { headers: { Host: 'evil.example:8222' } });
    expect([status, body]).toEqual([
      421,
      '"evil.example:8222" is not a name of this server: use localhost or an IP address\n',
    ]);
    const { status: own } = await ask(`${url}/connz`, { headers: { Host: 'localhost:8222' } });
    expect(own).toBe(200);
  });

  it('receives pipelined responses in order, each computed only after the previous one was read', async () => {
    const url = urlOf(await Running.start(http));
    const requests = 900;
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => {}).pause();
    const last = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(requests) + last);
    const answered = async () => (await askJson(`${url}/varz`)).http_req_stats['/metrics'] ?? 0;
    await expect.poll(answered).toBeGreaterThan(1);
    expect(await answered()).toBeLessThan(requests);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.resume();
    await closed(socket);
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(requests + 1);
    expect(text).toMatch(/\{"status":"ok"\}$/);
  });

  it('cannot open more than 128 connections, and blocks no client of the broker with them', async () => {
    const running = await Running.start(http);
    const port = Number(new URL(urlOf(running)).port);
    const sockets = Array.from({ length: 140 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    let closed = 0;
    for (const socket of sockets) socket.on('close', () => closed++);
    await expect.poll(() => closed).toBe(140 - 128);
    await running.connect();
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => (await ask(`${urlOf(running)}/healthz`)).status).toBe(200);
  });

  it('cannot keep other addresses out with requests that it never completes', async () => {
    const url = urlOf(await Running.start(http));
    const sockets = new Set<Socket>();
    let isOver = false;
    const occupy = () => {
      const port = Number(new URL(url).port);
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      sockets.add(socket.on('error', () => {}).resume());
      socket.write('GET /healthz HTTP/1.1\r\nHost: localho');
      socket.once('close', () => {
        sockets.delete(socket);
        if (!isOver) occupy();
      });
    };
    for (let count = 0; count < 150; count++) occupy();
    for (let count = 0; count < 20; count++) expect((await ask(`${url}/healthz`)).status).toBe(200);
    isOver = true;
    for (const socket of sockets) socket.destroy();
  });

  it('is disconnected when its request arrives too slowly, even byte by byte', async () => {
    const url = urlOf(await Running.start(http));
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nX: ');
    const trickle = setInterval(() => socket.write('x'), 500);
    const began = performance.now();
    await closed(socket);
    clearInterval(trickle);
    expect(performance.now() - began).toBeLessThan(6500);
  });
});

/** Copies the server certificate to files of its own, for a test that replaces them. */
function testFolderCopy(name: string) {
  const { ca, client } = certificates;
  return { ca, client, server: copyOf(name) };
}

function copyOf(name: string) {
  const pair = { cert: `${folder}/${name}-cert.pem`, key: `${folder}/${name}-key.pem` };
  renameOver({
    [pair.cert]: readFileSync(certificates.server.cert, 'utf8'),
    [pair.key]: readFileSync(certificates.server.key, 'utf8'),
  });
  return pair;
}
