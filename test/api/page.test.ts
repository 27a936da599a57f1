// docs/api.md is what the docstrings say, and its example runs.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const page = readFileSync(join(root, 'docs/api.md'), 'utf8');

it('is what `npm run docs` writes', async () => {
  const { renderPage } = await import(join(root, 'bin/api-page.mjs'));
  expect(page).toBe(renderPage());
});

it('explains every function and type that the package exports', async () => {
  for (const entry of ['natspki', 'natspki/testing']) {
    for (const name of Object.keys(await import(entry)))
      expect(page).toMatch(new RegExp(`^### .${name}\\b`, 'm'));
  }
});

it('begins with an example that works', async () => {
  const folder = testFolder('api-page');
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/natspki'));
  const [, example] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  writeFileSync(join(folder, 'example.mjs'), `${example}\nconsole.log(broker.url);\nawait broker.close();\n`);
  expect(await run([process.execPath, 'example.mjs'], { folder })).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^tls:\/\/127\.0\.0\.1:\d+\n$/),
  });
});
