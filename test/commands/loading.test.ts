// Which commands load the packages that sign: they take longer to load than a small command to run.
import { beforeAll, describe, expect, it } from 'vitest';
import { natspki } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { loadedModules, signingModules } from '../support/loaded-modules.ts';

const folder = testFolder('loading');
beforeAll(async () => {
  expect((await natspki(folder, ['init', '--yes', '--host', 'localhost'])).code).toBe(0);
});

describe('the packages that sign', () => {
  it.each([
    ['pin', 'certs/server-cert.pem'],
    ['list'],
    ['inspect', 'certs/ca.pem'],
    ['verify'],
    ['check', 'nats.conf'],
    ['tls', 'client'],
    ['rotate', '--dry-run'],
    ['revoke', 'client', '--dry-run'],
    ['broker', '-c', 'nats.conf', '-t'],
    // A start that comes as far as its certificates and ends by itself.
    ['broker', '-p', '-1', '--tls', '--tlscert', 'none.pem', '--tlskey', 'none.key'],
    ['issue', '--help'],
  ])('are not loaded by natspki %s %s', async (...args) => {
    const modules = await loadedModules(folder, args);
    expect(modules.some((url) => url.includes('/dist/'))).toBe(true);
    expect(signingModules(modules)).toEqual([]);
  });

  it.each([
    ['issue', 'client', 'alice'],
    ['rotate', 'client'],
  ])('are loaded by natspki %s %s', async (...args) => {
    expect(signingModules(await loadedModules(folder, args))).not.toEqual([]);
  });
});
