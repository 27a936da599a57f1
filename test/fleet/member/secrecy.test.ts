// What leaves the host of a member, and what is written where: a proxy reads every byte between the member and the authority,
// the server keeps what it decrypts, and every file of both sides is searched.

import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { enrol } from '../../../src/fleet/member/enroll.ts';
import { Member } from '../../../src/fleet/member/member.ts';
import { readPair } from '../../../src/fleet/member/pair.ts';
import { decodeToken } from '../../../src/fleet/token.ts';
import { memberFolder, serveEst, testFleet } from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';
import { decoded, formsOf, secretsOf } from '../../support/secrets.ts';

const scratch = testFolder('secrecy');
const { signal } = new AbortController();

/** Forwards connections to a port and keeps every byte, in both directions. */
async function reading(port: number): Promise<{ port: number; bytes: Buffer[]; server: Server }> {
  const bytes: Buffer[] = [];
  const server = createServer((near: Socket) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => bytes.push(chunk)).on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, bytes, server };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile());
}

describe('an enrolment and renewals over EST', () => {
  it('show a proxy neither a key nor the secret of the token, and leave keys only where they belong', async () => {
    const fleet = await testFleet(scratch, []);
    const server = await serveEst(fleet);
    const proxy = await reading(server.port);
    const url = `https://localhost:${proxy.port}`;
    const token = decodeToken(await fleet.token('web-1', { urls: [url] }));
    const directory = memberFolder(scratch);
    await enrol({ directory, token, signal });
    const keys = [(await readPair(directory, 'web-1')).key];
    for (let i = 0; i < 2; i++) {
      const member = await Member.open({ directory });
      expect((await member.renew(['web-1'], signal)).failures).toEqual([]);
      keys.push((await readPair(directory, 'web-1')).key);
    }
    proxy.server.close();
    await server.close();

    const passed = Buffer.concat(proxy.bytes).toString('latin1');
    const secrets = keys.flatMap(secretsOf);
    expect(passed.length).toBeGreaterThan(10_000);
    // The server is given the secret of the token, and no key.
    const heard = decoded(server.heard);
    for (const form of [...secrets, ...formsOf(token.secret)]) expect(passed).not.toContain(form);
    for (const form of secrets) expect(heard).not.toContain(form);

    const ofAuthority = filesBelow(fleet.directory.path).map((file) => readFileSync(file, 'latin1'));
    for (const form of [...secrets, ...formsOf(token.secret)]) {
      expect(ofAuthority.some((text) => decoded([text]).includes(form))).toBe(false);
    }
    const { files, key } = await readPair(directory, 'web-1');
    // The search finds a key where there is one.
    expect(decoded([readFileSync(files.keyFile, 'latin1')])).toContain(secretsOf(key)[0]);
    for (const file of filesBelow(directory.path)) {
      const text = decoded([readFileSync(file, 'latin1')]);
      for (const form of formsOf(token.secret)) expect(text, file).not.toContain(form);
      const hasKey = readFileSync(file, 'latin1').includes('PRIVATE KEY');
      const mayHaveKey = file === files.keyFile || /\/archive\/.*-key\.pem$/.test(file);
      expect([file, hasKey]).toEqual([file, mayHaveKey]);
      if (hasKey) expect(statSync(file).mode & 0o077, file).toBe(0);
    }
  });
});
