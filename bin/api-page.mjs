// Writes docs/api.md from the declarations and docstrings of the built public interface:
//   node bin/api-page.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs/api.md');

const introduction = `# Programming interface

\`npm run docs\` writes this page from the docstrings of the source.

\`natspki\` creates certificates and runs the broker inside a program; \`natspki/testing\` starts servers for a test suite. Both work with
\`import\` and \`require\`, on Node 20.19 and newer, and bring their types along.

\`\`\`js
import { createAuthority, startBroker } from 'natspki';

await createAuthority({ dir: 'certs', clients: ['alice'], config: 'nats.conf' });
const broker = await startBroker({ file: 'nats.conf', port: 0 });
\`\`\`

What is on this page follows [Semantic Versioning](https://semver.org/spec/v2.0.0.html): while the major version is 0, a change that
breaks a program raises the minor version, and the [changelog](../CHANGELOG.md) says so. New options and new members of results may come
with any version. Nothing else in the package is public.

**Errors.** A function that cannot do its work throws a \`NatspkiError\`. Its \`code\` is one of [codes.md](codes.md) and stays the same;
its message and its hint are for people and may change. Any other exception is a defect of natspki. A function that writes either
writes everything or nothing, and functions and commands of several processes take turns on one folder.

**Private keys** are written to files with mode 0600. No result, error or log contains one.
`;

/** Renders the page from dist/api. */
export function renderPage() {
  return [
    introduction,
    section('natspki', 'index.d.ts'),
    section('natspki/testing', 'testing/test-nats.d.ts'),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

function section(title, entry) {
  const path = join(root, 'dist/api', entry);
  const text = readFileSync(path, 'utf8');
  const files = [...text.matchAll(/^export \{([^}]*)\} from '(.*)\.js';$/gm)];
  const declared =
    files.length === 0
      ? declarationsIn(path)
      : files.flatMap(([, names, file]) => {
          const wanted = names.split(',').map((name) => name.replace('type ', '').trim());
          return declarationsIn(join(dirname(path), `${file}.d.ts`)).filter(({ name }) =>
            wanted.includes(name),
          );
        });
  // A reader looks for functions, and from them for their types.
  const isFunction = ({ kind }) => kind === 'function';
  const ordered = [...declared.filter(isFunction), ...declared.filter((each) => !isFunction(each))];
  return [`## \`${title}\`\n`, ...ordered.map(render)].join('\n');
}

/** Finds the exported declarations of a file, each with its docstring as prose. */
function declarationsIn(path) {
  const text = readFileSync(path, 'utf8');
  const pattern =
    /(?:^\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^export (?:declare )?((function|interface|type|class) (\w+)[\s\S]*?(?:;|\})$)(?=\n(?:\/\*\*|export|\s*$))/gm;
  return [...text.matchAll(pattern)].map(([, docstring, code, kind, name]) => {
    if (docstring === undefined) throw new Error(`"${name}" in "${path}" has no docstring`);
    return { name, kind, prose: proseOf(docstring), code: code.replace(/^ *#private;\n/m, '') };
  });
}

/** Joins the lines of a docstring, one paragraph a line. */
function proseOf(docstring) {
  const lines = docstring.split('\n').map((line) => line.replace(/^\s*\* ?/, '').trim());
  return lines.join(' ').trim();
}

function render({ name, kind, prose, code }) {
  const title = kind === 'function' ? `${name}()` : name;
  return `### \`${title}\`\n\n${prose}\n\n\`\`\`ts\n${code.replaceAll('    ', '  ')}\n\`\`\`\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(page, renderPage());
