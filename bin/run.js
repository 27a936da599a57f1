#!/usr/bin/env node
// CommonJS, as package.json beside it says: a module that is imported takes 3 ms to begin with.
function load() {
  try {
    return require('../dist/bundle/_start.cjs');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !error.message.includes('_start.cjs')) throw error;
    process.stderr.write('natspki: error: the checkout is not built\n');
    process.stderr.write(
      `natspki: hint: cd "${require('node:path').dirname(__dirname)}" && npm ci && npm run build\n`,
    );
    process.exit(1);
  }
}

load().main(process.argv.slice(2));
