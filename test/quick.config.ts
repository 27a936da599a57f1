// The quick tier, to run after each edit: tests that call the sources, and start neither servers nor the built program.
import { defineConfig } from 'vitest/config';
import full from './vitest.config.ts';

/** Folders whose tests call the sources directly. */
const folders = [
  ...['conf', 'protocol', 'subjects', 'x509', 'tls', 'pki/store', 'rollout'],
  ...['accounts', 'auth', 'clients', 'cluster', 'options', 'transport'].map((room) => `broker/${room}`),
];

/** Tests in these folders, and beside them, that run other programs or compute for seconds. */
const slow = [
  ...['checkout', 'readme'],
  ...['conf/fuzz', 'tls/hot-swap', 'tls/mid-handshake'],
  ...['x509/key', 'x509/reading-compared', 'x509/sign'],
];

export default defineConfig({
  test: {
    ...full.test,
    include: ['*', ...folders.map((folder) => `${folder}/**/*`)].map((path) => `test/${path}.test.ts`),
    exclude: slow.map((path) => `test/${path}.test.ts`),
    globalSetup: [],
    // Loads the sources once for each worker, instead of once for each file.
    isolate: false,
    // Tests beside these programs are skipped.
    env: {
      ...full.test?.env,
      REQUIRE_PEERS: '',
      NATS_SERVER_BIN: 'none',
      NATS_SERVER_2_9_BIN: 'none',
      NATS_CLI_BIN: 'none',
      CHROMIUM_BIN: 'none',
    },
  },
});
