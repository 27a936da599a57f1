// The monitoring page in a real browser: what it shows, that it updates itself, and that names chosen by clients cannot
// run code in it.
import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import type { Broker } from '../../../../src/broker/running.ts';
import { clientTls, makeCertificateSet, verifyingTls } from '../../../harness/certificate-set.ts';
import { makeLeaf, type Pair } from '../../../harness/openssl.ts';
import { connectLine } from '../../../harness/socket.ts';
import { Wire, type WireOptions } from '../../../harness/wire.ts';
import { type Tab, useBrowser } from '../../../support/browser.ts';
import { testFolder } from '../../../support/folder.ts';
import { describePeer } from '../../../support/peers.ts';
import { renameOver } from '../../../support/replace.ts';
import { Running } from '../../running.ts';

const folder = testFolder('page');
const certificates = makeCertificateSet(folder);
const dayMs = 86_400_000;
const http = 'http: "127.0.0.1:-1"\n';
/** The life of test certificates. */
const whole = { days: 30 };

const wires: Wire[] = [];

afterEach(() => {
  for (const wire of wires.splice(0)) wire.end();
});

/** Starts a broker whose clock is ahead by `clock.ahead` milliseconds. */
async function open(text: string, clock = { ahead: 0 }): Promise<Broker> {
  const now = () => new Date(Date.now() + clock.ahead);
  // A hostile server name is an error of the configuration, and the page must bear it.
  return (await Running.start(text, undefined, { now, ignoreErrors: true })).broker;
}

async function connect({ port }: Broker, connect: object, options: WireOptions = {}): Promise<Wire> {
  const wire = await Wire.open(port, options);
  wires.push(wire);
  wire.send(connectLine(connect));
  await wire.receives('');
  return wire;
}

function rows({ page }: Tab, body: string): Promise<string[]> {
  return page.locator(`#${body} tr`).allInnerTexts();
}

/** A script that lists the texts with too little contrast to their background (WCAG 2.2, 1.4.3). */
const pale = `(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
  return [...document.body.querySelectorAll('*')]
    .filter((element) => hasText(element) && element.checkVisibility() && !element.matches(':disabled'))
    .filter((element) => {
      const [a, b] = [parse(getComputedStyle(element).color), ground(element)].map(luminance);
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    })
    .map((element) => element.outerHTML.slice(0, 200));
})()`;

const colourOfBar = `getComputedStyle(document.querySelector('[aria-label="Remaining life of CN=server"] span')).backgroundColor`;

