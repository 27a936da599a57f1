import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const { NODE_EXTRA_CA_CERTS: authorities } = process.env;

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['test/**/*.test.ts'],
    // Most tests wait for processes of their own: as many at a time as there are processors, on small machines too.
    maxWorkers: '100%',
    globalSetup: 'test/support/peers.ts',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: {
      NO_COLOR: '1',
      // Programs that a test starts leave nothing in the cache folder of the user who runs it.
      NODE_DISABLE_COMPILE_CACHE: '1',
      // Set, it triples the start of every node process that a test starts. npm, which may need it, reads a setting of its own.
      NODE_EXTRA_CA_CERTS: '',
      ...(authorities ? { npm_config_cafile: authorities } : {}),
    },
  },
});
