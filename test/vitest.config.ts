import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/peers.ts',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A set NODE_EXTRA_CA_CERTS triples the start of every node process that a test starts.
    env: { NODE_EXTRA_CA_CERTS: '', NO_COLOR: '1' },
  },
});
