// Lists the modules that one run of the command line loads, using loader hooks in its process.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { natspki } from './cli.ts';

/** Runs `natspki ARGS...` in a folder and lists the URLs that it loaded. */
export async function loadedModules(folder: string, args: readonly string[]): Promise<string[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'natspki-modules-'));
  try {
    const list = join(scratch, 'list');
    const hooks = join(scratch, 'hooks.mjs');
    writeFileSync(
      hooks,
      `import { appendFileSync } from 'node:fs';
export async function load(url, context, next) {
  appendFileSync(${JSON.stringify(list)}, url + '\\n');
  return next(url, context);
}`,
    );
    const start = join(scratch, 'start.mjs');
    writeFileSync(
      start,
      `import { register } from 'node:module';
register(${JSON.stringify(pathToFileURL(hooks).href)});
`,
    );
    await natspki(folder, args, { node: ['--import', pathToFileURL(start).href] });
    return readFileSync(list, 'utf8').trim().split('\n');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
