// `natspki revoke --ca`: what it prints, asks and changes, and who gets in at a server that has restarted on its files.
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bin, natspki } from '../harness/process.ts';
import { startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { keys, TerminalSession } from '../support/terminal.ts';
import { contents } from '../support/tree.ts';

const scratch = testFolder('revoke-ca');
const made = join(scratch, 'made');

beforeAll(async () => {
  mkdirSync(made);
  const init = ['init', '--yes', '--host', 'localhost', '--client', 'alice'];
  expect(await natspki(made, init)).toMatchObject({ code: 0 });
});

describe('natspki revoke --ca', () => {
  it('prints the plan with --dry-run, and changes nothing without --yes or a terminal', async () => {
    const folder = freshCopy(made);
    const before = contents(folder);
    const { code, stdout } = await natspki(folder, ['revoke', '--ca', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^replace "natspki CA" by "natspki CA 2": nothing that the old key signs is trusted any more\nreissue {5}alice: /,
    );
    expect(await natspki(folder, ['revoke', '--ca'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'natspki: error: revoke --ca locks every peer out until it has its new files, and asks no questions here\n' +
        'natspki: hint: see the plan with --dry-run, then pass --yes\n',
    });
    for (const argv of [
      ['revoke', '--ca', 'alice'],
      ['revoke', '--ca', '--replaced'],
      ['revoke', '--ca-name', 'x', 'alice'],
      ['revoke'],
    ]) {
      expect(await natspki(folder, argv), argv.join(' ')).toMatchObject({ code: 2 });
    }
    expect(contents(folder)).toEqual(before);
  });

  it('replaces everything, says what each host needs in which order, and repeats that in a second run', async () => {
    const folder = freshCopy(made);
    expect(await natspki(folder, ['issue', 'server', 'n2', '--san', 'dns:n2.test'])).toMatchObject({
      code: 0,
    });
    expect(await natspki(folder, ['issue', 'client', 'away', '--out', 'elsewhere'])).toMatchObject({
      code: 0,
    });
    const { code, stdout, stderr } = await natspki(folder, ['revoke', '--ca', '--yes']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const steps = `next: give each host its files, in this order; until then it is locked out
  1. servers, all at the same time; restart them, since a reload keeps the connections that are open
     ./nats.conf (localhost): certs/ca.pem certs/server-cert.pem certs/server-key.pem
     n2 (n2.test): certs/ca.pem certs/n2-cert.pem certs/n2-key.pem
     route (localhost): certs/ca.pem certs/route-cert.pem certs/route-key.pem
  2. clients: replace the files and connect again
     alice: certs/ca.pem certs/alice-cert.pem certs/alice-key.pem
  3. certificates that are not in the folder: issue them again, or invite the member again
     away: certs/ca.pem
then: delete every copy of the old ca.pem, `;
    expect(stdout).toContain(steps);
    expect(await natspki(folder, ['verify'])).toMatchObject({ code: 0 });
    const again = await natspki(folder, ['revoke', '--ca']);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(/^done {4}"natspki CA 2" has replaced a stolen authority on /);
    expect(again.stdout).toContain(steps);
  });

  it('prints one document with --json, and updates pins', async () => {
    const folder = freshCopy(made);
    await natspki(folder, ['pin', 'certs/alice-cert.pem', '--add', 'nats.conf']);
    const { stdout } = await natspki(folder, ['revoke', '--ca', '--yes', '--json']);
    const { plan, certificates, handover, lists, pins, problems } = JSON.parse(stdout);
    expect(plan).toMatchObject({ distrusted: ['natspki CA'], authority: 'natspki CA 2' });
    expect(certificates).toHaveLength(4);
    expect(handover.map(({ order, host, action }: Record<string, unknown>) => [order, host, action])).toEqual(
      [
        [1, './nats.conf', 'restart'],
        [1, 'route', 'restart'],
        [2, 'alice', 'replace'],
      ],
    );
    expect(lists).toMatchObject([{ issuer: 'natspki CA 2', revoked: 0 }]);
    expect([pins.added.length, pins.removed.length, problems]).toEqual([1, 1, []]);
    const { pin } = certificates.find(({ name }: { name: string }) => name === 'alice');
    expect(readFileSync(join(folder, 'nats.conf'), 'utf8')).toContain(`pinned_certs: ["${pin}"]`);
  });

  it('asks on a terminal, where the first answer changes nothing', async () => {
    const folder = freshCopy(made);
    const before = contents(folder);
    const session = new TerminalSession(folder, ['revoke', '--ca']);
    await session.answer(/Replace "natspki CA" at once\?/, keys.enter);
    expect(await session.ended).toBe(1);
    expect(contents(folder)).toEqual(before);
  });
});

/** Returns whether a pair of a folder gets in, by the authority of the same folder. */
async function getsIn(port: number, folder: string): Promise<boolean> {
  const file = (name: string) => readFileSync(join(folder, 'certs', name));
  const pair = { cert: file('alice-cert.pem'), key: file('alice-key.pem') };
  try {
    const wire = await Wire.open(port, { tls: { ca: file('ca.pem'), ...pair, host: 'localhost' } });
    await wire.drain('CONNECT {"verbose":false}\r\n');
    wire.end();
    return true;
  } catch {
    return false;
  }
}

function locksOut(server: readonly string[]): void {
  it('rejects the old client and is rejected by it, after a restart, and lets the new one in', async () => {
    const folder = freshCopy(made);
    const old = freshCopy(made);
    const half = freshCopy(made);
    expect(await natspki(folder, ['revoke', '--ca', '--yes'])).toMatchObject({ code: 0 });
    // The old pair, which trusts the new server.
    cpSync(join(folder, 'certs/ca.pem'), join(half, 'certs/ca.pem'));
    const running = await startProcess([...server, '-c', 'nats.conf', '-a', '127.0.0.1', '-p', '-1'], folder);
    try {
      const admitted = [];
      for (const each of [folder, old, half]) admitted.push(await getsIn(running.port, each));
      expect(admitted).toEqual([true, false, false]);
    } finally {
      await running.stop();
    }
  });
}

describePeer('nats-server', 'nats-server after natspki revoke --ca', (nats) => {
  locksOut([nats]);
});

describe('the bundled broker after natspki revoke --ca', () => {
  locksOut([process.execPath, bin, 'broker']);
});
