// The page of an authority, in a real browser: what it shows, in which order, and that it loads nothing from elsewhere.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FleetAuthority } from '../../../src/fleet/authority/authority.ts';
import { invite } from '../../../src/fleet/authority/invite.ts';
import { publicHandlers } from '../../../src/fleet/http/public-handlers.ts';
import { PublicServer } from '../../../src/fleet/http/public-server.ts';
import { decodeToken } from '../../../src/fleet/token.ts';
import { Responder } from '../../../src/pki/revoke/responder.ts';
import { startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { readCertificates } from '../../../src/x509/certificate.ts';
import { generateKey } from '../../../src/x509/key.ts';
import { makeRequest } from '../../../src/x509/sign.ts';
import { useBrowser } from '../../support/browser.ts';
import { testFolder } from '../../support/folder.ts';
import { ask, askJson } from '../../support/monitoring.ts';
import { describePeer } from '../../support/peers.ts';
import { madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('fleet-page');
const dayMs = 24 * 60 * 60 * 1000;
const logger = { info: () => {}, warn: () => {}, error: () => {} };
let now = new Date();
let nats: boolean | undefined;
let directory: PkiDirectory;
let authority: FleetAuthority;
let server: PublicServer;
let url = '';

async function request(): Promise<Buffer> {
  return makeRequest({ commonName: 'any', sans: [] }, await generateKey('p256'));
}

/** Enrols a name for a number of days; returns its chain. */
async function enrol(name: string, days: number): Promise<Buffer[]> {
  const urls = ['https://localhost:1'];
  const { token } = await invite({ directory, name, profile: 'client', days, urls, now: () => now });
  const asked = { ...decodeToken(token), request: await request(), peer: '192.0.2.1' };
  const decision = await authority.enroll(asked);
  if (!decision.granted) throw new Error(decision.reason);
  return readCertificates(Buffer.from(decision.chain), name).map(({ der }) => der);
}

beforeAll(async () => {
  directory = await madeDirectory(scratch);
  authority = await FleetAuthority.open({ directory, logger, now: () => now });
  const responder = await Responder.open({ directory, logger, now: () => now });
  const context = { authority, version: '1.2.3', logger, nats: () => nats, now: () => now, responder };
  const where = { host: '127.0.0.1', port: 0 };
  server = await PublicServer.open({ handlers: publicHandlers(context), where, names: () => [], logger });
  url = `http://127.0.0.1:${server.port}`;
  await enrol('good', 100);
  await enrol('late', 40);
  await enrol('gone', 20);
  const copied = await enrol('copied', 100);
  const peer = '192.0.2.7';
  for (const _ of ['honest', 'thief']) {
    await authority.renew({ chain: copied, request: await request(), transport: 'nats', peer });
  }
  now = new Date(now.getTime() + 33 * dayMs);
});
afterAll(() => server?.close(0));

it('lists the names with the least of their lives left first, and forgets those that are long gone', async () => {
  const names = async () =>
    (await askJson(`${url}/page.json`)).members.map(
      ({ name, overdue }: { name: string; overdue: boolean }) => (overdue ? `${name}!` : name),
    );
  expect(await names()).toEqual(['gone!', 'late!', 'copied', 'good', 'client', 'route', 'server']);
  const before = now;
  now = new Date(now.getTime() + 20 * dayMs);
  expect(await names()).not.toContain('gone!');
  now = before;
});

it('answers health checks with 503 once the authority has expired', async () => {
  const before = now;
  now = new Date(now.getTime() + 4000 * dayMs);
  const { status, body } = await ask(`${url}/healthz`);
  now = before;
  expect([status, JSON.parse(body)]).toEqual([503, { status: 'error', error: 'the authority has expired' }]);
});

describePeer('chromium', 'in a browser', (bin) => {
  const open = useBrowser(bin);

  it('shows overdue certificates in red and first, copied keys, and refusals with their reasons', async () => {
    const { page, faults, requests } = await open();
    await page.goto(url);
    await page.locator('#members tr').nth(6).waitFor();
    const cell = (row: number, at: number) => page.locator('#members tr').nth(row).locator('td').nth(at);
    expect(await cell(0, 0).textContent()).toBe('gone');
    expect(await cell(0, 2).textContent()).toBe('expired');
    expect(await cell(1, 2).textContent()).toBe('overdue');
    expect(await cell(1, 2).getAttribute('data-state')).toBe('critical');
    expect(await cell(1, 6).textContent()).toBe('invitation');
    expect(await cell(1, 3).locator('.bar').getAttribute('aria-valuenow')).toMatch(/^1[78]$/);
    expect(await page.locator('#copied').textContent()).toContain('renewed twice from serial');
    expect(await page.locator('#refused tr').first().textContent()).toContain('192.0.2.7');
    expect(await page.locator('#rotation-section').isVisible()).toBe(false);
    await page.fill('#filter', 'goo');
    await page.locator('#matching', { hasText: '1 found' }).waitFor();
    expect(await page.locator('#members tr').count()).toBe(1);
    expect(faults).toEqual([]);
    expect(requests.every((each) => each.startsWith(url))).toBe(true);
  });

  it('counts down a rotation of the authority, and says when NATS is away', async () => {
    await startRollover({ directory, now: () => now });
    nats = false;
    const { page, faults } = await open();
    await page.goto(url);
    const rotation = page.locator('#rotation');
    await rotation.waitFor({ state: 'visible' });
    expect(await rotation.textContent()).toBe('6 of 7 names still depend on Test authority.');
    expect(await page.locator('#rotation-names').textContent()).toContain('late');
    expect(await page.locator('#state').textContent()).toBe('not connected to NATS');
    expect(faults).toEqual([]);
  });
});
