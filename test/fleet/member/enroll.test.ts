// A host exchanges its token for a certificate, over HTTPS with the servers that it may meet.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withdraw } from '../../../src/fleet/authority/invite.ts';
import { type EnrolOptions, enrol } from '../../../src/fleet/member/enroll.ts';
import { Member } from '../../../src/fleet/member/member.ts';
import { readMemberFile } from '../../../src/fleet/member/member-file.ts';
import { decodeToken } from '../../../src/fleet/token.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { decodePrivateKey } from '../../../src/x509/key.ts';
import { spkiPin } from '../../../src/x509/pin.ts';
import { type EstServer, memberFolder, serveEst, type TestFleet, testFleet } from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';

const scratch = testFolder('enroll');
let fleet: TestFleet;
let server: EstServer;

beforeAll(async () => {
  fleet = await testFleet(scratch, ['https://localhost:1']);
  server = await serveEst(fleet);
});
afterAll(() => server.close());

const { signal } = new AbortController();
const run = async (token: string, options: Partial<EnrolOptions> = {}) =>
  enrol({ directory: memberFolder(scratch), token: decodeToken(token), signal, ...options });
const token = (name: string, urls = [server.url]) => fleet.token(name, { urls });

describe('enrol', () => {
  it('makes the key on the host and writes a folder in which nothing is wrong', async () => {
    const directory = memberFolder(scratch);
    const { certificate } = await run(await token('web-1'), { directory });
    expect(certificate).toMatchObject({ name: 'web-1', profile: 'client', keyType: 'p256' });
    expect(readFileSync(directory.authorityFile)).toEqual(readFileSync(fleet.directory.authorityFile));
    expect(statSync(directory.keyFile('web-1')).mode & 0o777).toBe(0o600);
    expect(await verifyDirectory(directory)).toEqual([]);
    expect(await readMemberFile(directory)).toEqual({ from: [server.url], counter: expect.any(Number) });
    expect(readdirSync(directory.stateFile('enrolling'))).toEqual([]);
    const key = decodePrivateKey(readFileSync(directory.keyFile('web-1')), 'key');
    expect(fleet.authority.index.newest.get('web-1')?.pin).toBe(spkiPin(key));
  });

  it('goes on with the same key when the answer was lost, and the authority has issued it once', async () => {
    const directory = memberFolder(scratch);
    const word = await token('web-2');
    const before = fleet.authority.index.newest.size;
    const lossy = await serveEst(fleet, { answers: async (path) => !path.endsWith('simpleenroll') });
    const lost = { ...decodeToken(word), urls: [lossy.url] };
    await expect(enrol({ directory, token: lost, signal })).rejects.toMatchObject({ code: 'unreachable' });
    await lossy.close();
    const { certificate } = await run(word, { directory, keyType: 'p384' });
    expect(certificate.keyType).toBe('p256');
    expect(fleet.authority.index.newest.size).toBe(before + 1);
    expect(fleet.authority.index.newest.get('web-2')?.serial).toBe(certificate.serial);
  });

  it('changes nothing when it is run again with the token that it was enrolled with', async () => {
    const directory = memberFolder(scratch);
    const word = await token('again');
    const first = await run(word, { directory });
    const second = await run(word, { directory });
    expect([first.repeated, second.repeated]).toEqual([false, true]);
    expect(second.certificate.serial).toBe(first.certificate.serial);
  });

  it('trusts the root alone where an intermediate signs, and renews while the key of the root is away', async () => {
    const below = await testFleet(scratch, [], {}, { intermediate: { days: 1000 } });
    rmSync(below.directory.authorityKeyFile);
    const other = await serveEst(below);
    const directory = memberFolder(scratch);
    await run(await below.token('deep', { urls: [other.url] }), { directory });
    expect(await directory.readBundle()).toHaveLength(1);
    expect(await directory.readChain('deep')).toHaveLength(2);
    const { failures } = await (await Member.open({ directory })).renew(['deep'], signal);
    await other.close();
    expect(failures).toEqual([]);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('takes the next URL when one does not answer', async () => {
    const { certificate } = await run(await token('web-3', ['https://localhost:1', server.url]));
    expect(certificate.name).toBe('web-3');
  });

  it('enrols a second name into the same folder, and replaces a pair for a token of `invite --again`', async () => {
    const directory = memberFolder(scratch);
    await run(await token('a-1'), { directory });
    await run(await token('a-2'), { directory });
    const first = readFileSync(directory.certificateFile('a-1'));
    await run(await fleet.token('a-1', { urls: [server.url], again: true }), { directory });
    expect(readFileSync(directory.certificateFile('a-1'))).not.toEqual(first);
    const archived = await directory.lastArchived('a-1');
    expect(readFileSync(archived?.certificateFile as string)).toEqual(first);
  });
});

describe('a token', () => {
  const codeOf = async (work: Promise<unknown>) => work.catch((error) => error.code);

  it('is refused when it is used by another host, withdrawn or expired, each with its reason', async () => {
    const used = await token('used');
    await run(used);
    await expect(run(used)).rejects.toThrow('the invitation was already used');
    const withdrawn = await token('withdrawn');
    await withdraw({ directory: fleet.directory, id: decodeToken(withdrawn).id });
    await expect(run(withdrawn)).rejects.toThrow('the invitation was withdrawn');
    const past = { now: () => new Date(Date.now() - 86_400_000) };
    const expired = await fleet.token('expired', { urls: [server.url], ...past });
    await expect(run(expired)).rejects.toThrow('the invitation has expired');
  });

  it('lets one of two hosts in that use it at the same moment', async () => {
    const word = await token('twice');
    const outcomes = await Promise.allSettled([run(word), run(word)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('of another authority is not sent to the server that answers', async () => {
    const foreign = await testFleet(scratch, [server.url]);
    const word = await foreign.token('eve');
    const { secret } = decodeToken(word);
    server.heard.length = 0;
    expect(await codeOf(run(word))).toBe('untrusted-authority');
    const heard = server.heard.join('\n');
    expect(heard).not.toContain('authorization');
    expect(heard).not.toContain(secret.toString('base64url'));
  });

  it('is not sent to a server that names the pinned root without being of it', async () => {
    const foreign = await testFleet(scratch, []);
    const { directory } = fleet;
    // Answers with the roots of the other fleet, over its own TLS.
    const liar = await serveEst({ ...fleet, directory: foreign.directory });
    expect(directory.path).not.toBe(foreign.directory.path);
    expect(await codeOf(run(await token('lied-to', [liar.url])))).toBe('untrusted-authority');
    expect(liar.heard.join('\n')).not.toContain('authorization');
    await liar.close();
  });

  it('is not sent to a host for which the certificate of the server is not', async () => {
    const elsewhere = await serveEst(fleet, { host: '127.0.0.2' });
    const url = elsewhere.url.replace('localhost', '127.0.0.2');
    await expect(run(await token('elsewhere', [url]))).rejects.toMatchObject({ code: 'untrusted-authority' });
    expect(elsewhere.heard.join('\n')).not.toContain('authorization');
    await elsewhere.close();
  });

  it('is kept for another folder when this one trusts another authority', async () => {
    const foreign = await testFleet(scratch, []);
    const other = await serveEst(foreign);
    const directory = memberFolder(scratch);
    await run(await foreign.token('here', { urls: [other.url] }), { directory });
    await other.close();
    const word = await token('both');
    expect(await codeOf(run(word, { directory }))).toBe('other-authority');
    expect((await run(word)).certificate.name).toBe('both');
  });

  it('is refused in the folder of the authority', async () => {
    expect(await codeOf(run(await token('own'), { directory: fleet.directory }))).toBe('authority-exists');
  });

  it('made between two steps of `rotate --ca` works before, between and after the other steps', async () => {
    const replaced = await testFleet(scratch, []);
    const { directory } = replaced;
    await startRollover({ directory });
    await replaced.authority.refresh();
    const words = [];
    for (const name of ['late-1', 'late-2', 'late-3']) {
      words.push(await replaced.token(name, { urls: [server.url] }));
    }
    const enrolOn = async (word: string | undefined) => {
      const late = await serveEst(replaced);
      const member = memberFolder(scratch);
      const lateToken = { ...decodeToken(word ?? ''), urls: [late.url] };
      await enrol({ directory: member, token: lateToken, signal }).finally(() => late.close());
      expect(await verifyDirectory(member)).toEqual([]);
      expect((await member.readBundle())[0]).toEqual((await directory.readBundle())[0]);
    };
    // The pair of the server is still of the old root.
    await enrolOn(words[0]);
    await rotateLeaves({ directory });
    await enrolOn(words[1]);
    await finishRollover({ directory });
    await replaced.authority.refresh();
    await enrolOn(words[2]);
  });

  it('brings both roots while the authority is being replaced', async () => {
    const replaced = await testFleet(scratch, []);
    const word = await replaced.token('late', { urls: [server.url] });
    await startRollover({ directory: replaced.directory });
    await replaced.authority.refresh();
    // The pair of the server is still of the old root, which the token names.
    const late = await serveEst(replaced);
    const directory = memberFolder(scratch);
    await enrol({ directory, token: { ...decodeToken(word), urls: [late.url] }, signal });
    await late.close();
    expect(await directory.readBundle()).toHaveLength(2);
    expect(await verifyDirectory(directory)).toEqual([]);
  });
});
