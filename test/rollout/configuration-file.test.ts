// Edits of a configuration file in place, by one process or by many at the same time.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addPins, writeTlsBlock } from '../../src/rollout/configuration-file.ts';
import type { Pin } from '../../src/x509/pin.ts';
import { run } from '../harness/process.ts';
import { builtModule } from '../support/built.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('configuration-file');
const pin = (n: number) => n.toString(16).padStart(64, '0') as Pin;

function configuration(text: string): string {
  const file = join(mkdtempSync(join(scratch, 'conf-')), 'nats.conf');
  writeFileSync(file, text);
  return file;
}

describe('addPins', () => {
  it('loses no pin when many processes add pins to the same file at the same time', async () => {
    const file = configuration('tls {\n  cert_file: a\n}\n');
    const module = JSON.stringify(builtModule('src/rollout/configuration-file.js'));
    const script = (n: number) =>
      `const { addPins } = await import(${module});
      for (let i = 0; i < 5; i++) await addPins(${JSON.stringify(file)}, 'client', [String(i * 10 + ${n}).padStart(64, '0')]);`;
    const results = await Promise.all(
      [0, 1, 2, 3].map((n) => run([process.execPath, '--input-type=module', '-'], { input: script(n) })),
    );
    expect(results.map(({ stderr }) => stderr)).toEqual(['', '', '', '']);
    expect(new Set(readFileSync(file, 'utf8').match(/[0-9]{64}/g))).toHaveLength(20);
    expect(readdirSync(join(file, '..'))).toEqual(['nats.conf']);
  });

  it('does not write the file when all pins are already present', async () => {
    const file = configuration(`tls {\n  pinned_certs: ["${pin(1)}"]\n}\n`);
    const script = `const { addPins } = await import(${JSON.stringify(builtModule('src/rollout/configuration-file.js'))});
      process.setuid?.(65534);
      console.log((await addPins(${JSON.stringify(file)}, 'client', ['${pin(1)}'])).length);`;
    for (const folder of [scratch, join(file, '..')]) chmodSync(folder, 0o755);
    expect(await run([process.execPath, '--input-type=module', '-'], { input: script })).toEqual({
      code: 0,
      stdout: '0\n',
      stderr: '',
    });
  });

  it('returns only the pins that it has added', async () => {
    const file = configuration(`tls {\n  pinned_certs: ["${pin(10).toUpperCase()}"]\n}\n`);
    expect(await addPins(file, 'client', [pin(10), pin(11), pin(11)])).toEqual([pin(11)]);
  });
});

describe('writeTlsBlock', () => {
  it('does not write the file when the check of the new text throws', async () => {
    const file = configuration('port: 4222\n');
    const refuse = async () => {
      throw new Error('refused');
    };
    const edit = { context: 'client', block: 'tls {\n}\n', isOption: () => true, check: refuse } as const;
    await expect(writeTlsBlock(file, edit)).rejects.toThrow('refused');
    expect(readFileSync(file, 'utf8')).toBe('port: 4222\n');
  });
});
