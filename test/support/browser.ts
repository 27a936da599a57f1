// A real headless Chromium for the pages of this project, and what it says of them.
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** A page that is open, with what went wrong in it. */
export interface Tab {
  readonly page: Page;
  /** Errors of scripts, and what the Content-Security-Policy forbade. */
  readonly faults: string[];
  /** The URLs that it has asked for. */
  readonly requests: string[];
}

/** Starts a browser for the tests of a describe block; each page is closed after its test. @param bin empty for none */
export function useBrowser(bin: string): (options?: BrowserContextOptions) => Promise<Tab> {
  let browser: Browser;
  const tabs: Tab[] = [];
  beforeAll(async () => {
    // A container has neither the user namespaces that its sandbox wants nor much shared memory.
    browser = await chromium.launch({
      executablePath: bin,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
  }, 60_000);
  afterEach(async () => {
    await Promise.all(tabs.splice(0).map(({ page }) => page.context().close()));
  });
  afterAll(() => browser?.close());
  return async (options = {}) => {
    const context = await browser.newContext(options);
    const tab: Tab = { page: await context.newPage(), faults: [], requests: [] };
    tab.page.on('pageerror', (error) => tab.faults.push(error.message));
    tab.page.on('console', (message) => {
      if (message.type() === 'error') tab.faults.push(message.text());
    });
    tab.page.on('request', (request) => tab.requests.push(request.url()));
    tabs.push(tab);
    return tab;
  };
}
