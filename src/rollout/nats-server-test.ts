// Tests a configuration with the real nats-server, if it is installed (`nats-server -t`).

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NatspkiError } from '../errors.ts';
import { writeFileAtomic } from '../files/files.ts';

/**
 * Tests a text as the content of `file`; includes and relative paths resolve as they will there.
 * Returns false when nats-server is not found (NATS_SERVER_BIN, else PATH); throws `nats-server-refuses`.
 */
export async function testWithNatsServer(file: string, text: string): Promise<boolean> {
  const draft = join(dirname(file), `.natspki-${process.pid}.conf`);
  await writeFileAtomic(draft, text, { mode: 0o600 });
  try {
    return await test(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}

function test(draft: string, file: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile(process.env.NATS_SERVER_BIN || 'nats-server', ['-t', '-c', draft], (error, stdout, stderr) => {
      if (error === null) resolve(true);
      else if (error.code === 'ENOENT') resolve(false);
      else {
        const output = `${stdout}${stderr}`
          .trim()
          .replaceAll(draft, file)
          .replace(/^nats-server: /gm, '');
        reject(
          new NatspkiError('nats-server-refuses', `nats-server rejects it: ${output}`, { cause: error }),
        );
      }
    });
  });
}
