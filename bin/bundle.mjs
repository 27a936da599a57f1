#!/usr/bin/env node
// A step of the build: puts what a command needs into few files, since each file that Node loads takes as long as a
// small command. Writes dist/bundle: `_start.cjs`, a file for each command, what they share, what --help says of them, and
// the licences of the packages that went in.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'dist/bundle');
// As the bundler names its modules, wherever the packages are.
const oclif = join(realpathSync(join(root, 'node_modules/@oclif/core')), 'lib');

/** What users get as packages, since few commands need it, and late; oclif excepted, all others go in. */
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const external = Object.keys(dependencies).filter((name) => name !== '@oclif/core');

/** Parts of oclif that no command of ours reaches: taken from the installed package, should one ever. */
const unreached = ['config', 'help'];

/**
 * Makes oclif load its own modules at their first use, as bundled code runs, and the packages it stands on from where
 * it is installed: it reaches for nearly all of them when it is imported, and a command uses next to none.
 */
const lazyOclif = {
  name: 'lazy-oclif',
  transform(code, id) {
    if (!id.startsWith(oclif)) return;
    const names = [];
    const importStatement = /^const (\w+) = (?:(__importDefault|__importStar)\()?(require\("[^"]+"\))\)?;$/gm;
    let changed = code.replace(importStatement, (_all, name, interop, required) => {
      names.push(name);
      const value = interop === undefined ? required : `${interop}(${required})`;
      return `let ${name}$loaded; const ${name} = () => ${name}$loaded ??= ${value};`;
    });
    for (const name of names) {
      changed = changed.replace(new RegExp(`(?<![\\w$.])${name}(?=[.)])`, 'g'), `(${name}())`);
    }
    const from = relative(oclif, dirname(id));
    return {
      code: changed.replace(/require\("([^"]+)"\)/g, (all, specifier) => {
        const own = posix.join(from, specifier);
        if (specifier.startsWith('.')) return unreached.includes(own) ? installed(`@oclif/core/${own}`) : all;
        if (isBuiltin(specifier)) return all;
        const found = installed(specifier, ', { paths: [require.resolve("@oclif/core")] }');
        return specifier === 'debug' ? `(process.env.DEBUG ? ${found} : () => () => undefined)` : found;
      }),
    };
  },
};

function installed(specifier, from = '') {
  return `require(require.resolve(${JSON.stringify(specifier)}${from}))`;
}

function isBuiltin(specifier) {
  return specifier.startsWith('node:') || builtinModules.includes(specifier);
}

/** Commands that run for long or stand on installed packages; these are modules, all others scripts. */
const modules = ['broker', 'check', 'watch'];
const commands = readdirSync(join(root, 'dist/commands')).map((file) => file.slice(0, -'.js'.length));
const inputs = (names) => Object.fromEntries(names.map((name) => [name, `dist/commands/${name}.js`]));
const output = [
  ...(await write('esm', '.js', inputs(modules))),
  ...(await write('cjs', '.cjs', {
    _main: 'dist/src/cli/main.js',
    ...inputs(commands.filter((name) => !modules.includes(name))),
  })),
];
for (const name of readdirSync(out).filter((name) => name.endsWith('.cjs'))) finishScript(join(out, name));
output.push(...(await write('cjs', '.cjs', { _start: 'dist/src/cli/start.js' })));
writeFileSync(join(out, '_commands.json'), JSON.stringify(await summaries()));
writeFileSync(join(out, 'LICENSES.txt'), licences(output));

async function write(format, extension, input) {
  const bundle = await rolldown({
    cwd: root,
    platform: 'node',
    input,
    external,
    plugins: [lazyOclif],
  });
  const { output } = await bundle.write({
    dir: out,
    format,
    exports: 'named',
    // All in one folder, so that the templates are as far from every file as they are from dist/src.
    entryFileNames: `[name]${extension}`,
    chunkFileNames: `_[name]${extension}`,
    keepNames: true,
  });
  await bundle.close();
  return output;
}

/** Makes a script the function that the loader calls, ASCII, with the mark of its code cache in front. */
function finishScript(path) {
  const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const code = readFileSync(path, 'utf8')
    .replace(/[^\0-\x7f]/g, escaped)
    .replace(/(?<![\w$.])import\("/g, 'module.import("');
  const script = `(function (exports, require, module, __filename) {${code}\n})`;
  writeFileSync(path, `// ${createHash('sha256').update(script).digest('hex')}\n${script}`);
}

/** Collects what --help says of the commands, so that it need not load them all. */
async function summaries() {
  const entries = commands.map(async (name) => {
    const { default: command } = await import(`../dist/commands/${name}.js`);
    return [name, command.summary];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Collects the licence of each package that went in. */
function licences(chunks) {
  const folders = new Set();
  for (const id of chunks.flatMap((chunk) => Object.keys(chunk.modules ?? {}))) {
    const [folder] = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id) ?? [];
    if (folder !== undefined) folders.add(folder);
  }
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(each));
    const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
    return `${name} ${version} (${license})\n${text}`;
  });
  return `natspki contains parts of these packages.\n\n${parts.join(`\n${'-'.repeat(72)}\n\n`)}`;
}
