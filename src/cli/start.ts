// What the launchers import: finds the code of a command among the files of the bundle, of which this is one. Commands
// that start, work and end are scripts, compiled before; those that serve for long are modules.
import type { CommandModule, main as run } from './main.ts';
import { scriptLoader } from './scripts.ts';

/**
 * Runs one command line (without node and script) and sets the exit code.
 * @param root file URL of the package's folder, with a slash at its end
 */
export async function main(argv: readonly string[], root: URL): Promise<void> {
  const folder = import.meta.dirname;
  const load = scriptLoader(folder);
  const { main } = load('_main.cjs') as { main: typeof run };
  const { existsSync } = process.getBuiltinModule('node:fs');
  await main(argv, root, async (name) =>
    existsSync(`${folder}/${name}.cjs`)
      ? (load(`${name}.cjs`) as CommandModule)
      : import(new URL(`${name}.js`, import.meta.url).href),
  );
}
