// Lame duck mode: the server announces it, rejects new connections, and closes its clients after the grace period.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { conformance } from './suite.ts';

conformance('lame duck mode', 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"', (suite) => {
  it('notifies clients, serves them for the grace period, rejects new connections and closes', async () => {
    const informed = await suite.connect({ protocol: 1 });
    await informed.nextInfo();
    const simple = await suite.connect({ protocol: 0 });
    const s = suite.subject();
    simple.send(`SUB ${s} 1\r\n`);
    await simple.receives('');

    suite.server.lameDuck();

    expect(await informed.nextInfo()).toMatchObject({ ldm: true, server_id: simple.info.server_id });
    expect(informed.info).not.toHaveProperty('connect_urls');
    informed.send(`PUB ${s} 1\r\nx\r\n`);
    await informed.receives('');
    await simple.receives(`MSG ${s} 1 1\r\nx\r\n`); // and no INFO, which it could not read

    const late = connect({ port: suite.server.port, host: '127.0.0.1' });
    const [refusal] = await once(late, 'error');
    expect(refusal).toMatchObject({ code: 'ECONNREFUSED' });

    await informed.closes('');
    await simple.closes('');
  });
});

const withSystemUser = `
lame_duck_duration: "30s"
lame_duck_grace_period: "500ms"
system_account: SYS
accounts { SYS { users: [{ user: sys, password: pw }] } }
`;

conformance('lame duck mode in the system account', withSystemUser, (suite) => {
  it('is announced under the id of the server', async () => {
    const watcher = await suite.connect({ user: 'sys', pass: 'pw' });
    watcher.send('SUB $SYS.SERVER.*.LAMEDUCK 1\r\n');
    await watcher.receives('');
    suite.server.lameDuck();
    const { server_id: id } = watcher.info;
    const [, subject, , ...rest] = (await watcher.line()).split(' ');
    expect(subject).toBe(`$SYS.SERVER.${id}.LAMEDUCK`);
    expect(JSON.parse(await watcher.bytes(Number(rest.at(-1))))).toMatchObject({ id, host: '127.0.0.1' });

    // Other servers take one that says how it does for one to connect to.
    watcher.send('SUB inbox 2\r\nSUB $SYS.SERVER.*.STATSZ 3\r\n');
    watcher.send('PUB $SYS.REQ.SERVER.PING 0\r\n\r\nPUB $SYS.REQ.SERVER.PING.IDZ inbox 0\r\n\r\n');
    await watcher.line();
    if (suite.has('speaks-in-lame-duck')) expect(await watcher.line()).toMatch(/^MSG inbox 2 +\d+$/);
    else expect(await watcher.closed()).toBe('');
  });
});
