// Loads and runs the bundled program, for the launchers.
const { statSync } = require('node:fs');
const { enableCompileCache } = require('node:module');
const { homedir } = require('node:os');
const { dirname, join } = require('node:path');

/** Runs one command line (without `node` and the script) and sets process.exitCode. */
exports.run = async (argv) => {
  useCompileCache();
  await program().run(argv);
};

function program() {
  try {
    return require('../dist/bundle/program.cjs');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !error.message.includes('program.cjs')) throw error;
    process.stderr.write('natspki: error: the checkout is not built\n');
    process.stderr.write(`natspki: hint: cd "${dirname(__dirname)}" && npm ci && npm run build\n`);
    process.exit(1);
  }
}

/**
 * Has Node (22 and newer) cache the compiled program in the user's cache folder. Node executes what it finds in a compile
 * cache. Its default folder, below the system's temporary one, is therefore unsafe: another user may have created it.
 */
function useCompileCache() {
  const home = homedir();
  try {
    const { uid, mode } = statSync(home);
    const own = process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
    if (own) enableCompileCache?.(join(home, '.cache', 'natspki', 'compile-cache'));
  } catch {
    // Without a home folder, Node compiles the program at every start.
  }
}
