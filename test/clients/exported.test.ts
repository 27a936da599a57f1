// What `natspki export` writes, in the hands of clients in Go, Python and Java, of keytool and of Kubernetes.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readConfiguration } from '../../src/index.ts';
import { startTestNats, type TestNats } from '../../src/testing/test-nats.ts';
import { natspki, run } from '../harness/process.ts';
import { describeClients } from '../support/clients.ts';
import { testFolder } from '../support/folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = testFolder('exported');
const at = (name: string) => join(folder, name);
let nats: TestNats;
let receiver: NatsConnection;
const received: string[] = [];

beforeAll(async () => {
  nats = await startTestNats({ clients: ['alice', 'receiver'] });
  receiver = await connect({ servers: nats.url, tls: nats.tls('receiver') });
  receiver.subscribe('exported', { callback: (_, message) => void received.push(message.string()) });
  await receiver.flush();
  writeFileSync(at('password'), 'secret word\n');
  const pkcs12 = ['--format', 'pkcs12', '--password-file', 'password'];
  for (const args of [
    [...pkcs12, '--out', 'alice.p12'],
    [...pkcs12, '--out', 'legacy.p12', '--legacy'],
    ['--format', 'pem', '--out', 'alice/'],
    ['--format', 'pem', '--out', 'alice.pem'],
  ]) {
    const { code, stderr } = await natspki(folder, ['export', 'alice', '--dir', nats.dir, ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
});
afterAll(async () => {
  await receiver.close();
  await nats.stop();
});

/** Runs a client in the folder of the exports, and returns how often it published. */
async function publishing(argv: readonly string[], environment: Record<string, string> = {}) {
  received.length = 0;
  const { code, stdout, stderr } = await run(argv, { folder, environment: { ...nats.env, ...environment } });
  await receiver.flush();
  return { code, output: stdout + stderr, received: [...received] };
}

describeClients('go', 'a client in Go', (packages) => {
  it('connects with PKCS#12 and PEM', async () => {
    for (const name of ['go.mod', 'go.sum']) copyFileSync(join(packages, name), at(name));
    copyFileSync(join(root, 'test/clients/exported_test.go'), at('exported_test.go'));
    const result = await publishing(['go', 'test', '-mod=mod', '-count=1', '.']);
    expect(result).toMatchObject({ code: 0, received: ['go', 'go', 'go', 'go'] });
  }, 120_000);
});

describeClients('python', 'a client in Python', (packages) => {
  it('connects with PKCS#12 and PEM', async () => {
    const argv = ['python3', join(root, 'test/clients/exported.py')];
    const result = await publishing(argv, { PYTHONPATH: packages });
    expect(result).toMatchObject({ code: 0, received: ['python', 'python', 'python'] });
  });
});

describeClients('java', 'a client in Java', (packages) => {
  it('connects with PKCS#12 as key store and trust store', async () => {
    const program = join(root, 'test/clients/Exported.java');
    const result = await publishing(['java', '-cp', join(packages, '*'), program, 'alice.p12', 'legacy.p12']);
    expect(result).toMatchObject({ code: 0, received: ['java', 'java'] });
  }, 60_000);

  it('is what keytool lists', async () => {
    for (const file of ['alice.p12', 'legacy.p12']) {
      const argv = ['keytool', '-list', '-keystore', file, '-storepass:file', 'password'];
      const { code, stdout } = await run(argv, { folder });
      expect(code).toBe(0);
      expect(stdout).toMatch(/^alice, .*PrivateKeyEntry/m);
      expect(stdout).toMatch(/trustedCertEntry/);
    }
  });
});

/** Validates each document of a YAML text, as `kubectl apply --dry-run=client` does. */
const validate = `
import sys, yaml, kubernetes_validate
for document in yaml.safe_load_all(sys.stdin):
    kubernetes_validate.validate(document, "1.37", strict=True)
    print(document["kind"])
`;

describeClients('python', 'for Kubernetes', (packages) => {
  const kindsOf = async (text: string) => {
    const { code, stdout, stderr } = await run(['python3', '-c', validate], {
      folder,
      input: text,
      environment: { PYTHONPATH: packages },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trim().split('\n');
  };

  it('exports a Secret that its schema accepts', async () => {
    const args = ['export', 'alice', '--dir', nats.dir, '--format', 'kubernetes', '--namespace', 'nats'];
    const { stdout } = await natspki(folder, [...args, '--out', '-']);
    expect(await kindsOf(stdout)).toEqual(['Secret']);
    await expect(kindsOf(stdout.replace('data:', 'dat:'))).rejects.toThrow();
  });

  it('shows a Deployment that its schema accepts, with the names of the Secret', async () => {
    const text = readFileSync(join(root, 'docs/examples/nats.yaml'), 'utf8');
    expect(await kindsOf(text)).toEqual(['ConfigMap', 'Service', 'Deployment']);
    const [configuration] = parseAllDocuments(text).map((document) => document.toJS());
    expect(readConfiguration({ text: configuration.data['nats.conf'] })).toMatchObject({
      tls: { cert_file: '/etc/nats-tls/tls.crt', key_file: '/etc/nats-tls/tls.key' },
    });
  });

  it('commits Secrets that its schema accepts, and renews only what is due', async () => {
    const repository = at('repository');
    mkdirSync(repository);
    const bin = at('bin');
    mkdirSync(bin);
    const launcher = `#!/bin/sh\nexec "${process.execPath}" "${root}/bin/run.js" "$@"\n`;
    writeFileSync(join(bin, 'natspki'), launcher, { mode: 0o755 });
    const environment = {
      PATH: [bin, process.env.PATH].join(delimiter),
      SEAL: 'cat',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.com',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.com',
    };
    const sh = (...argv: string[]) => run(argv, { folder: repository, environment });
    await sh('git', 'init', '--quiet');
    await natspki(repository, ['init', '--yes', '--host', 'localhost', '--client', 'bob']);
    await natspki(repository, ['issue', 'client', 'soon', '--days', '10']);
    const job = () => sh('sh', join(root, 'docs/examples/gitops.sh'));
    const committed = async () => (await sh('git', 'show', '--name-only', '--format=')).stdout;
    expect(await job()).toMatchObject({ code: 0, stderr: '' });
    const files = (await committed()).trim().split('\n');
    expect(files).toEqual(['bob', 'route', 'server', 'soon'].map((name) => `secrets/nats-${name}.yaml`));
    const texts = files.map((file) => readFileSync(join(repository, file), 'utf8'));
    expect(await kindsOf(texts.join('---\n'))).toEqual(['Secret', 'Secret', 'Secret', 'Secret']);
    expect((await job()).code).toBe(0);
    expect(await committed()).toBe('secrets/nats-soon.yaml\n');
  });
});
