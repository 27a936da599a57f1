// The loading of the bundle's scripts together with what V8 made of them when they were built: to compile the code of
// `init` takes longer than to run it. A code cache that V8 does not take, such as another version's, is passed over.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';

/** Loads a script of the folder by its name, once, and gives what it exports. */
export type LoadScript = (name: string) => unknown;

/** Told of each script that was compiled, by its path and its code. */
export type Compiled = (path: string, script: Script, code: string) => void;

/**
 * @param folder path of the scripts, which are ASCII, each a function of exports, require, module and __filename as Node
 * makes them of CommonJS; they require one another as `./name`, and have `module.import` in place of `import`, about
 * which Node warns in a script
 */
export function scriptLoader(folder: string, compiled: Compiled = () => undefined): LoadScript {
  const modules = new Map<string, { exports: unknown }>();

  const load: LoadScript = (name) => {
    const known = modules.get(name);
    if (known !== undefined) return known.exports;
    const path = `${folder}/${name}`;
    const code = readFileSync(path, 'latin1');
    const script = new Script(code, { filename: path, ...codeCache(path, code) });
    compiled(path, script, code);
    const module = { exports: {}, import: importModule };
    modules.set(name, module);
    script.runInThisContext()(module.exports, require, module, path);
    return module.exports;
  };

  const installed = () => createRequire(`${folder}/`);
  const require = Object.assign(
    (specifier: string) =>
      specifier.startsWith('./')
        ? load(specifier.slice(2))
        : (process.getBuiltinModule(specifier) ?? installed()(specifier)),
    { resolve: (...where: Parameters<NodeJS.RequireResolve>) => installed().resolve(...where) },
  );

  const importModule = (specifier: string) => import(specifier);

  function codeCache(path: string, code: string): { cachedData?: Buffer } {
    try {
      const cache = readFileSync(`${path}.cache`);
      // V8 itself would take that of any script of the same length.
      const mark = Buffer.from(markOf(code));
      return mark.equals(cache.subarray(0, mark.length)) ? { cachedData: cache.subarray(mark.length) } : {};
    } catch {
      return {};
    }
  }

  return load;
}

/** Gives the first line of a script, a comment with a hash of the rest, which its code cache begins with as well. */
export function markOf(code: string): string {
  return code.slice(0, code.indexOf('\n') + 1);
}
