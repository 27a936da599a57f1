import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fillTemplate, renderTemplate, type TemplateName, templates } from '../../src/files/templates.ts';
import { type ServerPlan, serverConfigurations } from '../../src/rollout/server-configuration.ts';

const plan: ServerPlan = {
  template: 'verify',
  file: 'nats.conf',
  directory: 'certs',
  servers: [{ name: 'server', hosts: ['localhost'] }],
  users: ['client'],
  clusterName: 'c1',
  nodes: [],
};

describe('templates', () => {
  it('lists exactly the configuration files of the templates folder', () => {
    const files = readdirSync(new URL('../../templates', import.meta.url))
      .filter((name) => name.endsWith('.conf'))
      .sort();
    expect(files).toEqual(
      Object.keys(templates)
        .map((name) => `${name}.conf`)
        .sort(),
    );
  });

  it.each(Object.keys(templates) as TemplateName[])(
    'leaves no placeholder in the template %s',
    (template) => {
      const [file] = serverConfigurations({ ...plan, template });
      expect(file?.path).toBe('nats.conf');
      expect(file?.text).not.toMatch(/\{\{|\}\}|undefined/);
      expect(file?.text).toContain('"./certs/server-cert.pem"');
    },
  );

  it.each(Object.keys(templates) as TemplateName[])(
    'starts the template %s with a comment and keeps its lines within 120 columns',
    (template) => {
      const text = readFileSync(new URL(`../../templates/${template}.conf`, import.meta.url), 'utf8');
      expect(text).toMatch(/^# NATS|^# A NATS|^# One NATS/);
      expect(text.split('\n').filter((line) => line.length > 120)).toEqual([]);
      expect(text.endsWith('\n')).toBe(true);
    },
  );

  it('rejects a placeholder without a value and an unterminated placeholder', () => {
    expect(() => fillTemplate('a: {{b}}', 't', {})).toThrow('template "t" has the unknown placeholder {{b}}');
    expect(() => fillTemplate('a: {{toString}}', 't', {})).toThrow('unknown placeholder');
    expect(() => fillTemplate('a: {{b} c', 't', {})).toThrow('template "t" has an unterminated placeholder');
  });

  it('rejects a value without a placeholder', () => {
    expect(() =>
      renderTemplate('basic', { cert_file: '""', key_file: '""', ca_file: '""', extra: '1' }),
    ).toThrow('template "basic" has no placeholder {{extra}}');
  });

  it('inserts values literally, including braces and dollar signs', () => {
    expect(fillTemplate('a: {{b}}\n', 't', { b: '"{{c}} $& $1"' })).toBe('a: "{{c}} $& $1"\n');
  });

  it('indents all lines of a value like the line of its placeholder', () => {
    expect(fillTemplate('x {\n  a: {{b}}\n}\n', 't', { b: '[\n  1\n]' })).toBe(
      'x {\n  a: [\n    1\n  ]\n}\n',
    );
  });
});

describe('server configurations', () => {
  it('gives each node of a cluster a file with routes to the other nodes', () => {
    const nodes = [
      { name: 'n1', hosts: ['a.example.com', '10.0.0.1'] },
      { name: 'n2', hosts: ['::1'] },
    ];
    const files = serverConfigurations({ ...plan, template: 'cluster', nodes, file: 'etc/nats.conf' });
    expect(files.map(({ path }) => path)).toEqual(['etc/nats-n1.conf', 'etc/nats-n2.conf']);
    expect(files[0]?.text).toContain('routes: [\n    "nats://[::1]:6222"\n  ]');
    expect(files[0]?.text).toContain('cert_file: "./certs/n1-route-cert.pem"');
    expect(files[1]?.text).toContain('routes: [\n    "nats://a.example.com:6222"\n  ]');
    expect(files[1]?.text).toContain('server_name: "n2"');
  });

  it('gives nodes on the same host different ports', () => {
    const nodes = ['n1', 'n2', 'n3'].map((name) => ({ name, hosts: ['localhost'] }));
    const files = serverConfigurations({ ...plan, template: 'cluster', nodes });
    expect(files.map(({ text }) => /^port: (\d+)/m.exec(text)?.[1])).toEqual(['4222', '4223', '4224']);
    expect(files[2]?.text).toContain('listen: "0.0.0.0:6224"');
    expect(files[2]?.text).toContain('advertise: "localhost:6224"');
    expect(files[2]?.text).toContain('"nats://localhost:6222"\n    "nats://localhost:6223"');
  });

  it('treats localhost and the loopback addresses as the same host', () => {
    const nodes = ['localhost', '127.0.0.1', 'n3', 'LocalHost', '::1'].map((host) => ({
      name: `at-${host.replaceAll(':', '')}`,
      hosts: [host],
    }));
    const files = serverConfigurations({ ...plan, template: 'cluster', nodes });
    const ports = files.map(({ text }) => /^port: (\d+)/m.exec(text)?.[1]);
    expect(ports).toEqual(['4222', '4223', '4222', '4224', '4225']);
    expect(files[4]?.text).toContain('advertise: "[::1]:6225"');
  });

  it('lets nodes on different addresses of this machine listen each on its own', () => {
    const nodes = ['127.0.0.1', '127.0.0.2', '10.1.2.3', 'n4.example.com'].map((host, index) => ({
      name: `n${index}`,
      hosts: [host],
    }));
    const localAddresses = new Set(['127.0.0.1', '10.1.2.3']);
    const files = serverConfigurations({ ...plan, template: 'cluster', nodes, localAddresses });
    const listening = files.map(({ text }) => text.match(/^(port: .*|host: .*)|(?<=^ {2}listen: ).*/gm));
    expect(listening).toEqual([
      ['port: 4222', 'host: "127.0.0.1"', '"127.0.0.1:6222"'],
      ['port: 4222', 'host: "127.0.0.2"', '"127.0.0.2:6222"'],
      ['port: 4222', 'host: "10.1.2.3"', '"10.1.2.3:6222"'],
      ['port: 4222', '"0.0.0.0:6222"'],
    ]);
  });

  it('lists a user for each client', () => {
    const [file] = serverConfigurations({ ...plan, template: 'verify-and-map', users: ['alice', 'b"o\\b'] });
    expect(file?.text).toContain('users: [\n      {user: "alice"}\n      {user: "b\\"o\\\\b"}\n    ]');
  });

  it('keeps an absolute folder and starts a relative one with ./', () => {
    const text = (directory: string) => serverConfigurations({ ...plan, directory })[0]?.text;
    expect(text('/etc/nats/certs')).toContain('cert_file: "/etc/nats/certs/server-cert.pem"');
    expect(text('./x/../certs/')).toContain('cert_file: "./certs/server-cert.pem"');
    expect(text('../certs')).toContain('cert_file: "../certs/server-cert.pem"');
  });
});
