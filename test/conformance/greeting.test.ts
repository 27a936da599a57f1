// The greeting of a server, and its answers to CONNECT, PING and PONG.
import { describe, expect, it } from 'vitest';
import { conformance } from './suite.ts';

conformance('greeting', 'server_name: "greeter"', (suite) => {
  describe('INFO', () => {
    it('is one line of JSON that ends with a space and CRLF', async () => {
      const { greeting } = await suite.open();
      expect(greeting).toMatch(/^INFO \{[^\r\n]*\} \r\n$/);
    });

    it('names the server, its version, its limits and the client', async () => {
      const { info } = await suite.open();
      expect(info).toMatchObject({
        server_id: expect.stringMatching(/^N[A-Z2-7]{55}$/),
        server_name: 'greeter',
        // Clients derive from the version which features they may use.
        version: expect.stringMatching(/^2\.\d+\.\d+$/),
        proto: 1,
        go: expect.any(String),
        host: '127.0.0.1',
        port: suite.server.port,
        headers: true,
        max_payload: 1048576,
        client_id: expect.any(Number),
        client_ip: '127.0.0.1',
      });
    });

    it('omits the fields that do not apply', async () => {
      const { info } = await suite.open();
      for (const absent of [
        'auth_required',
        'tls_required',
        'tls_verify',
        'tls_available',
        'jetstream',
        'ldm',
        'nonce',
      ]) {
        expect(info).not.toHaveProperty(absent);
      }
    });

    it('gives each connection the same server_id and a higher client_id', async () => {
      const first = await suite.open();
      const second = await suite.open();
      expect(second.info.server_id).toBe(first.info.server_id);
      expect(second.info.client_id).toBeGreaterThan(first.info.client_id as number);
    });
  });

  describe('CONNECT', () => {
    it('is answered +OK when verbose is on', async () => {
      const client = await suite.open();
      client.send('CONNECT {"verbose":true}\r\n');
      await client.receives('+OK\r\n');
    });

    it('is not answered when verbose is off', async () => {
      const client = await suite.open();
      client.send('CONNECT {"verbose":false}\r\n');
      await client.receives('');
    });

    it.each(['{}', '{"verbose":null}', 'null', '{"pedantic":false}'])(
      'turns verbose on by default for %s',
      async (options) => {
        const client = await suite.open();
        client.send(`CONNECT ${options}\r\n`);
        await client.receives('+OK\r\n');
      },
    );

    it.each([
      ['in lower case', 'connect {"verbose":true}\r\n'],
      ['in mixed case', 'cOnNeCt {"verbose":true}\r\n'],
      ['after tabs and spaces', 'CONNECT \t  \t{"verbose":true}\r\n'],
      ['without a space', 'CONNECT{"verbose":true}\r\n'],
      ['with spaces at the end', 'CONNECT {"verbose":true}  \r\n'],
      ['with a bare line feed', 'CONNECT {"verbose":true}\n'],
      ['with names of options in any case', 'CONNECT {"VERBOSE":true}\r\n'],
      ['with unknown options', 'CONNECT {"verbose":true,"colour":{"deep":[1,2,{}]}}\r\n'],
      [
        'with the name, language and version of the client',
        'CONNECT {"verbose":true,"lang":"ts","version":"3.3.1","name":"ü 1"}\r\n',
      ],
      ['with escapes in its JSON', 'CONNECT {"v\\u0065rbose":true}\r\n'],
      [
        'with credentials on a server that needs none',
        'CONNECT {"verbose":true,"user":"u","pass":"p","auth_token":"t"}\r\n',
      ],
    ])('is accepted %s', async (_, line) => {
      const client = await suite.connect();
      client.send(line);
      await client.receives('+OK\r\n');
    });

    it.each([
      ['an unfinished object', '{"verbose":true'],
      ['a bare word', 'verbose'],
      ['an array', '[]'],
      ['a number', '7'],
      ['text after the object', '{}x'],
      ['a number for verbose', '{"verbose":1}'],
      ['a string for protocol', '{"protocol":"1"}'],
      ['a fraction for protocol', '{"protocol":1.5}'],
      ['a number for user', '{"user":1}'],
      ['no JSON', ''],
    ])('closes the connection without an error when it has %s', async (_, options) => {
      const client = await suite.open();
      client.send(`CONNECT ${options}\r\nPING\r\n`);
      await client.closes('');
    });

    it.each([2, -1, 99])('is rejected with protocol %i', async (protocol) => {
      const client = await suite.open();
      client.send(`CONNECT {"verbose":true,"protocol":${protocol}}\r\nPING\r\n`);
      await client.closes("-ERR 'invalid client protocol'\r\n");
    });

    it('is rejected with no_responders but without headers', async () => {
      const client = await suite.open();
      client.send('CONNECT {"no_responders":true}\r\nPING\r\n');
      await client.closes("-ERR 'no responders requires headers support'\r\n");
    });

    it.each(['{"account":"A"}', '{"new_account":true}'])(
      'is rejected when it chooses an account: %s',
      async (options) => {
        const client = await suite.open();
        client.send(`CONNECT ${options}\r\nPING\r\n`);
        await client.closes("-ERR 'Authorization Violation'\r\n");
      },
    );

    it('changes the options of the client when it is repeated', async () => {
      const client = await suite.connect();
      client.send('CONNECT {"verbose":true}\r\n');
      await client.receives('+OK\r\n');
      client.send(`CONNECT {"verbose":false}\r\nSUB ${suite.subject()} 1\r\n`);
      await client.receives('');
    });

    it('keeps the options that a repeated CONNECT does not name', async () => {
      const client = await suite.connect({ echo: false });
      const s = suite.subject();
      client.send(`CONNECT {"name":"again"}\r\nSUB ${s} 1\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receives('');
    });

    it('drops the subscriptions of the client when it is repeated', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s} 1\r\n`);
      await client.receives('');
      client.send(`CONNECT {"verbose":false}\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receives('');
    });

    it('triggers a second INFO after the first PONG when the protocol is 1', async () => {
      const client = await suite.open();
      client.send('CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n');
      await client.reads('PONG\r\n');
      const { client_id: id } = client.info;
      expect(await client.nextInfo()).toMatchObject({
        client_id: id,
        connect_info: true,
        remote_account: '$G',
      });
      await client.receives('');
    });

    it('triggers no second INFO when the protocol is 0', async () => {
      const client = await suite.connect({ protocol: 0 });
      await client.receives('');
    });
  });

  describe('before CONNECT', () => {
    it('answers a PING', async () => {
      const client = await suite.open();
      client.send('PING\r\n');
      await client.reads('PONG\r\n');
    });

    it('processes operations in verbose and pedantic mode', async () => {
      const client = await suite.open();
      const s = suite.subject();
      client.send(`SUB ${s}.* 1\r\nPUB ${s}.* 1\r\nx\r\n`);
      await client.receives(`+OK\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\nMSG ${s}.* 1 1\r\nx\r\n`);
    });

    it('closes the connection on HPUB without an error', async () => {
      const client = await suite.open();
      client.send(`HPUB ${suite.subject()} 12 12\r\nNATS/1.0\r\n\r\n\r\nPING\r\n`);
      await client.closes('');
    });
  });

  describe('PING and PONG', () => {
    it.each(['PING\r\n', 'ping\r\n', 'PiNg\n', 'PING  \r\n', 'PINGED\r\n'])(
      'answers %j with PONG',
      async (line) => {
        const client = await suite.connect();
        client.send(line);
        await client.receives('PONG\r\n');
      },
    );

    it('answers each PING of a packet', async () => {
      const client = await suite.connect();
      client.send('PING\r\n'.repeat(50));
      await client.receives('PONG\r\n'.repeat(50));
    });

    it.each(['PONG\r\n', 'pong\n', 'PONG PONG\r\n', '+OK\r\n', '+ok then\r\n'])(
      'ignores %j',
      async (line) => {
        const client = await suite.connect();
        client.send(line);
        await client.receives('');
      },
    );

    it('ignores an INFO from a client', async () => {
      const client = await suite.connect();
      client.send('INFO {"server_id":"me"}\r\n');
      await client.receives('');
    });

    it('closes the connection on an INFO that is not JSON', async () => {
      const client = await suite.connect();
      client.send('INFO me\r\n');
      await client.closes('');
    });

    it('closes the connection on an -ERR from a client', async () => {
      const client = await suite.connect();
      client.send("-ERR 'I give up'\r\n");
      await client.closes('');
    });
  });
});
