// The `nats` command line client over mutual TLS, with the files of `natspki init`: its commands get the same
// results from both servers.
import { expect, it } from 'vitest';
import { describePeer } from '../support/peers.ts';
import { onBothServers } from './installation.ts';
import { answered, natsCli } from './nats-command.ts';

describePeer('nats', 'the nats CLI', (bin) => {
  onBothServers('over mutual TLS', (installation) => {
    const nats = natsCli(bin, installation);

    it('publishes to a subscriber', async () => {
      const subscribed = nats('sub', 'orders.>', '--count', '3');
      await answered(installation, 'orders.probe');
      const published = [
        await nats('pub', 'orders.new', 'hello'),
        await nats('pub', 'orders.new', 'with headers', '-H', 'Colour:red', '-H', 'Size:7'),
      ];
      expect(published.map(({ code }) => code)).toEqual([0, 0]);
      const { code, stdout } = await subscribed;
      expect(code).toBe(0);
      expect(stdout).toContain('[#2] Received on "orders.new"\nhello\n');
      // The CLI prints headers in random order.
      expect(stdout).toMatch(
        /\[#3\] Received on "orders\.new"\n(Colour: red\nSize: 7|Size: 7\nColour: red)\n\nwith headers\n/,
      );
    });

    it('publishes many messages', async () => {
      const subscribed = nats('sub', 'many', '--count', '6', '--raw');
      await answered(installation, 'many');
      expect(await nats('pub', 'many', 'number {{Count}}', '--count', '5')).toMatchObject({ code: 0 });
      expect((await subscribed).stdout.trim().split('\n')).toEqual([
        'nil body',
        ...[1, 2, 3, 4, 5].map((number) => `number ${number}`),
      ]);
    });

    it('requests and replies', async () => {
      const replied = nats('reply', 'service', 'echo {{Request}}', '--count', '2');
      await answered(installation, 'service');
      const { code, stdout } = await nats('request', 'service', 'ping');
      expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: 'echo ping' });
      expect((await replied).stdout).toContain('ping');
    });

    it('reports that there are no responders', async () => {
      const { stderr } = await nats('request', 'nobody', 'ping');
      expect(stderr).toContain('No responders are available');
    });

    it('benchmarks publishing and subscribing', async () => {
      const subscribed = nats('bench', 'sub', 'load', '--msgs', '10001', '--no-progress');
      await answered(installation, 'load');
      const published = await nats(
        'bench',
        'pub',
        'load',
        '--msgs',
        '10000',
        '--clients',
        '2',
        '--no-progress',
      );
      expect(published.code).toBe(0);
      expect(published.stdout).toMatch(/\[1\].*\(5,?000 msgs\)[\s\S]*\[2\].*\(5,?000 msgs\)/);
      const received = await subscribed;
      expect(received.code).toBe(0);
      expect(received.stdout).toMatch(/msgs\/sec/);
    });

    it('benchmarks requests', async () => {
      const serving = nats('reply', 'busy', 'ok', '--count', '501');
      await answered(installation, 'busy');
      const { code, stdout } = await nats(
        'bench',
        'service',
        'request',
        'busy',
        '--msgs',
        '500',
        '--no-progress',
      );
      expect(code).toBe(0);
      expect(stdout).toMatch(/msgs\/sec/);
      expect((await serving).stderr).toContain('[#500]');
    });

    it('measures the round trip', async () => {
      const { code, stdout } = await nats('rtt');
      expect(code).toBe(0);
      expect(stdout).toMatch(/\d+(\.\d+)?[µm]s/);
    });

    it('checks the connection', async () => {
      const { code, stdout } = await nats('server', 'check', 'connection');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^OK Connection/);
    });

    it('is rejected without a certificate', async () => {
      const { code, stderr } = await nats.with(
        ['--tlsca', installation.files.caFile],
        'pub',
        'orders.new',
        'x',
      );
      expect(code).toBe(1);
      // The error depends on whether the client reads before or after the server closes the connection.
      expect(stderr).toMatch(
        /tls: certificate required|tls: bad certificate|closed by remote after TLS handshake/,
      );
    });

    it('rejects a server of an unknown authority', async () => {
      const { code, stderr } = await nats.with([], 'pub', 'orders.new', 'x');
      expect(code).toBe(1);
      expect(stderr).toMatch(/unknown authority/);
    });
  });
});
