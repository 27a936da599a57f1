// A step of the build: bundles the program into a few files, because each file that Node loads costs as much as a small
// command. Writes to dist/bundle the program, a file for each command, shared chunks, and the licences of the bundled
// packages. Writes the public interface to dist/api in the same way, apart from the program: the commands would load more
// chunks if they shared them with it.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { defineConfig } from 'rolldown';

const root = join(import.meta.dirname, '..');
const commands = readdirSync(join(root, 'commands')).map((file) => basename(file, '.ts'));

/** Packages that few commands need, or that load their own files by path. */
const external = ['inquirer', 'bcryptjs', 'prom-client', '@nats-io/nkeys'];

/** @param input the entries by the names of their files */
function bundle(dir, extension, input) {
  return {
    cwd: root,
    platform: 'node',
    input,
    external,
    // The ES modules of a package: smaller than its CommonJS ones, and quicker to load.
    resolve: { mainFields: ['module', 'main'] },
    plugins: [licences()],
    output: {
      dir,
      // CommonJS starts sooner than modules: Node compiles its functions when they are called. Programs of both systems,
      // and jest, load one and the same file.
      format: 'cjs',
      entryFileNames: `[name].${extension}`,
      chunkFileNames: `shared/[name].${extension}`,
      minify: true,
      // Keeps the names of error classes, which stack traces show.
      keepNames: true,
    },
  };
}

export default defineConfig([
  bundle('dist/bundle', 'cjs', {
    program: 'src/cli/program.ts',
    help: 'src/cli/help.ts',
    ...Object.fromEntries(commands.map((name) => [`commands/${name}`, `commands/${name}.ts`])),
  }),
  bundle('dist/api', 'js', { index: 'src/index.ts', testing: 'src/testing/test-nats.ts' }),
]);

/** Writes the licence of each bundled package to LICENSES.txt. */
function licences() {
  return {
    name: 'licences',
    generateBundle(_options, output) {
      const folders = new Set();
      for (const id of Object.values(output).flatMap((chunk) => Object.keys(chunk.modules ?? {}))) {
        const [folder] = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id) ?? [];
        if (folder !== undefined) folders.add(folder);
      }
      const parts = [...folders].sort().map((folder) => {
        const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
        const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(each));
        const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
        return `${name} ${version} (${license})\n${text}`;
      });
      const source = `natspki contains parts of these packages.\n\n${parts.join(`\n${'-'.repeat(72)}\n\n`)}`;
      this.emitFile({ type: 'asset', fileName: 'LICENSES.txt', source });
    },
  };
}
