// The HTTP request that opens a WebSocket: which requests both servers accept, and what they answer to the others.
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { closed, openSocket } from '../harness/socket.ts';
import { requestUpgrade, type UpgradeOptions } from '../harness/websocket.ts';
import { askJson, monitorUrlOf } from '../support/monitoring.ts';
import { conformanceOverWebSocket, type Suite } from './suite.ts';

const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';
const negotiated =
  'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n';

/** Returns the head of the answer, without what differs from one answer to the next. */
async function answerTo(suite: Suite, options: UpgradeOptions): Promise<string> {
  const { socket, head } = await requestUpgrade(suite.port, options);
  socket.destroy();
  return head.replace(/^Date: .*\r\n/m, '').replace('Connection: close\r\n', '');
}

function refusal(status: string, length: number): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\nX-Content-Type-Options: nosniff\r\nContent-Length: ${length}\r\n\r\n`;
}

const badRequest = refusal('400 Bad Request', 12);
const forbidden = refusal('403 Forbidden', 10);

/** Sends bytes that are no request and returns the whole answer. */
async function answerToBytes(suite: Suite, bytes: string): Promise<string> {
  const socket = await openSocket(suite.port);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.write(bytes);
  await closed(socket);
  return answer;
}

const plain = 'websocket { listen: "127.0.0.1:-1", no_tls: true';

conformanceOverWebSocket(
  'an upgrade',
  `${plain}, handshake_timeout: "300ms", headers { "X-One": "a b" } }`,
  (suite) => {
    const log = `127\\.0\\.0\\.1:\\d+ - websocket handshake error: `;

    it('is answered with the headers of the configuration', async () => {
      expect(await answerTo(suite, {})).toBe(`${accepted}X-One: a b\r\n\r\n`);
    });

    it.each<[string, UpgradeOptions]>([
      ['a query', { request: 'GET /any/path?x=1 HTTP/1.1' }],
      ['HTTP 1.0', { request: 'GET / HTTP/1.0' }],
      ['several tokens', { headers: { Connection: 'keep-alive, upgrade', Upgrade: 'foo, WebSocket' } }],
      ['a subprotocol', { headers: { 'Sec-WebSocket-Protocol': 'nats' } }],
      ['compression', { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } }],
      ['a foreign origin', { headers: { Origin: 'http://evil.example' } }],
    ])('is accepted with %s', async (_what, options) => {
      expect(await answerTo(suite, options)).toBe(`${accepted}X-One: a b\r\n\r\n`);
    });

    it('may ask for frames without a mask', async () => {
      const headers = { 'Nats-No-Masking': 'true' };
      expect(await answerTo(suite, { headers })).toBe(
        `${accepted}Nats-No-Masking: true\r\nX-One: a b\r\n\r\n`,
      );
    });

    it.each<[string, UpgradeOptions, string, string]>([
      [
        'POST',
        { request: 'POST / HTTP/1.1' },
        refusal('405 Method Not Allowed', 19),
        'request method must be GET',
      ],
      [
        'HTTP 1.0 and no Host',
        { request: 'GET / HTTP/1.0', headers: { Host: '' } },
        badRequest,
        "'Host' missing in request",
      ],
      ['no Upgrade', { headers: { Upgrade: '' } }, badRequest, "invalid value for header 'Upgrade'"],
      ['another Upgrade', { headers: { Upgrade: 'h2c' } }, badRequest, "invalid value for header 'Upgrade'"],
      ['no Connection', { headers: { Connection: '' } }, badRequest, "invalid value for header 'Connection'"],
      [
        'another Connection',
        { headers: { Connection: 'close' } },
        badRequest,
        "invalid value for header 'Connection'",
      ],
      ['no key', { headers: { 'Sec-WebSocket-Key': '' } }, badRequest, 'key missing'],
      ['a short key', { headers: { 'Sec-WebSocket-Key': 'YQ==' } }, badRequest, 'invalid websocket key'],
      ['another version', { headers: { 'Sec-WebSocket-Version': '8' } }, badRequest, 'invalid version'],
      [
        'the path of MQTT',
        { request: 'GET /mqtt HTTP/1.1' },
        refusal('404 Not Found', 10),
        'mqtt websocket endpoint not enabled',
      ],
    ])('is rejected with %s', async (_what, options, expected, reason) => {
      const logged = suite.server.logged(new RegExp(log + reason));
      const answer = await answerTo(suite, options);
      expect(answer.replace('HTTP/1.0', 'HTTP/1.1')).toBe(expected);
      await logged;
    });

    it('ends at once on the path of leaf nodes', async () => {
      const { socket, head } = await requestUpgrade(suite.port, { request: 'GET /leafnode HTTP/1.1' });
      expect(head).toBe(`${accepted}X-One: a b\r\n\r\n`);
      socket.resume();
      await once(socket, 'end');
      socket.destroy();
    });

    it.each([
      ['no Host', 'GET / HTTP/1.1\r\n\r\n', '400 Bad Request: missing required Host header'],
      ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', '400 Bad Request'],
      ['no HTTP', '\x16\x03\x01\r\n\r\n', '400 Bad Request'],
      [
        'headers of two megabytes',
        `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(2_000_000)}\r\n\r\n`,
        '431 Request Header Fields Too Large',
      ],
    ])('is answered as Go does, with %s', async (_what, bytes, text) => {
      const answer = await answerToBytes(suite, bytes);
      // The kernel drops the answer if bytes of the client are left unread.
      if (bytes.length > 1000 && answer === '') return;
      expect(answer).toBe(
        `HTTP/1.1 ${text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${text}`,
      );
    });

    it.each([
      ['nothing', ''],
      ['half a request', 'GET / HTTP/1.1\r\nHost: a\r\n'],
      ['a request that is followed by data at once', ''],
    ])('is dropped with %s', async (what, bytes) => {
      const request = `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nxx`;
      expect(await answerToBytes(suite, what.startsWith('a request') ? request : bytes)).toBe('');
    });
  },
);

conformanceOverWebSocket('an upgrade with compression', `${plain}, compression: true }`, (suite) => {
  it.each([
    ['permessage-deflate', true],
    ['permessage-deflate; client_max_window_bits; server_max_window_bits=10', true],
    ['x-webkit-deflate-frame, Permessage-Deflate', true],
    ['permessage-bzip2', false],
    ['', false],
  ])('that offers %j agrees on it: %s', async (offer, isAgreed) => {
    const answer = await answerTo(suite, { headers: { 'Sec-WebSocket-Extensions': offer } });
    expect(answer).toBe(`${accepted}${isAgreed ? negotiated : ''}\r\n`);
  });
});

conformanceOverWebSocket('same_origin', `${plain}, same_origin: true }`, (suite) => {
  it.each<[string, string, boolean]>([
    ['http://nats.example:8080', 'nats.example:8080', true],
    ['HTTP://NATS.example:8080', 'nats.example:8080', true],
    ['http://nats.example', 'nats.example:80', true],
    ['http://nats.example', 'nats.example', true],
    ['https://nats.example', 'nats.example', false],
    ['http://other.example', 'nats.example', false],
    ['http://nats.example:81', 'nats.example', false],
    ['null', 'nats.example', false],
    ['nats.example', 'nats.example', false],
    ['', 'nats.example', true],
  ])('treats the origin %j for the host %j as its own: %s', async (origin, host, isOwn) => {
    const answer = await answerTo(suite, { headers: { Host: host, Origin: origin } });
    expect(answer).toBe(isOwn ? `${accepted}\r\n` : forbidden);
  });
});

conformanceOverWebSocket(
  'allowed_origins',
  `${plain}, allowed_origins: ["https://one.example", "http://two.example:8080"] }`,
  (suite) => {
    it.each<[string, boolean]>([
      ['https://one.example', true],
      ['https://ONE.example:443', true],
      ['https://one.example/path?query', true],
      ['http://one.example', false],
      ['http://two.example:8080', true],
      ['http://two.example', false],
      ['https://one.example.evil.example', false],
      ['https://evil.example', false],
      ['null', false],
    ])('accepts the origin %j: %s', async (origin, isAllowed) => {
      const answer = await answerTo(suite, { headers: { Origin: origin } });
      expect(answer).toBe(isAllowed ? `${accepted}\r\n` : forbidden);
    });

    it('reads the header of old browsers', async () => {
      const headers = { 'Sec-WebSocket-Origin': 'https://evil.example' };
      expect(await answerTo(suite, { headers })).toBe(forbidden);
    });
  },
);

conformanceOverWebSocket(
  'a client of a WebSocket',
  `http: "127.0.0.1:-1", server_name: one\n${plain}, advertise: "web.example:1", compression: true,
    handshake_timeout: 3, allowed_origins: ["https://a.example"] }`,
  (suite) => {
    describe('in monitoring', () => {
      it('has the kind and type of nats-server', async () => {
        await suite.connect({ name: 'web' });
        const { connections } = await askJson(`${monitorUrlOf(suite.server.log())}/connz`);
        const own = connections.find(({ name }: { name?: string }) => name === 'web');
        expect(own).toMatchObject({ kind: 'Client', type: 'websocket', ip: '127.0.0.1' });
      });

      it('is described by /varz', async () => {
        const { websocket } = await askJson(`${monitorUrlOf(suite.server.log())}/varz`);
        expect(websocket).toEqual({
          host: '127.0.0.1',
          port: suite.port,
          advertise: 'web.example:1',
          handshake_timeout: 3_000_000_000,
          no_tls: true,
          allowed_origins: ['https://a.example'],
          compression: true,
        });
      });
    });

    it('is told the address of the WebSocket listener', async () => {
      const wire = await suite.open();
      expect(wire.info).toMatchObject({ host: '127.0.0.1', port: suite.port, client_ip: '127.0.0.1' });
      expect(wire.info).not.toHaveProperty('tls_required');
    });

    it('is logged without TLS with a warning', () => {
      expect(suite.server.log()).toMatch(
        /\[INF\] Listening for websocket clients on ws:\/\/127\.0\.0\.1:\d+\n.*\[WRN\] Websocket not configured with TLS\. DO NOT USE IN PRODUCTION!/,
      );
    });

    it.each([
      ['10.1.2.3', '10\\.1\\.2\\.3/'],
      ['2001:db8::1', '\\[2001:db8::1\\]/'],
      ['10.1.2.3, 10.0.0.1', ''],
      ['unknown', ''],
    ])('is logged with the address %j that a proxy reports', async (address, shown) => {
      const wire = await suite.open({ websocket: { 'X-Forwarded-For': address } });
      const logged = suite.server.logged(
        new RegExp(`\\[ERR\\] ${shown}127\\.0\\.0\\.1:\\d+ - wid:${wire.info.client_id} - `),
      );
      wire.send('SUB\r\n');
      await logged;
    });
  },
);