describePeer('chromium', 'the monitoring page', (bin) => {
  const browse = useBrowser(bin);

  it('shows the remaining life of each certificate in words and as a bar that turns amber, then red', async () => {
    const clock = { ahead: 0 };
    const broker = await open(http + verifyingTls(certificates), clock);
    const tab = await browse({ locale: 'en-GB' });
    await tab.page.goto(`${broker.monitorUrl}/`);
    const meter = tab.page.getByRole('meter', { name: 'Remaining life of CN=server' });
    const state = async () => [
      await meter.getAttribute('data-state'),
      await meter.getAttribute('aria-valuetext'),
      Number(await meter.getAttribute('aria-valuenow')),
    ];
    const steps = [
      [0, 'good', /^valid: 29 d 23 h left of 30 d, until /, 100],
      [21, 'due', /^renewal due: 8 d 23 h left/, 30],
      [28, 'critical', /^about to expire: /, 7],
      [whole.days + 2, 'expired', /^expired: expired (2 d|1 d 23 h)/, 0],
      [-1, 'early', /^not valid yet: valid in (1 d|23 h)/, 100],
    ] as const;
    const colours = new Set<string>();
    for (const [days, name, text, share] of steps) {
      clock.ahead = days * dayMs;
      // The page requests data immediately when it becomes visible.
      await tab.page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`);
      await expect
        .poll(state, { timeout: 6000 })
        .toEqual([name, expect.stringMatching(text), expect.any(Number)]);
      expect(Math.abs(Number((await state())[2]) - share)).toBeLessThanOrEqual(1);
      colours.add(await tab.page.evaluate(colourOfBar));
      for (const colorScheme of ['light', 'dark'] as const) {
        await tab.page.emulateMedia({ colorScheme });
        expect(await tab.page.evaluate(pale)).toEqual([]);
      }
      await tab.page.emulateMedia({ colorScheme: 'light' });
    }
    // Green, amber, red.
    expect(colours.size).toBe(3);
    expect(tab.faults).toEqual([]);
  });

  it('shows certificate reloads with their changes, and rejected ones with the reason', async () => {
    const server: Pair = { cert: `${folder}/live.pem`, key: `${folder}/live.key` };
    const contents = ({ cert, key }: Pair) => ({
      [server.cert]: readFileSync(cert, 'utf8'),
      [server.key]: readFileSync(key, 'utf8'),
    });
    renameOver(contents(certificates.server));
    const broker = await open(http + verifyingTls({ ...certificates, server }));
    const tab = await browse();
    await tab.page.goto(`${broker.monitorUrl}/`);
    renameOver({ [server.key]: readFileSync(certificates.client.key, 'utf8') });
    await expect.poll(() => rows(tab, 'history'), { timeout: 6000 }).toHaveLength(2);
    expect((await rows(tab, 'history'))[0]).toMatch(/tls\s+1\s+rejected\s+the key in ".*" does not belong/);
    expect(await tab.page.locator('#certificates').innerText()).toContain(
      'files rejected, previous ones in use',
    );
    const renewed = makeLeaf(folder, 'renewed', certificates.ca, {
      usage: 'serverAuth',
      subject: '/CN=server',
    });
    renameOver(contents(renewed));
    await expect.poll(() => rows(tab, 'history'), { timeout: 6000 }).toHaveLength(3);
    expect((await rows(tab, 'history'))[0]).toMatch(
      /tls\s+2\s+reloaded\s+renewed: CN=server, serial \w{8}… to \w{8}…/,
    );
    expect(await tab.page.locator('#certificates').innerText()).toContain(
      'generation 2, 1 reload, 1 rejected',
    );
    expect(tab.faults).toEqual([]);
  });

  it('says in the headline that files are rejected, or that a certificate is due', async () => {
    const clock = { ahead: 0 };
    const server: Pair = { cert: `${folder}/state.pem`, key: `${folder}/state.key` };
    renameOver({
      [server.cert]: readFileSync(certificates.server.cert, 'utf8'),
      [server.key]: readFileSync(certificates.server.key, 'utf8'),
    });
    const broker = await open(http + verifyingTls({ ...certificates, server }), clock);
    const tab = await browse();
    await tab.page.goto(`${broker.monitorUrl}/`);
    const state = () => tab.page.locator('#state').innerText();
    await expect.poll(state).toBe('ready');
    clock.ahead = 21 * dayMs;
    await expect.poll(state, { timeout: 6000 }).toBe('ready, a certificate is due');
    renameOver({ [server.key]: readFileSync(certificates.client.key, 'utf8') });
    await expect.poll(state, { timeout: 6000 }).toBe('ready, files of tls rejected');
    // It stays in view, however far the page is scrolled.
    await tab.page.setViewportSize({ width: 390, height: 400 });
    await tab.page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
    expect(await tab.page.locator('#state').boundingBox()).toMatchObject({ y: expect.any(Number) });
    expect((await tab.page.locator('#state').boundingBox())?.y).toBeLessThan(60);
  });

  it.each([390, 1280])('shows everything at %i pixels, also a long suite of TLS 1.2', async (width) => {
    const suite = 'cipher_suites: ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]';
    const only = { ...clientTls(certificates), maxVersion: 'TLSv1.2' as const };
    const broker = await open(http + verifyingTls(certificates).replace('tls {', `tls { ${suite},`));
    await connect(broker, { name: 'a client with a name', lang: 'node', version: '3.4.5' }, { tls: only });
    const tab = await browse({ viewport: { width, height: 800 } });
    await tab.page.goto(`${broker.monitorUrl}/`);
    await expect.poll(() => rows(tab, 'connections')).toHaveLength(1);
    const tooWide = `[document.documentElement, ...document.querySelectorAll('.scroll')]
      .filter((element) => element.scrollWidth > element.clientWidth).length`;
    expect(await tab.page.evaluate(tooWide)).toBe(0);
    const [text] = await rows(tab, 'connections');
    expect(text).toMatch(/CN=client\s+(Expires in\s+)?29 d 23 h/);
    expect(text).toContain('1.2 ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256');
    expect(tab.faults).toEqual([]);
  });

  it('shows the last fifteen minutes as plots, and when each certificate expires on one line of time', async () => {
    const broker = await open(http + verifyingTls(certificates));
    const tab = await browse();
    await tab.page.goto(`${broker.monitorUrl}/`);
    await expect.poll(() => tab.page.locator('#plots svg').count()).toBe(3);
    expect(await tab.page.locator('#plots figcaption').allInnerTexts()).toEqual([
      ...['Messages per second', 'Connections', 'Handshakes per second'],
    ]);
    const ends = await tab.page.locator('#timeline li').allInnerTexts();
    expect(ends.map((line) => line.trim())).toEqual([
      expect.stringMatching(/^CN=(server|ca), (server|authority): 29 d 23 h left$/),
      expect.stringMatching(/^CN=(server|ca), (server|authority): 29 d 23 h left$/),
    ]);
    expect(tab.faults).toEqual([]);
  });

  it('shows the certificate and user of each client, and any markup in its names as plain text', async () => {
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const users = `accounts { A: { users: [{ user: alice, password: s3cret }] } }\nserver_name: ${JSON.stringify(hostile)}\n`;
    const broker = await open(http + users + verifyingTls(certificates));
    const tls = clientTls(certificates);
    await connect(
      broker,
      { user: 'alice', pass: 's3cret', name: hostile, lang: hostile, version: '"><b>' },
      { tls },
    );
    const tab = await browse();
    await tab.page.goto(`${broker.monitorUrl}/`);
    await expect.poll(() => rows(tab, 'connections')).toHaveLength(1);
    const cells = await tab.page.locator('#connections td').allInnerTexts();
    expect(cells.slice(0, 5)).toEqual(['1', hostile, 'alice', 'A', 'CN=client']);
    expect(await tab.page.locator('#suites tr').innerText()).toMatch(/TLS 1\.3\s+TLS_AES_\S+\s+1/);
    expect(await tab.page.locator('img, script:not([src]), b').count()).toBe(0);
    expect(await tab.page.title()).toBe(`${hostile}, natspki 1.2.3`);
    expect(await tab.page.content()).not.toContain('s3cret');
    expect(tab.faults).toEqual([]);
  });

  it('blocks injected markup and scripts by its Content-Security-Policy', async () => {
    const broker = await open(http);
    const tab = await browse();
    await tab.page.goto(`${broker.monitorUrl}/`);
    const inject = `try { document.body.innerHTML = '<img src=x onerror="window.hit = 1">'; } catch (error) { error.name; }`;
    expect(await tab.page.evaluate(inject)).toBe('TypeError');
    const script = `const s = document.createElement('script'); s.append('window.hit = 2'); document.body.append(s); window.hit`;
    expect(await tab.page.evaluate(`try { ${script} } catch { window.hit }`)).toBeUndefined();
  });

  it('sends requests to its own broker only, and none while it is hidden', async () => {
    const broker = await open(http);
    const tab = await browse();
    await tab.page.clock.install();
    await tab.page.goto(`${broker.monitorUrl}/`);
    const asked = () => tab.requests.filter((url) => url.includes('/page.json')).length;
    await expect.poll(asked).toBe(1);
    const see = (visible: boolean) =>
      tab.page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${!visible}, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
      );
    await see(false);
    await tab.page.clock.runFor(60_000);
    expect(asked()).toBe(1);
    await see(true);
    await expect.poll(asked).toBe(2);
    expect(tab.requests.filter((url) => !url.startsWith(broker.monitorUrl as string))).toEqual([]);
  });

  it('shows that the broker is unavailable, and that it is available again', async () => {
    const broker = await open(http);
    const { port, origin } = new URL(broker.monitorUrl as string);
    const tab = await browse();
    await tab.page.goto(`${origin}/`);
    const state = () => tab.page.locator('#state').innerText();
    await expect.poll(state).toBe('ready');
    await broker.close();
    await expect.poll(state, { timeout: 8000 }).toMatch(/^no answer since /);
    expect(await tab.page.getByRole('status').innerText()).toMatch(/been unavailable since .* keeps trying/);
    expect(await tab.page.title()).toMatch(/^no answer since .*: /);
    expect(await tab.page.evaluate(pale)).toEqual([]);
    await open(`http: "127.0.0.1:${port}"`);
    await expect.poll(state, { timeout: 8000 }).toBe('ready');
    const news = await tab.page.getByRole('status').innerText();
    expect(news).toMatch(
      /available again since .*, after .*\. It was restarted, so its counters started again/,
    );
  });

  it('pages, sorts and filters many connections, by mouse and by keyboard', async () => {
    const broker = await open(http);
    const tab = await browse();
    await tab.page.goto(`${broker.monitorUrl}/`);
    await expect.poll(() => rows(tab, 'connections')).toEqual(['No clients are connected.']);
    await Promise.all(Array.from({ length: 120 }, (_, i) => connect(broker, { name: `worker-${i}` })));
    const busy = await connect(broker, { name: 'busy' });
    busy.send('PUB a 2\r\nhi\r\n');
    await busy.receives('');
    const matching = () => tab.page.locator('#matching').innerText();
    await expect.poll(matching, { timeout: 6000 }).toBe('1 to 50 of 121');
    const next = tab.page.getByRole('button', { name: 'Next' });
    await next.click();
    await expect.poll(matching).toBe('51 to 100 of 121');
    await next.press('Enter');
    await expect.poll(matching).toBe('101 to 121 of 121');
    expect(await next.isDisabled()).toBe(true);
    await tab.page.getByRole('button', { name: 'In', exact: true }).press('Enter');
    await expect.poll(async () => (await rows(tab, 'connections'))[0]).toMatch(/\bbusy\b/);
    const column = tab.page.getByRole('columnheader', { name: 'In', exact: true });
    expect(await column.getAttribute('aria-sort')).toBe('descending');
    await tab.page.getByLabel('Filter by').fill('WORKER-11');
    await expect.poll(matching).toBe('1 to 11 of 11 found');
    for (const wire of wires.splice(0)) wire.end();
    await expect.poll(matching, { timeout: 6000 }).toBe('0 found');
    expect(tab.faults).toEqual([]);
  });

  it('fits a narrow screen below a base path, with and without a trailing slash', async () => {
    const broker = await open(`${http}http_base_path: "a/b"\n${verifyingTls(certificates)}`);
    await connect(broker, { name: 'x'.repeat(2000) }, { tls: clientTls(certificates) });
    for (const url of [`${broker.monitorUrl}`, `${broker.monitorUrl}/`]) {
      const tab = await browse({ viewport: { width: 320, height: 640 } });
      await tab.page.goto(url);
      await expect.poll(() => rows(tab, 'connections')).toHaveLength(1);
      expect(await tab.page.evaluate('document.documentElement.scrollWidth')).toBe(320);
      const link = tab.page.getByRole('link', { name: '/healthz' });
      await link.click();
      expect(await tab.page.locator('body').innerText()).toBe('{"status":"ok"}');
      expect(tab.faults).toEqual([]);
    }
  });
});
