// The `nats` command line client with users, permissions and a system account over mutual TLS: its commands get the
// same results from both servers.
import { expect, it } from 'vitest';
import { Wire } from '../harness/wire.ts';
import { describePeer } from '../support/peers.ts';
import { onBothServers } from './installation.ts';
import { answered, natsCli } from './nats-command.ts';

const accounts = `
system_account: SYS
accounts {
  SYS { users: [{ user: sys, password: pw }] }
  A { users: [
    { user: open, password: pw }
    { user: bound, password: pw, permissions {
      publish { allow: ["orders.>", "service", "_INBOX.>", "$SYS.REQ.USER.INFO", "$JS.API.INFO"], deny: "orders.secret" }
      subscribe { allow: ["orders.>", "service", "_INBOX.>"], deny: "orders.secret" }
    } }
  ] }
}
`;

const user = (name: string, password = 'pw') => ['--user', name, '--password', password];
const open = { user: 'open', pass: 'pw' };

describePeer('nats', 'the nats CLI', (bin) => {
  const described = (installation: Parameters<Parameters<typeof onBothServers>[1]>[0]) => {
    const nats = natsCli(bin, installation);

    it('publishes, subscribes, requests and replies within its permissions', async () => {
      const subscribed = nats(...user('bound'), 'sub', 'orders.*', '--count', '2', '--raw');
      const replied = nats(...user('bound'), 'reply', 'service', 'echo {{Request}}', '--count', '2');
      await Promise.all([
        answered(installation, 'orders.probe', open),
        answered(installation, 'service', open),
      ]);
      expect(await nats(...user('bound'), 'pub', 'orders.new', 'hello')).toMatchObject({ code: 0 });
      const answer = await nats(...user('bound'), 'request', 'service', 'ping', '--raw');
      expect({ ...answer, stdout: answer.stdout.trim() }).toMatchObject({ code: 0, stdout: 'echo ping' });
      expect((await subscribed).stdout).toContain('hello\n');
      await replied;
    });

    it.each([
      [['pub', 'orders.secret', 'x'], 1, 'Publish to "orders.secret"'],
      [['pub', 'other', 'x'], 1, 'Publish to "other"'],
      [['request', 'other', 'x', '--timeout', '1s'], 0, 'Publish to "other"'],
      [['sub', 'other'], 1, 'Subscription to "other"'],
      [['sub', 'orders.secret'], 1, 'Subscription to "orders.secret"'],
      [['reply', 'other', 'x', '--queue', 'q'], 1, 'Subscription to "other" using queue "q"'],
    ])('reports the permissions violation of %j', async (command, code, denied) => {
      const result = await nats(...user('bound'), ...command);
      expect(result.stderr).toContain(`Permissions Violation for ${denied}`);
      expect(result.code).toBe(code);
    });

    it.each([[user('open', 'wrong')], [user('nobody')], [[]]])(
      'is rejected with the credentials %j',
      async (who) => {
        const { code, stderr } = await nats(...who, 'pub', 'orders.new', 'x');
        expect(code).toBe(1);
        expect(stderr).toContain('Authorization Violation');
      },
    );

    it('shows its account and permissions', async () => {
      const { code, stdout } = await nats(...user('bound'), 'account', 'info');
      expect(code).toBe(0);
      expect(words(stdout)).toContain(
        'Publish: Allow: $JS.API.INFO $SYS.REQ.USER.INFO _INBOX.> orders.> service Deny: orders.secret ' +
          'Subscribe: Allow: _INBOX.> orders.> service Deny: orders.secret',
      );
      for (const line of ['User: bound', 'Account: A (A)', 'System Account: false', 'TLS Version: 1.3']) {
        expect(words(stdout)).toContain(line);
      }
      expect(words((await nats(...user('sys'), 'account', 'info')).stdout)).toContain('System Account: true');
    });

    it('checks the connection and measures its round trip', async () => {
      const check = await nats(...user('sys'), 'server', 'check', 'connection');
      expect(check).toMatchObject({ code: 0, stdout: expect.stringMatching(/^OK Connection/) });
      expect(await nats(...user('bound'), 'rtt')).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/[µm]s/),
      });
    });

    it('lists, pings and describes the server for the system user', async () => {
      const sys = (...command: string[]) => nats(...user('sys'), 'server', ...command);
      const servers = JSON.parse((await sys('ls', '--json')).stdout);
      expect(servers).toMatchObject([
        { server: { name: 'nats-tls-verify', host: '127.0.0.1' }, statsz: { cores: expect.any(Number) } },
      ]);
      expect((await sys('ls')).stdout).toMatch(/│ nats-tls-verify │/);
      expect((await sys('ping', '1')).stdout).toMatch(/^nats-tls-verify +rtt=/);
      const { stdout } = await sys('info', 'nats-tls-verify');
      for (const line of ['Auth Required: true', 'TLS Required: true', 'Maximum Payload: 1.0 MiB']) {
        expect(words(stdout)).toContain(line);
      }
      expect((await sys('check', 'server', '--name', 'nats-tls-verify')).stdout).toMatch(
        /^OK nats-tls-verify/,
      );
      expect((await sys('report', 'health')).stdout).toMatch(/nats-tls-verify .* ok \(200\)/);
    });

    it('reports connections and accounts for the system user', async () => {
      const wire = await Wire.open(installation.server.port, { tls: installation.tls });
      try {
        wire.send(`CONNECT ${JSON.stringify({ verbose: false, ...open, name: 'watched' })}\r\n`);
        wire.send('SUB a.* 1\r\nSUB b 2\r\nPUB a.b 5\r\nhello\r\n');
        await wire.drain();
        const report = (...command: string[]) => nats(...user('sys'), 'server', 'report', ...command);
        const row =
          /│ +\d+ +│ +watched +│ +nats-tls-verify +│ +│ +127\.0\.0\.1:\d+ +│ +A +│ +\S+ +│ +1 +│ +1 +│ +5 B +│ +5 B +│ +2 +│/;
        for (const filter of [
          ['--account', 'A', '--subject', 'a.x'],
          ['--username', 'open'],
          ['--sort', 'in-msgs'],
        ]) {
          expect((await report('connections', ...filter)).stdout).toMatch(row);
        }
        const deaf = await report('connections', '--account', 'A', '--subject', 'c');
        expect(deaf.stdout).not.toContain('watched');
        expect((await report('connections', '--subject', 'a.x')).stderr).toContain(
          'filter by subject only valid with account filtering',
        );
        expect((await report('connections', '--account', 'SYS')).stdout).not.toContain('watched');
        expect((await report('accounts')).stdout).toMatch(/│ +A +│ +1 +│ +1 +│ +1 +│ +5 B +│ +5 B +│ +2 +│/);
      } finally {
        wire.end();
      }
    });

    it('requests monitoring as the system user only', async () => {
      const ask = async (...command: string[]) =>
        JSON.parse((await nats(...user('sys'), 'server', 'request', ...command)).stdout);
      expect((await ask('variables')).data).toMatchObject({
        server_name: 'nats-tls-verify',
        tls_verify: true,
      });
      expect((await ask('connections', '--limit', '1')).data).toMatchObject({ limit: 1, num_connections: 1 });
      expect((await ask('subscriptions')).data).toMatchObject({ limit: 2048 });
      expect((await ask('accounts')).data).toMatchObject({ system_account: 'SYS' });
      expect((await ask('gateways')).data).toMatchObject({ outbound_gateways: {}, inbound_gateways: {} });
      expect((await ask('leafnodes')).data).toMatchObject({ leafnodes: 0, leafs: [] });
      expect((await ask('jetstream')).data).toMatchObject({ disabled: true, streams: 0 });
      expect((await ask('raft')).data).toEqual({});
      for (const report of ['gateways', 'leafnodes', 'jetstream']) {
        expect(await nats(...user('sys'), 'server', 'report', report)).toMatchObject({ code: 0 });
      }
      const info = await nats(...user('sys'), 'server', 'account', 'info', 'A');
      expect(words(info.stdout)).toContain('Account information for account A');
      const refused = await nats(...user('open'), 'server', 'info');
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('ensure the account used has system privileges');
    });
  };
  onBothServers('with accounts and permissions', described, accounts);
});

// Collapses white space, which depends on the layout of the tables.
function words(text: string): string {
  return text.split(/\s+/).join(' ');
}
