// Lists the modules that one run of the command line loads, using hooks in its process, and tells which of them sign.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { natspki } from '../harness/process.ts';

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
      `import { appendFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { pathToFileURL } from 'node:url';
register(${JSON.stringify(pathToFileURL(hooks).href)});
const { cache } = createRequire(import.meta.url);
process.on('exit', () => {
  for (const path of Object.keys(cache)) appendFileSync(${JSON.stringify(list)}, pathToFileURL(path).href + '\\n');
});
`,
    );
    await natspki(folder, args, { node: ['--import', pathToFileURL(start).href] });
    return readFileSync(list, 'utf8').trim().split('\n');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Texts of the packages that sign, which stay as they are in a bundle, minified or not. */
const signingTexts = [
  'Cannot convert WebCrypto algorithm to ASN.1 algorithm', // @peculiar/x509
  "Cannot convert WebCrypto named curve '", // @peculiar/webcrypto
  'Cannot get schema for ', // @peculiar/asn1-schema
];

/** The packages that sign and those they stand on. */
const signingPackages =
  /\/node_modules\/(@peculiar|asn1js|bytestreamjs|pvtsutils|pvutils|reflect-metadata|tslib|tsyringe|webcrypto-core)\//;

/** Returns those of some loaded modules that are of the packages that sign, on their own or in a bundle. */
export function signingModules(modules: readonly string[]): string[] {
  return [...new Set(modules)].filter((url) => {
    if (!url.startsWith('file:')) return false;
    if (signingPackages.test(url)) return true;
    const code = readFileSync(fileURLToPath(url), 'utf8');
    return signingTexts.some((text) => code.includes(text));
  });
}
