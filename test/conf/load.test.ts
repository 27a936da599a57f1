import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfFile, readConfFileToEdit } from '../../src/conf/file.ts';
import { loadConf } from '../../src/conf/parser.ts';
import { plain } from '../support/conf-values.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'natspki-conf-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('loadConf', () => {
  it('lists the file and all its includes, nested ones too', () => {
    mkdirSync(join(folder, 'sub'));
    const path = write('nats.conf', 'include sub/tls.conf\nport: 4222');
    write('sub/tls.conf', 'tls { include pins.conf }');
    write('sub/pins.conf', 'pinned_certs: []');
    const { root, files } = loadConf(path);
    expect(plain(root)).toEqual({ tls: { pinned_certs: [] }, port: 4222n });
    expect(files).toEqual([path, join(folder, 'sub/tls.conf'), join(folder, 'sub/pins.conf')]);
  });

  it('names a missing file, and the position of the include for a missing included file', () => {
    const path = write('nats.conf', '\n  include /etc/gone.conf');
    const gone = join(folder, 'gone.conf');
    expect(() => loadConf(gone)).toThrow(`"${gone}" does not exist`);
    expect(() => loadConf(path)).toThrow(
      expect.objectContaining({
        message: `${path}:2:3: cannot include: "${join(folder, 'etc/gone.conf')}" does not exist`,
        hint: 'the name is relative to the folder of this file, even with a leading /',
      }),
    );
  });

  it('resolves variables from the environment of the process', () => {
    process.env.NATSPKI_TEST_PORT = '4333';
    try {
      expect(plain(loadConf(write('a.conf', 'port: $NATSPKI_TEST_PORT')).root)).toEqual({ port: 4333n });
    } finally {
      delete process.env.NATSPKI_TEST_PORT;
    }
  });
});

describe('configuration files', () => {
  it('reads a file with bytes that are not UTF-8, but does not allow it to be edited', () => {
    const path = write('a.conf', Buffer.from('# gr\xfc\xdfe\na: 1\n', 'latin1'));
    expect(readConfFile(path)).toBe('# gr\ufffd\ufffde\na: 1\n');
    expect(() => readConfFileToEdit(path)).toThrow(
      `${path} is not UTF-8, so it cannot be edited without loss`,
    );
  });

  it('keeps the byte order mark and line endings of a file that is read for editing', () => {
    expect(readConfFileToEdit(write('a.conf', '\ufeffa: é\r\n'))).toBe('\ufeffa: é\r\n');
  });

  it('limits a configuration file to 4 MiB', () => {
    const size = 4 * 1024 * 1024;
    expect(readConfFile(write('a.conf', '#'.repeat(size)))).toHaveLength(size);
    expect(() => readConfFile(write('b.conf', '#'.repeat(size + 1)))).toThrow('is larger than 4194304 bytes');
  });
});
