// The OCSP responder of an authority, without its transport: what it says of which certificate, as openssl reads it.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Responder } from '../../../src/pki/revoke/responder.ts';
import { revokeCertificates } from '../../../src/pki/revoke/revocation.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { openssl } from '../../harness/openssl.ts';
import { freshCopy, testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('responder');
const start = new Date();
const minutesLater = (minutes: number) => new Date(start.getTime() + minutes * 60_000);
const errors: string[] = [];
const logger = { error: (text: string) => void errors.push(text) };
const certificate = (name: string) => join(scratch, `${name}.pem`);
const root = join(scratch, 'root.pem');

let made: PkiDirectory;
let now = start;

beforeAll(async () => {
  made = await madeDirectory(scratch, { clients: ['alice', 'bob'] });
  for (const name of ['alice', 'bob', 'server']) writeFileSync(certificate(name), leafOf(made, name).toPem());
  writeFileSync(root, (await made.readBundle())[0].toPem());
});

function fresh(): PkiDirectory {
  now = start;
  errors.length = 0;
  return new PkiDirectory(freshCopy(made.path));
}

const open = (directory: PkiDirectory) => Responder.open({ directory, logger, recheckMs: 0, now: () => now });

const revoke = (directory: PkiDirectory, name: string) =>
  revokeCertificates({
    directory,
    names: [name],
    reason: 'keyCompromise',
    lockOut: async () => undefined,
    now: () => now,
  });

/** Makes a request with openssl. */
function ask(names: readonly string[], { issuer = root, flags = ['-no_nonce'] } = {}): Buffer {
  const file = join(scratch, 'request.der');
  const certificates = names.flatMap((name) =>
    name.startsWith('0x') ? ['-serial', name] : ['-cert', certificate(name)],
  );
  openssl('ocsp', '-issuer', issuer, ...flags, ...certificates, '-reqout', file);
  return readFileSync(file);
}

/** Returns what openssl says of an answer: the verification and the text of each status. */
function read(question: Buffer, answer: Buffer, ca = root): string {
  const [asked, answered] = [join(scratch, 'asked.der'), join(scratch, 'answered.der')];
  writeFileSync(asked, question);
  writeFileSync(answered, answer);
  const flags = ['-reqin', asked, '-respin', answered, '-CAfile', ca, '-resp_text'];
  return execFileSync('sh', ['-c', 'openssl ocsp "$@" 2>&1', 'sh', ...flags], { encoding: 'utf8' });
}

const statuses = (text: string) => [...text.matchAll(/Cert Status: (\w+)/g)].map(([, status]) => status);
const errorOf = ({ body }: { body: Buffer }) => body.toString('hex');
/** An OCSPResponse with a status alone. */
const malformed = '30030a0101';
const later = '30030a0103';
const unauthorized = '30030a0106';

describe('an OCSP responder', () => {
  it.each([['-sha1'], ['-sha256'], ['-sha384'], ['-sha512']])(
    'tells good, revoked and unknown apart for a request with %s',
    async (hash) => {
      const directory = fresh();
      const responder = await open(directory);
      await revoke(directory, 'bob');
      const question = ask(['alice', 'bob', '0x77'], { flags: [hash, '-no_nonce'] });
      const { body } = await responder.answer(question);
      const text = read(question, body);
      expect(statuses(text)).toEqual(['good', 'revoked', 'unknown']);
      expect(text).toContain('Response verify OK');
      expect(text).toContain('Revocation Reason: keyCompromise');
    },
  );

  it('answers with a certificate for answers alone, which the ledger has and which lives for 30 days', async () => {
    const directory = fresh();
    const responder = await open(directory);
    const question = ask(['alice']);
    const text = read(question, (await responder.answer(question)).body);
    for (const part of ['OCSP Signing', 'OCSP No Check', 'CA:FALSE']) expect(text).toContain(part);
    const entriesOf = async () => (await directory.ledger.read()).entries;
    const own = (await entriesOf()).filter(({ profile }) => profile === 'responder');
    expect(own).toHaveLength(1);
    expect(Date.parse(own[0]?.notAfter ?? '') - start.getTime()).toBeLessThan(30 * 86_400_000 + 1000);
    now = minutesLater(19 * 24 * 60);
    await responder.answer(question);
    expect((await entriesOf()).filter(({ profile }) => profile === 'responder')).toHaveLength(1);
    now = minutesLater(21 * 24 * 60);
    await Promise.all([responder.answer(ask(['alice'])), responder.answer(ask(['bob']))]);
    expect((await entriesOf()).filter(({ profile }) => profile === 'responder')).toHaveLength(2);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('gives the same answer until half of its life, and a new one as soon as a certificate is revoked', async () => {
    const directory = fresh();
    const responder = await open(directory);
    const question = ask(['alice']);
    const first = await responder.answer(question);
    expect(first.cache).toEqual({
      producedAt: start,
      renewAt: minutesLater(5),
      nextUpdate: minutesLater(10),
    });
    now = minutesLater(4);
    expect(await responder.answer(question)).toBe(first);
    now = minutesLater(6);
    const second = await responder.answer(question);
    expect(second.body.equals(first.body)).toBe(false);
    await revoke(new PkiDirectory(directory.path), 'alice');
    expect(statuses(read(question, (await responder.answer(question)).body))).toEqual(['revoked']);
  });

  it('repeats a nonce, and keeps no such answer', async () => {
    const responder = await open(fresh());
    const question = ask(['alice'], { flags: [] });
    const answer = await responder.answer(question);
    expect(answer.cache).toBeUndefined();
    expect(read(question, answer.body)).toContain('OCSP Nonce');
  });

  it('knows a certificate that another process issued a moment ago', async () => {
    const directory = fresh();
    const responder = await open(directory);
    await rotateLeaves({ directory: new PkiDirectory(directory.path), names: ['alice'] });
    const { serial } = leafOf(directory, 'alice');
    const question = ask([`0x${serial}`]);
    expect(statuses(read(question, (await responder.answer(question)).body))).toEqual(['good']);
  });

  it('answers for the old and the new authority while both are trusted, each with its own signature', async () => {
    const directory = fresh();
    const responder = await open(directory);
    await startRollover({ directory: new PkiDirectory(directory.path) });
    await rotateLeaves({ directory: new PkiDirectory(directory.path), names: ['alice'] });
    const [current] = await directory.readBundle();
    const newRoot = join(scratch, 'new-root.pem');
    writeFileSync(newRoot, current.toPem());
    const old = ask(['bob']);
    expect(read(old, (await responder.answer(old)).body)).toContain('Response verify OK');
    const renewed = ask([`0x${leafOf(directory, 'alice').serial}`], { issuer: newRoot });
    const text = read(renewed, (await responder.answer(renewed)).body, newRoot);
    expect(text).toContain('Response verify OK');
    expect(statuses(text)).toEqual(['good']);
    const confused = ask([`0x${leafOf(directory, 'alice').serial}`]);
    expect(statuses(read(confused, (await responder.answer(confused)).body))).toEqual(['unknown']);
    await finishRollover({ directory, force: true });
    expect(errorOf(await responder.answer(old))).toBe(unauthorized);
  });

  it('answers for leaves of an intermediate when the key of the root is elsewhere, and not for the intermediate', async () => {
    now = start;
    const directory = await madeDirectory(scratch, { intermediate: { days: 900 } });
    rmSync(directory.authorityKeyFile);
    const responder = await open(directory);
    const [intermediate] = await directory.readIntermediates();
    const issuer = join(scratch, 'intermediate.pem');
    writeFileSync(issuer, intermediate?.toPem() ?? '');
    const leaf = ask([`0x${leafOf(directory, 'client').serial}`], { issuer });
    const { body } = await responder.answer(leaf);
    const both = join(scratch, 'both.pem');
    writeFileSync(
      both,
      [...(await directory.readBundle()), intermediate].map((each) => each?.toPem()).join(''),
    );
    expect(read(leaf, body, both)).toContain('Response verify OK');
    const above = ask([`0x${intermediate?.serial}`], { issuer: directory.authorityFile });
    expect(errorOf(await responder.answer(above))).toBe(unauthorized);
  });

  it('answers what is not a request, or is about another authority, with an error', async () => {
    const responder = await open(fresh());
    for (const junk of ['', '3000', '30023000', '3004300230'.padEnd(4000, '00')]) {
      expect(errorOf(await responder.answer(Buffer.from(junk, 'hex'))), junk.slice(0, 10)).toBe(malformed);
    }
    const whole = ask(['alice']);
    for (let end = 0; end < whole.length; end++) {
      expect(errorOf(await responder.answer(whole.subarray(0, end)))).toBe(malformed);
    }
    const many = ask(Array.from({ length: 33 }, (_, i) => `0x${i + 1}`));
    expect(errorOf(await responder.answer(many))).toBe(malformed);
    const other = await madeDirectory(scratch);
    const foreign = ask(['0x77'], { issuer: other.authorityFile });
    expect(errorOf(await responder.answer(foreign))).toBe(unauthorized);
  });

  it('asks for patience and logs the reason while the folder cannot be read', async () => {
    const directory = fresh();
    const responder = await open(directory);
    const bundle = readFileSync(directory.authorityFile);
    writeFileSync(directory.authorityFile, 'not a certificate');
    expect(errorOf(await responder.answer(ask(['alice'])))).toBe(later);
    expect(errors[0]).toMatch(/^Cannot answer OCSP requests: /);
    writeFileSync(directory.authorityFile, bundle);
    expect((await responder.answer(ask(['alice']))).cache).toBeDefined();
  });
});
