import { appendFileSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../../src/files/files.ts';
import { Ledger, type LedgerEntry, type Revocation } from '../../../src/pki/store/ledger.ts';
import { testFolder } from '../../support/folder.ts';

const folder = testFolder('ledger');
const entry = (serial: string): LedgerEntry => ({
  time: '2026-01-01T00:00:00.000Z',
  serial,
  name: 'n1',
  profile: 'server',
  sans: ['dns:n1'],
  keyType: 'p256',
  issuer: 'aa',
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2027-01-01T00:00:00.000Z',
  pin: 'bb',
});

async function add(ledger: Ledger, entries: readonly (LedgerEntry | Revocation)[]): Promise<void> {
  const { path, data, mode } = await ledger.append(entries);
  await writeFileAtomic(path, data, { mode });
}

describe('the ledger', () => {
  let lines = 0;

  it('is empty when the file is missing', async () => {
    expect(await new Ledger(join(folder, 'none')).read()).toEqual({
      entries: [],
      revocations: new Map(),
      damagedLines: [],
    });
  });

  it('has one line for each certificate, in order, readable only by the owner', async () => {
    const ledger = new Ledger(join(folder, 'ledger'));
    await add(ledger, [entry('01'), entry('02')]);
    await add(ledger, [entry('03')]);
    expect((await ledger.read()).entries).toEqual([entry('01'), entry('02'), entry('03')]);
    expect(readFileSync(ledger.file, 'utf8').split('\n')).toHaveLength(4);
    expect(statSync(ledger.file).mode & 0o777).toBe(0o600);
  });

  it('has a line for each revocation, in addition to that of the certificate', async () => {
    const ledger = new Ledger(join(folder, 'revoked'));
    const revocation = { time: '2026-02-01T00:00:00.000Z', revoked: '01', name: 'n1' };
    await add(ledger, [entry('01'), revocation, entry('02')]);
    expect(await ledger.read()).toEqual({
      entries: [entry('01'), entry('02')],
      revocations: new Map([['01', revocation]]),
      damagedLines: [],
    });
  });

  it('reports an incomplete last line, keeps the others, and appends new lines after it', async () => {
    const ledger = new Ledger(join(folder, 'torn'));
    await add(ledger, [entry('01'), entry('02')]);
    truncateSync(ledger.file, statSync(ledger.file).size - 20);
    expect(await ledger.read()).toMatchObject({ entries: [entry('01')], damagedLines: [2] });
    await add(ledger, [entry('03')]);
    expect(await ledger.read()).toMatchObject({ entries: [entry('01'), entry('03')], damagedLines: [2] });
  });

  it.each([
    ...['null', '[]', '{}', '"x"', 'not JSON'],
    JSON.stringify({ ...entry('02'), profile: 'toString' }),
    JSON.stringify({ ...entry('02'), notAfter: 'never' }),
    JSON.stringify({ ...entry('02'), name: undefined }),
    '{"time":"never","revoked":"01","name":"n1"}',
  ])('reports a line that is %s', async (line) => {
    const ledger = new Ledger(join(folder, `line-${lines++}`));
    await add(ledger, [entry('01')]);
    appendFileSync(ledger.file, `${line}\n`);
    expect(await ledger.read()).toMatchObject({ entries: [entry('01')], damagedLines: [2] });
  });
});
