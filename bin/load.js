// What the launchers share: loads the bundled program, and runs it.
const { statSync } = require('node:fs');
const { enableCompileCache } = require('node:module');
const { homedir } = require('node:os');
const { dirname, join } = require('node:path');

/** Runs one command line (without node and script); process.exitCode says how it ended. */
exports.run = async (argv) => {
  useCompileCache();
  const program = await import('../dist/bundle/program.js').catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !error.url?.endsWith('/dist/bundle/program.js')) throw error;
    process.stderr.write('natspki: error: the checkout is not built\n');
    process.stderr.write(`natspki: hint: cd "${dirname(__dirname)}" && npm ci && npm run build\n`);
    process.exit(1);
  });
  await program.run(argv);
};

/**
 * Lets Node (22 and newer) keep the compiled program in the user's cache folder. Node runs what it finds in a compile
 * cache, so its default, a folder below the system's temporary one, is not safe: another user may have made that.
 */
function useCompileCache() {
  const home = homedir();
  try {
    const { uid, mode } = statSync(home);
    const own = process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
    if (own) enableCompileCache?.(join(home, '.cache', 'natspki', 'compile-cache'));
  } catch {
    // Without a home folder the program is compiled at every start.
  }
}
