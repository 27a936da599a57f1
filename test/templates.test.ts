import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { printValue } from '../src/conf/printer.ts';
import { type ServerPlan, serverConfigurations } from '../src/server-configuration.ts';
import { fillTemplate, renderTemplate, type TemplateName, templates } from '../src/templates.ts';

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
  it('are the configurations of the folder, no more and no fewer', () => {
    const files = readdirSync(new URL('../templates', import.meta.url))
      .filter((name) => name.endsWith('.conf'))
      .sort();
    expect(files).toEqual(
      Object.keys(templates)
        .map((name) => `${name}.conf`)
        .sort(),
    );
  });

  it.each(Object.keys(templates) as TemplateName[])('%s is filled without a rest', (template) => {
    const [file] = serverConfigurations({ ...plan, template }, printValue);
    expect(file?.path).toBe('nats.conf');
    expect(file?.text).not.toMatch(/\{\{|\}\}|undefined/);
    expect(file?.text).toContain('"./certs/server-cert.pem"');
  });

  it.each(Object.keys(templates) as TemplateName[])(
    '%s is commented for people and fits a screen',
    (template) => {
      const text = readFileSync(new URL(`../templates/${template}.conf`, import.meta.url), 'utf8');
      expect(text).toMatch(/^# NATS|^# A NATS|^# One NATS/);
      expect(text.split('\n').filter((line) => line.length > 120)).toEqual([]);
      expect(text.endsWith('\n')).toBe(true);
    },
  );

  it('refuses a placeholder without a value, and one that has no end', () => {
    expect(() => fillTemplate('a: {{b}}', 't', {})).toThrow('template "t" has the unknown placeholder {{b}}');
    expect(() => fillTemplate('a: {{toString}}', 't', {})).toThrow('unknown placeholder');
    expect(() => fillTemplate('a: {{b} c', 't', {})).toThrow('template "t" has a placeholder without an end');
  });

  it('refuses a value that no placeholder asks for', () => {
    expect(() =>
      renderTemplate('basic', { cert_file: '""', key_file: '""', ca_file: '""', extra: '1' }),
    ).toThrow('template "basic" has no placeholder {{extra}}');
  });

  it('does not look for placeholders in values, and keeps dollars as they are', () => {
    expect(fillTemplate('a: {{b}}\n', 't', { b: '"{{c}} $& $1"' })).toBe('a: "{{c}} $& $1"\n');
  });

  it('indents the further lines of a value like its placeholder', () => {
    expect(fillTemplate('x {\n  a: {{b}}\n}\n', 't', { b: '[\n  1\n]' })).toBe(
      'x {\n  a: [\n    1\n  ]\n}\n',
    );
  });
});

describe('server configurations', () => {
  it('gives each node of a cluster a file, and routes to the others', () => {
    const nodes = [
      { name: 'n1', hosts: ['a.example.com', '10.0.0.1'] },
      { name: 'n2', hosts: ['::1'] },
    ];
    const files = serverConfigurations(
      { ...plan, template: 'cluster', nodes, file: 'etc/nats.conf' },
      printValue,
    );
    expect(files.map(({ path }) => path)).toEqual(['etc/nats-n1.conf', 'etc/nats-n2.conf']);
    expect(files[0]?.text).toContain('routes: [\n    "nats://[::1]:6222"\n  ]');
    expect(files[0]?.text).toContain('cert_file: "./certs/n1-route-cert.pem"');
    expect(files[1]?.text).toContain('routes: [\n    "nats://a.example.com:6222"\n  ]');
    expect(files[1]?.text).toContain('server_name: "n2"');
  });

  it('gives nodes on one host ports of their own', () => {
    const nodes = ['n1', 'n2', 'n3'].map((name) => ({ name, hosts: ['localhost'] }));
    const files = serverConfigurations({ ...plan, template: 'cluster', nodes }, printValue);
    expect(files.map(({ text }) => /^port: (\d+)/m.exec(text)?.[1])).toEqual(['4222', '4223', '4224']);
    expect(files[2]?.text).toContain('listen: "0.0.0.0:6224"');
    expect(files[2]?.text).toContain('advertise: "localhost:6224"');
    expect(files[2]?.text).toContain('"nats://localhost:6222"\n    "nats://localhost:6223"');
  });

  it('knows this machine by all its names', () => {
    const nodes = ['localhost', '127.0.0.1', 'n3', 'LocalHost', '::1'].map((host) => ({
      name: `at-${host.replaceAll(':', '')}`,
      hosts: [host],
    }));
    const files = serverConfigurations({ ...plan, template: 'cluster', nodes }, printValue);
    const ports = files.map(({ text }) => /^port: (\d+)/m.exec(text)?.[1]);
    expect(ports).toEqual(['4222', '4223', '4222', '4224', '4225']);
    expect(files[4]?.text).toContain('advertise: "[::1]:6225"');
  });

  it('makes a user of each client', () => {
    const [file] = serverConfigurations(
      { ...plan, template: 'verify-and-map', users: ['alice', 'b"o\\b'] },
      printValue,
    );
    expect(file?.text).toContain('users: [\n      {user: "alice"}\n      {user: "b\\"o\\\\b"}\n    ]');
  });

  it('keeps an absolute folder and marks a relative one', () => {
    const text = (directory: string) => serverConfigurations({ ...plan, directory }, printValue)[0]?.text;
    expect(text('/etc/nats/certs')).toContain('cert_file: "/etc/nats/certs/server-cert.pem"');
    expect(text('./x/../certs/')).toContain('cert_file: "./certs/server-cert.pem"');
    expect(text('../certs')).toContain('cert_file: "../certs/server-cert.pem"');
  });
});
