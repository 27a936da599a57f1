// The decisions of a fleet's authority, in a folder of its own for each test.
import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { FleetAuthority, type FleetOptions } from '../../../src/fleet/authority/authority.ts';
import { invite, withdraw } from '../../../src/fleet/authority/invite.ts';
import type { Decision, Granted, Refused } from '../../../src/fleet/decision.ts';
import { decodeToken, newSecret } from '../../../src/fleet/token.ts';
import { finishRollover, membersUnderWay, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { planRotation, rotateLeaves, stalePins } from '../../../src/pki/rotate/rotate.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { type Certificate, readCertificates } from '../../../src/x509/certificate.ts';
import { generateKey } from '../../../src/x509/key.ts';
import { formatSan, parseSan } from '../../../src/x509/name.ts';
import { makeRequest } from '../../../src/x509/sign.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('fleet');
const dayMs = 86_400_000;
const logger = { info: () => {}, warn: () => {}, error: () => {} };

let directory: PkiDirectory;
let fleet: FleetAuthority;
let now: Date;

const open = (options: Partial<FleetOptions> = {}) =>
  FleetAuthority.open({ directory, logger, now: () => now, ...options });

beforeEach(async () => {
  directory = await madeDirectory(scratch);
  now = new Date();
  fleet = await open();
});

interface Holder {
  readonly key: KeyObject;
  readonly request: Buffer;
}

async function holder(name = 'web-1', sans: string[] = []): Promise<Holder> {
  const key = await generateKey('p256');
  return { key, request: await makeRequest({ commonName: name, sans: sans.map(parseSan) }, key) };
}

async function token(name = 'web-1', options: Partial<Parameters<typeof invite>[0]> = {}) {
  const { token: word } = await invite({
    directory,
    name,
    profile: 'client',
    urls: ['https://localhost:8443'],
    now: () => now,
    ...options,
  });
  return decodeToken(word);
}

async function enrol(name = 'web-1', options: Partial<Parameters<typeof invite>[0]> = {}): Promise<Granted> {
  const { request } = await holder(name);
  return given(await fleet.enroll({ ...(await token(name, options)), request, peer: 'test' }));
}

function renew(chain: string | Certificate, request: Buffer, by = fleet): Promise<Decision> {
  const certificates = typeof chain === 'string' ? readCertificates(Buffer.from(chain), 'chain') : [chain];
  return by.renew({ chain: certificates.map(({ der }) => der), request, transport: 'est', peer: 'test' });
}

function given(decision: Decision): Granted {
  if (!decision.granted) throw new Error(`refused: ${decision.code}, ${decision.reason}`);
  return decision;
}

function refused(decision: Decision): Refused {
  if (decision.granted) throw new Error('granted');
  return decision;
}

const leaf = ({ chain }: Granted) => readCertificates(Buffer.from(chain), 'chain')[0];
const ledgerLines = () => readFileSync(directory.ledger.file, 'utf8').split('\n').length - 1;

describe('enrolment', () => {
  it('gives the names, profile and life of the invitation, whatever the request asks for', async () => {
    const { request } = await holder('root', ['dns:admin']);
    const invited = await token('web-1', { days: 30 });
    const decision = given(await fleet.enroll({ ...invited, request, peer: 'test' }));
    const certificate = leaf(decision);
    expect(certificate.commonName).toBe('web-1');
    expect(certificate.sans.map(formatSan)).toEqual(['dns:web-1']);
    expect(certificate.extendedKeyUsage).toEqual(['clientAuth']);
    expect(certificate.authority).toBe(false);
    expect(Math.round((certificate.notAfter.getTime() - now.getTime()) / dayMs)).toBe(30);
    expect(decision.renewAt < decision.notAfter && decision.renewAt > now).toBe(true);
  });

  it('lets one of two requests in when a token is used twice at the same moment', async () => {
    const invited = await token();
    const requests = await Promise.all([holder(), holder()]);
    const decisions = await Promise.all(
      requests.map(({ request }) => fleet.enroll({ ...invited, request, peer: 'test' })),
    );
    expect(decisions.filter(({ granted }) => granted)).toHaveLength(1);
    expect(decisions.flatMap((each) => (each.granted ? [] : each.code))).toEqual(['invitation-used']);
  });

  it('lets one in when two authorities on one folder get the same token at the same moment', async () => {
    const invited = await token();
    const other = await open();
    const requests = await Promise.all([holder(), holder()]);
    const decisions = await Promise.all(
      [fleet, other].map((by, i) =>
        by.enroll({ ...invited, request: (requests[i] as Holder).request, peer: 'test' }),
      ),
    );
    expect(decisions.filter(({ granted }) => granted)).toHaveLength(1);
  });

  it('gives the same certificate again for the same key, and records it once', async () => {
    const invited = await token();
    const { request } = await holder();
    const first = given(await fleet.enroll({ ...invited, request, peer: 'test' }));
    const lines = ledgerLines();
    const again = given(await (await open()).enroll({ ...invited, request, peer: 'test' }));
    expect(again).toMatchObject({ serial: first.serial, chain: first.chain, repeated: true });
    expect(ledgerLines()).toBe(lines);
  });

  it('does not tell an unknown id from a wrong secret', async () => {
    const invited = await token();
    const { request } = await holder();
    const { id, secret } = newSecret();
    const answers = [
      await fleet.enroll({ ...invited, secret, request, peer: 'test' }),
      await fleet.enroll({ ...invited, id, request, peer: 'test' }),
    ].map((decision) => refused(decision));
    expect(new Set(answers.map(({ answer, code }) => `${code} ${answer}`)).size).toBe(1);
    expect(new Set(answers.map(({ reason }) => reason)).size).toBe(2);
  });

  it('refuses a token that expired or was withdrawn', async () => {
    const { request } = await holder();
    const late = await token('late', { ttlMs: 1000 });
    const taken = await token('taken');
    await withdraw({ directory, id: taken.id, now: () => now });
    now = new Date(now.getTime() + 2000);
    expect(refused(await fleet.enroll({ ...late, request, peer: 'test' })).code).toBe('invitation-expired');
    expect(refused(await fleet.enroll({ ...taken, request, peer: 'test' })).code).toBe(
      'invitation-withdrawn',
    );
  });

  it('refuses a request that is unsigned, not DER, or has a weak key', async () => {
    const invited = await token();
    const { request } = await holder();
    const forged = Buffer.from(request);
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    const codes = [];
    for (const wrong of [forged, Buffer.from('hello'), Buffer.alloc(0), request.subarray(0, 60)]) {
      codes.push(refused(await fleet.enroll({ ...invited, request: wrong, peer: 'test' })).code);
    }
    expect(codes).toEqual(['bad-request-signature', ...Array(3).fill('damaged-request')]);
    expect(given(await fleet.enroll({ ...invited, request, peer: 'test' })).name).toBe('web-1');
  });
});

describe('renewal', () => {
  it('gives exactly what the ledger has for the name, for a new key', async () => {
    const first = await enrol('web-1', { days: 20, sans: [parseSan('dns:web-1.example.com')] });
    now = new Date(now.getTime() + 15 * dayMs);
    const { request } = await holder('root', ['dns:admin']);
    const second = given(await renew(first.chain, request));
    const [before, after] = [leaf(first), leaf(second)];
    expect(after.subjectDer).toEqual(before.subjectDer);
    expect(after.sans).toEqual(before.sans);
    expect(after.extendedKeyUsage).toEqual(before.extendedKeyUsage);
    expect(after.pin).not.toBe(before.pin);
    expect(Math.round((after.notAfter.getTime() - now.getTime()) / dayMs)).toBe(20);
  });

  it('renews a pair that was issued in the folder and copied to its host', async () => {
    const { request } = await holder();
    const decision = given(await renew(leafOf(directory, 'client'), request));
    expect(leaf(decision).sans).toEqual(leafOf(directory, 'client').sans);
  });

  it('gives the same certificate again when the member asks again with the same key', async () => {
    const first = await enrol();
    const { key, request } = await holder();
    const second = given(await renew(first.chain, request));
    const lines = ledgerLines();
    // A new signature over the same key, as after a crash of the member.
    const again = await makeRequest({ commonName: 'web-1', sans: [] }, key);
    const third = given(await renew(first.chain, again, await open()));
    expect(third).toMatchObject({ serial: second.serial, chain: second.chain, repeated: true });
    expect(ledgerLines()).toBe(lines);
    expect(given(await renew(second.chain, (await holder()).request)).repeated).toBe(false);
  });

  it('reports a copied key when a renewed certificate asks again with another key', async () => {
    const first = await enrol();
    given(await renew(first.chain, (await holder()).request));
    const decision = refused(await renew(first.chain, (await holder()).request));
    expect(decision.code).toBe('renewed-twice');
    expect(decision.reason).toContain(`renewed twice from serial ${first.serial}`);
    expect(fleet.tally.copied.map(({ name }) => name)).toEqual(['web-1']);
    expect((await open()).tally.copied.map(({ name }) => name)).toEqual(['web-1']);
  });

  it('lets a member back in by `invite --again`, and locks out the one that has its old key', async () => {
    const first = await enrol();
    const thief = given(await renew(first.chain, (await holder()).request));
    await expect(token('web-1')).rejects.toMatchObject({ code: 'certificate-exists' });
    const back = await enrol('web-1', { again: true });
    expect(refused(await renew(thief.chain, (await holder()).request)).code).toBe('superseded');
    expect(given(await renew(back.chain, (await holder()).request)).name).toBe('web-1');
  });

  it('refuses a certificate that is expired, revoked, or of another authority, with a reason for each', async () => {
    const short = await enrol('short', { days: 1 });
    const gone = await enrol('gone');
    const revocation = { time: now.toISOString(), revoked: gone.serial, name: 'gone' };
    await directory.exclusive(() => directory.write({ entries: [revocation] }, now));
    const foreign = await madeDirectory(scratch);
    const { request } = await holder();
    now = new Date(now.getTime() + 1.5 * dayMs);
    const codes = [
      refused(await renew(short.chain, request)),
      refused(await renew(gone.chain, request)),
      refused(await renew(leafOf(foreign, 'client'), request)),
    ];
    expect(codes.map(({ code }) => code)).toEqual(['expired', 'revoked', 'unknown-certificate']);
    expect(given(await renew(short.chain, request, await open({ graceMs: dayMs }))).name).toBe('short');
  });

  it('refuses the key of another name, of the authority, and one that was revoked', async () => {
    const mine = await enrol('mine');
    const { key, request } = await holder('other');
    const other = given(await fleet.enroll({ ...(await token('other')), request, peer: 'test' }));
    expect(refused(await renew(mine.chain, request)).code).toBe('foreign-key');
    const revocation = { time: now.toISOString(), revoked: other.serial, name: 'other' };
    await directory.exclusive(() => directory.write({ entries: [revocation] }, now));
    const again = await makeRequest({ commonName: 'mine', sans: [] }, key);
    expect(refused(await renew(mine.chain, again)).code).toBe('revoked-key');
    const { key: authorityKey } = (await directory.readAuthority()).current;
    const stolen = await makeRequest({ commonName: 'mine', sans: [] }, authorityKey);
    expect(refused(await renew(mine.chain, stolen)).code).toBe('foreign-key');
  });

  it('renews many members at once in few writes, and each gets its own certificate', async () => {
    const members = [];
    for (let i = 0; i < 20; i++) members.push(await enrol(`m${i}`));
    const requests = await Promise.all(members.map(({ name }) => holder(name)));
    const decisions = await Promise.all(
      members.map(({ chain }, i) => renew(chain, (requests[i] as Holder).request)),
    );
    expect(decisions.map((each) => given(each).name)).toEqual(members.map(({ name }) => name));
    expect(new Set(decisions.map((each) => given(each).serial)).size).toBe(20);
  });

  it('announces the new key before it answers, also when it answers again', async () => {
    const announced: string[] = [];
    fleet = await open({
      announce: async (changes) => {
        for (const { from, to } of changes) announced.push(`${from} ${to}`);
      },
    });
    const first = await enrol();
    const { request } = await holder();
    const second = given(await renew(first.chain, request));
    await renew(first.chain, request);
    const expected = `${leaf(first).pin} ${leaf(second).pin}`;
    expect(announced).toEqual([expected, expected]);
  });
});

describe('the folder of a fleet', () => {
  it('needs no restart when the authority is replaced, and refuses to finish while a member is behind', async () => {
    const first = await enrol();
    const before = await fleet.trustState();
    await startRollover({ directory, now: () => now });
    const during = await fleet.trustState();
    expect(during.counter).toBeGreaterThan(before.counter);
    expect(during.behind).toContain('web-1');
    await expect(finishRollover({ directory, now: () => now })).rejects.toThrow(/web-1/);
    const second = given(await renew(first.chain, (await holder()).request));
    expect(leaf(second).isSignedBy((await directory.readBundle())[0])).toBe(true);
    expect((await fleet.trustState()).behind).not.toContain('web-1');
  });

  it('names members that may not have their first certificate of a new authority yet', async () => {
    const first = await enrol();
    await startRollover({ directory, now: () => now });
    const second = given(await renew(first.chain, (await holder()).request));
    const underWay = (afterMs: number) =>
      membersUnderWay({ directory, now: () => new Date(now.getTime() + afterMs) });
    expect(await underWay(59 * 60_000)).toEqual(['web-1']);
    expect(await underWay(60 * 60_000)).toEqual([]);
    // The new certificate asks, so its answer has arrived.
    given(await renew(second.chain, (await holder()).request));
    expect(await underWay(0)).toEqual([]);
  });

  it('renews a member whose last request was replayed after the authority was replaced', async () => {
    const first = await enrol();
    const next = await holder();
    const second = given(await renew(first.chain, next.request));
    await startRollover({ directory, now: () => now });
    const replayed = given(await renew(first.chain, next.request));
    expect(replayed.serial).not.toBe(second.serial);
    const third = given(await renew(second.chain, (await holder()).request));
    expect(fleet.index.newest.get('web-1')?.serial).toBe(third.serial);
    for (const { chain } of [first, second, replayed]) {
      expect(refused(await renew(chain, (await holder()).request)).code).toBe('renewed-twice');
    }
  });

  it('reports a copied key also when another certificate for the same key asked first', async () => {
    const older = leafOf(directory, 'client');
    await rotateLeaves({ directory, names: ['client'], keepKey: true, now: () => now });
    const newer = leafOf(directory, 'client');
    expect(newer.pin).toBe(older.pin);
    given(await renew(older, (await holder('client')).request));
    expect(refused(await renew(newer, (await holder('client')).request)).code).toBe('renewed-twice');
  });

  it('answers a certificate of a dropped authority only with the one that replaced it', async () => {
    const first = await enrol();
    const idle = await enrol('web-2');
    await startRollover({ directory, now: () => now });
    const next = await holder();
    const second = given(await renew(first.chain, next.request));
    await finishRollover({ directory, now: () => now, force: true });
    const again = given(await renew(first.chain, next.request));
    expect([again.serial, again.repeated]).toEqual([second.serial, true]);
    for (const { chain } of [first, idle]) {
      expect(refused(await renew(chain, (await holder()).request)).code).toBe('unknown-certificate');
    }
    given(await renew(second.chain, (await holder()).request));
    expect(refused(await renew(first.chain, next.request)).code).toBe('unknown-certificate');
  });

  it('does not rotate pairs that members renewed themselves, and finishes without them', async () => {
    given(await renew(leafOf(directory, 'client'), (await holder('client')).request));
    await startRollover({ directory, now: () => now });
    const { steps, left } = await planRotation({ directory, now: () => now });
    expect(steps.map((step) => step.action === 'reissue' && step.name)).toEqual(['route', 'server']);
    expect(left).toEqual(['"client" is not rotated: its host renews it now, and this pair is out of use']);
    await rotateLeaves({ directory, now: () => now });
    await expect(finishRollover({ directory, now: () => now })).rejects.toMatchObject({
      message: expect.stringMatching(/^1 certificate still depends on .*: client \(a member\)$/),
      hint: expect.stringContaining('natspki renew'),
    });
  });

  it('prunes the pins of members but those of the last two certificates of each', async () => {
    const chain = [await enrol()];
    for (const _ of [1, 2, 3]) {
      chain.push(given(await renew((chain.at(-1) as Granted).chain, (await holder()).request)));
    }
    const stale = await directory.exclusive(() => stalePins(directory));
    expect(chain.map((each) => stale.has(leaf(each).pin))).toEqual([true, true, false, false]);
  });

  it('keeps the counter of the trust state while nothing changes, also over a restart', async () => {
    const { counter } = await fleet.trustState();
    expect((await (await open()).trustState()).counter).toBe(counter);
  });

  it('writes every decision to the audit log, which only its owner can read, without any secret', async () => {
    const invited = await token();
    const { request } = await holder();
    await fleet.enroll({ ...invited, request, peer: '192.0.2.1' });
    await fleet.enroll({ ...invited, secret: Buffer.alloc(32), request, peer: '192.0.2.2' });
    const file = directory.stateFile('audit.log');
    const text = readFileSync(file, 'utf8');
    const records = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ action, decision, code }) => [action, decision, code])).toEqual([
      ['invite', undefined, undefined],
      ['enroll', 'granted', undefined],
      ['enroll', 'refused', 'not-invited'],
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const kept = text + readFileSync(directory.stateFile('invitations.json'), 'utf8');
    for (const form of ['hex', 'base64', 'base64url'] as const) {
      expect(kept).not.toContain(invited.secret.toString(form));
    }
  });

  it('bounds the refusals in the audit log and counts all of them', async () => {
    const { request } = await holder();
    const stranger = { ...newSecret(), request, peer: 'test' };
    await Promise.all(Array.from({ length: 200 }, () => fleet.enroll(stranger)));
    expect(fleet.tally.refusals['not-invited']).toBe(200);
    await enrol();
    const lines = readFileSync(directory.stateFile('audit.log'), 'utf8').trim().split('\n');
    const records = lines.map(
      (line) => JSON.parse(line) as { action: string; decision?: string; count?: number },
    );
    expect(records.filter(({ decision }) => decision === 'refused')).toHaveLength(60);
    expect(records.find(({ action }) => action === 'left-out')).toMatchObject({ count: 140 });
  });

  it('shortens a reason that quotes a stranger', async () => {
    const reason = `certificate "${'x'.repeat(50_000)}" is not of this authority`;
    await fleet.refuse({ granted: false, code: 'unknown-certificate', reason, answer: 'no' }, 'nats', 'test');
    expect(fleet.tally.refused.at(-1)?.reason).toBe(`${reason.slice(0, 300)}…`);
  });

  it('refuses strangers while another process holds the lock of the folder', async () => {
    const { request } = await holder();
    const foreign = leafOf(await madeDirectory(scratch), 'client');
    await directory.exclusive(async () => {
      const token = await fleet.enroll({ ...newSecret(), request, peer: 'test' });
      const pair = await renew(foreign, request);
      expect([refused(token).code, refused(pair).code]).toEqual(['not-invited', 'unknown-certificate']);
    });
  });

  it('reads its files as untrusted: a ledger with a torn last line loses nothing but that line', async () => {
    const first = await enrol();
    const { appendFileSync } = await import('node:fs');
    appendFileSync(directory.ledger.file, '{"serial":"to');
    fleet = await open();
    const second = given(await renew(first.chain, (await holder()).request));
    expect(second.repeated).toBe(false);
    expect((await directory.ledger.read()).damagedLines).toHaveLength(1);
    expect(given(await renew(second.chain, (await holder()).request, await open())).name).toBe('web-1');
  });
});
