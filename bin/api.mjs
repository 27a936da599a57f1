// A step of the build: completes the public interface in dist/api, which rolldown has bundled, with its declarations and
// with the entries for `import`.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const [from, to] = [join(root, 'dist/src'), join(root, 'dist/api')];
/** The entries by their names in `exports`, with their declarations. */
const entries = { index: 'index.d.ts', testing: 'testing/test-nats.d.ts' };
/** The files whose declarations are public. A type of another file in one of them would make that file public, too. */
const open = /^(index|errors|(api|testing)\/[\w-]+)\.d\.ts$/;

// Node and TypeScript read the files of this folder as CommonJS.
copyFileSync(join(root, 'bin/package.json'), join(to, 'package.json'));
const done = new Set();
for (const [entry, declarations] of Object.entries(entries)) {
  copyDeclarations(join(from, declarations));
  writeModule(entry);
}

/** Copies a file and those that it imports. */
function copyDeclarations(path) {
  const name = relative(from, path);
  if (done.has(name)) return;
  done.add(name);
  if (!open.test(name)) throw new Error(`a public type needs one of the internal file "${name}"`);
  const text = readFileSync(path, 'utf8');
  mkdirSync(dirname(join(to, name)), { recursive: true });
  writeFileSync(join(to, name), text.replace(/(from '\.[^']*)\.ts'/g, "$1.js'"));
  for (const [, target] of text.matchAll(/from '(\.[^']*)\.ts'/g)) {
    copyDeclarations(join(dirname(path), `${target}.d.ts`));
  }
}

/**
 * Writes the module that hands out the one CommonJS implementation. Importing that directly would work as well, but Node
 * would parse all of it first to find the names of its exports.
 */
function writeModule(entry) {
  const names = Object.keys(createRequire(import.meta.url)(join(to, `${entry}.js`)));
  writeFileSync(
    join(to, `${entry}.mjs`),
    `import { createRequire } from 'node:module';\n\n` +
      `export const { ${names.join(', ')} } = createRequire(import.meta.url)('./${entry}.js');\n`,
  );
}
