// What the launchers load: finds the code of a command among the files of the bundle, of which this is one. Commands that
// start, work and end are scripts, compiled before; those that serve for long are modules.
import { existsSync } from 'node:fs';
import type { CommandModule, main as run } from './main.ts';
import { scriptLoader } from './scripts.ts';

/** Runs one command line (without node and script) and sets the exit code. */
export function main(argv: readonly string[]): Promise<void> {
  const folder = import.meta.dirname;
  const load = scriptLoader(folder);
  const { main } = load('_main.cjs') as { main: typeof run };
  return main(argv, async (name) =>
    existsSync(`${folder}/${name}.cjs`)
      ? (load(`${name}.cjs`) as CommandModule)
      : import(new URL(`${name}.js`, import.meta.url).href),
  );
}
