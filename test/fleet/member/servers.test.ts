// A member renews the pair of a nats-server that runs: it is told to reload, and looked at.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Member, type MemberOptions } from '../../../src/fleet/member/member.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { type ServerProcess, startProcess } from '../../harness/server.ts';
import { copyOf, directLink, type TestFleet, testFleet } from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';
import { describePeer } from '../../support/peers.ts';
import { leafOf } from '../../support/pki.ts';

const { signal } = new AbortController();

describePeer('nats-server', 'the nats-server of a member', (bin) => {
  const scratch = testFolder('member-servers');
  let fleet: TestFleet;
  let directory: PkiDirectory;
  let server: ServerProcess;

  beforeAll(async () => {
    fleet = await testFleet(scratch, []);
    directory = copyOf(fleet.directory, 'server', scratch);
    const { certificateFile, keyFile } = directory.pair('server');
    const configuration = `listen: "127.0.0.1:-1"
tls { cert_file: "${certificateFile}", key_file: "${keyFile}", ca_file: "${directory.authorityFile}" }
`;
    writeFileSync(`${scratch}/nats.conf`, configuration);
    server = await startProcess([bin, '-c', 'nats.conf'], scratch);
  });
  afterAll(() => server?.stop());

  async function renew(options: Partial<MemberOptions>) {
    const links = () => [directLink(fleet)];
    const verify = `tls://127.0.0.1:${server.port}`;
    const from = ['nats://localhost'];
    const member = await Member.open({ directory, from, links, verify, ...options });
    return member.renew(['server'], signal);
  }

  it('serves the new pair at once', async () => {
    const { failures, reloaded, served } = await renew({ reload: [String(server.pid)] });
    expect(failures).toEqual([]);
    expect(reloaded).toEqual([server.pid]);
    expect(served).toEqual([
      { address: '127.0.0.1', name: 'server', serial: leafOf(directory, 'server').serial },
    ]);
  });

  it('keeps its old pair when it does not take the new one, which the next attempt brings again', async () => {
    const { serial } = leafOf(directory, 'server');
    const { certificates, failures } = await renew({});
    expect(certificates).toEqual([]);
    expect(failures.map(({ error }) => error.code)).toEqual(['not-served']);
    expect(leafOf(directory, 'server').serial).toBe(serial);
    const issued = fleet.authority.index.newest.get('server')?.serial;
    const again = await renew({ reload: [String(server.pid)] });
    expect(again.failures).toEqual([]);
    expect(leafOf(directory, 'server').serial).toBe(issued);
  });

  it('is told by every `reload`; one that is missing leaves the new pair in place and the rest for the next run', async () => {
    const reload = [String(server.pid), '4194304'];
    const { certificates, failures } = await renew({ reload });
    expect(certificates).toHaveLength(1);
    expect(failures.map(({ error }) => error.code)).toEqual(['no-process']);
    expect(leafOf(directory, 'server').serial).toBe(certificates[0]?.serial);
    const links = () => [directLink(fleet)];
    const next = await Member.open({ directory, links, reload: [String(server.pid)] });
    expect((await next.renew([], signal)).reloaded).toEqual([server.pid]);
    expect((await next.renew([], signal)).reloaded).toEqual([]);
  });
});
