// A headless Chromium for tests of the HTML pages of this project. It records script errors and requested URLs.
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** An open page, with the errors that it reported. */
export interface Tab {
  readonly page: Page;
  /** Script errors and violations of the Content-Security-Policy. */
  readonly faults: string[];
  /** The URLs that the page has requested. */
  readonly requests: string[];
}

/**
 * Starts one browser for the tests of a describe block and closes each page after its test.
 * @param bin path of Chromium; empty where there is none and the tests are skipped
 * @param more further arguments, read when the browser starts
 */
export function useBrowser(
  bin: string,
  more: () => string[] = () => [],
): (options?: BrowserContextOptions) => Promise<Tab> {
  let browser: Browser;
  const tabs: Tab[] = [];
  beforeAll(async () => {
    // A container lacks the user namespaces that the sandbox needs, and has little shared memory.
    browser = await chromium.launch({
      executablePath: bin,
      args: ['--no-sandbox', '--disable-dev-shm-usage', ...more()],
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
