// Finds the packages of test/clients/packages.json, which .ci/install-clients.mjs installs, and skips tests without them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';

export type Language = 'npm' | 'python' | 'go' | 'java';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Opens a describe block for tests that need the packages of a language, and passes their folder to `body`. Where they are
 * missing the tests are skipped; with REQUIRE_PEERS=1 the block fails instead, unless the system lacks the language.
 */
export function describeClients(language: Language, title: string, body: (folder: string) => void): void {
  const folder = join(process.env.NATSPKI_CLIENTS ?? join(root, '.cache/clients'), language);
  if (existsSync(join(folder, 'installed.json'))) {
    describe(title, () => body(folder));
  } else if (process.env.REQUIRE_PEERS === '1' && !existsSync(join(folder, 'unavailable'))) {
    describe(title, () => {
      it(`finds the packages for ${language}`, () => {
        throw new Error(`"${folder}" is missing: node .ci/install-clients.mjs .cache`);
      });
    });
  } else {
    // The packages are not installed, or the system does not have the language.
    describe.skip(title, () => body(folder));
  }
}
