// Enforces the layers: checks every import statement of the sources, including type-only and dynamic ones.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The folders of the broker; each may import from those before it. */
const rooms = [
  'options',
  'transport',
  'websocket',
  'auth',
  'accounts',
  'clients',
  'cluster',
  'monitoring/endpoints',
  'monitoring/http',
  'monitoring/system',
].map((room) => `src/broker/${room}`);
/** The folders of the authority; each may import from those before it. */
const pki = ['store', 'issue', 'rotate', 'revoke', 'import', 'verify', 'export'].map(
  (room) => `src/pki/${room}`,
);
/** The folders of the fleet; each may import from those before it. */
const fleet = ['', '/messages', '/authority', '/http', '/nats', '/serve', '/member'].map(
  (room) => `src/fleet${room}`,
);
/** What servers stand on: TLS, and listening sockets with their limits on strangers. */
const serving = ['src/tls', 'src/net'];
const values = ['src', 'src/conf', 'src/protocol', 'src/subjects', 'src/x509'];

/** What a folder may import, besides itself and node:*. */
const layers: Record<string, { folders: string[]; packages: string[] }> = {
  src: { folders: [], packages: [] },
  'src/files': { folders: ['src'], packages: [] },
  'src/x509': { folders: ['src'], packages: [] },
  'src/conf': { folders: ['src', 'src/files'], packages: [] },
  'src/protocol': { folders: ['src'], packages: [] },
  'src/subjects': { folders: ['src'], packages: [] },
  ...inOrder(pki, ['src', 'src/files', 'src/x509']),
  'src/revocation': { folders: ['src', 'src/files', 'src/x509'], packages: [] },
  'src/tls': { folders: ['src', 'src/files', 'src/x509', 'src/conf', 'src/revocation'], packages: [] },
  'src/net': { folders: ['src', 'src/files', 'src/tls'], packages: [] },
  'src/rollout': { folders: ['src', 'src/files', 'src/x509', 'src/conf', 'src/tls'], packages: [] },
  ...inOrder(fleet, [...['src', 'src/files', 'src/x509', 'src/conf'], ...pki, ...serving, 'src/rollout']),
  ...inOrder(rooms, [...values, 'src/files', 'src/revocation', ...serving]),
  'src/broker': { folders: [...values, 'src/files', 'src/revocation', ...serving, ...rooms], packages: [] },
  'src/cli': {
    folders: [...['src', 'src/files', 'src/x509', 'src/conf'], ...pki, ...serving, 'src/rollout', ...fleet],
    packages: ['@oclif/core', 'inquirer'],
  },
  'src/api': {
    folders: [...[...values, 'src/files', ...pki, 'src/tls', 'src/rollout'], ...['src/broker', ...rooms]],
    packages: [],
  },
  'src/index.ts': { folders: ['src', 'src/api'], packages: [] },
  'src/testing': {
    folders: [...values, 'src/files', ...pki, 'src/tls', 'src/rollout', 'src/broker', ...rooms, 'src/api'],
    packages: [],
  },
  commands: {
    folders: [
      ...['src', 'src/files', 'src/x509', 'src/conf', ...pki, ...serving, 'src/rollout', ...fleet],
      ...['src/broker', ...rooms, 'src/cli'],
    ],
    packages: ['@oclif/core'],
  },
};

/** Lets each folder import from `below` and from the folders listed before it. */
function inOrder(folders: readonly string[], below: readonly string[]) {
  return Object.fromEntries(
    folders.map((folder, index) => [
      folder,
      { folders: [...below, ...folders.slice(0, index)], packages: [] },
    ]),
  );
}

/** What encrypts with passwords. */
const passwordBased = ['src/x509/encrypted-key.ts', 'src/x509/pbes2.ts', 'src/x509/pkcs12-cipher.ts'];

/** What signs. */
const signing = ['src/x509/ocsp-response.ts', 'src/x509/sign.ts'];

/** Packages that only the listed files may import. */
const importers: Record<string, string[]> = {
  chokidar: ['src/files/watcher.ts'],
  'prom-client': ['src/net/metrics.ts'],
  '@nats-io/nkeys': ['src/broker/options/nkey.ts'],
  // Resolved there to a file that worker threads load.
  bcryptjs: ['src/broker/auth/password-hashes.ts'],
  '@nats-io/transport-node': ['src/fleet/nats/connection.ts'],
  '@nats-io/services': ['src/fleet/nats/service.ts'],
  jose: ['src/fleet/messages/jws.ts'],
  '@peculiar/x509': ['src/x509/sign.ts'],
  '@peculiar/webcrypto': ['src/x509/sign.ts'],
  'reflect-metadata': ['src/x509/sign.ts'],
  '@peculiar/asn1-cms': ['src/x509/pkcs12.ts'],
  '@peculiar/asn1-ocsp': ['src/x509/ocsp-response.ts'],
  '@peculiar/asn1-pfx': ['src/x509/pkcs12.ts'],
  '@peculiar/asn1-pkcs8': ['src/x509/encrypted-key.ts', 'src/x509/pkcs12.ts'],
  '@peculiar/asn1-schema': [...passwordBased, 'src/x509/pkcs12.ts', ...signing],
  '@peculiar/asn1-x509': [...passwordBased, ...signing],
};

/** Files that stand on slow packages and modules: a command loads them when it needs them, and never as it starts. */
const loadedLate = [
  'src/x509/sign.ts',
  'src/x509/ocsp-response.ts',
  'src/x509/pkcs12.ts',
  ...passwordBased,
  'src/fleet/messages/jws.ts',
  'src/fleet/nats/connection.ts',
  'src/fleet/nats/service.ts',
  // node:http and node:zlib, which most brokers do not need.
  'src/broker/websocket/upgrade-listener.ts',
  'src/broker/websocket/websocket-framing.ts',
];

interface Source {
  path: string;
  folder: string;
  text: string;
  imports: string[];
}

/** Matches static, side-effect, re-exporting and dynamic imports, but not strings that mention one. */
const importStatement = /^(?:import|export)\b(?:[^;'"`]*?\bfrom)?\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

/** Returns the text without comments, so that prose about an import does not count. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

/** Returns the folder of a file in the table; the entry of the package is one of its own. */
function folderOf(path: string): string {
  if (path === 'src/index.ts') return path;
  return path.startsWith('commands/') ? 'commands' : dirname(path);
}

function readSources(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name).split(sep).join('/');
      const text = withoutComments(readFileSync(join(root, path), 'utf8'));
      const imports = [...text.matchAll(importStatement)].map((match) => (match[1] ?? match[2]) as string);
      return { path, folder: folderOf(path), text, imports };
    });
}

const sources = [...readSources('src'), ...readSources('commands')];

function target(source: Source, specifier: string): string {
  return relative(root, resolve(root, dirname(source.path), specifier))
    .split(sep)
    .join('/');
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Returns the paths of the files whose text matches, sorted. */
function filesMatching(pattern: RegExp): string[] {
  return sources
    .filter(({ text }) => pattern.test(text))
    .map(({ path }) => path)
    .sort();
}

describe('architecture', () => {
  it('contains only folders that the layer table lists', () => {
    const unknown = sources.filter(({ folder }) => layers[folder] === undefined).map(({ path }) => path);
    expect(unknown).toEqual([]);
    expect(sources.length).toBeGreaterThan(10);
  });

  it('imports only from the folders that the layer table permits', () => {
    const violations = sources.flatMap((source) =>
      source.imports
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => target(source, specifier))
        .filter((path) => {
          const folder = folderOf(path);
          return folder !== source.folder && !layers[source.folder]?.folders.includes(folder);
        })
        .map((path) => `${source.path} imports ${path}`),
    );
    expect(violations).toEqual([]);
  });

  it('imports packages only where the layer table permits it', () => {
    const violations = sources.flatMap((source) =>
      source.imports
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map(packageName)
        .filter(
          (name) =>
            !(layers[source.folder]?.packages.includes(name) || importers[name]?.includes(source.path)),
        )
        .map((name) => `${source.path} imports ${name}`),
    );
    expect(violations).toEqual([]);
  });

  it('imports files that stand on slow packages dynamically, or only their types', () => {
    const valueImport = /^(?:import|export)\s+(?!type\b)[^;'"`]*?\bfrom\s*'([^']+)'|^import\s*'([^']+)'/gm;
    const early = sources.filter(({ path }) => !loadedLate.includes(path));
    const violations = early.flatMap((source) =>
      [...source.text.matchAll(valueImport)]
        .map((match) => target(source, (match[1] ?? match[2]) as string))
        .filter((path) => loadedLate.includes(path))
        .map((path) => `${source.path} imports ${path}`),
    );
    expect(violations).toEqual([]);
    for (const path of loadedLate) {
      const users = sources.filter((source) => source.imports.some((each) => target(source, each) === path));
      expect(users.length, path).toBeGreaterThan(0);
    }
  });

  it('has no import cycle, not even of type-only imports', () => {
    const edges = new Map(
      sources.map((source) => [
        source.path,
        source.imports
          .filter((specifier) => specifier.startsWith('.'))
          .map((specifier) => target(source, specifier)),
      ]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' > '));
      if (done.has(path) || trail.includes(path)) return;
      for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of edges.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it('writes relative imports with the extension of the file', () => {
    const violations = sources.flatMap((source) =>
      source.imports
        .filter((specifier) => specifier.startsWith('.') && !specifier.endsWith('.ts'))
        .map((specifier) => `${source.path} imports ${specifier}`),
    );
    expect(violations).toEqual([]);
  });

  it('has no catch-all modules: no utils, no types, no barrel files', () => {
    const rooms = sources.filter(({ path }) =>
      /\/(utils?|helpers?|types|common|misc|index|shared)\.ts$/.test(path),
    );
    // The entry of the package is the one file that only hands on what others export.
    expect(rooms.map(({ path }) => path).filter((path) => !path.startsWith('commands/'))).toEqual([
      'src/index.ts',
    ]);
    expect(filesMatching(/^export \* from/m)).toEqual([]);
  });

  it('creates server-side TLS in one file only', () => {
    expect(filesMatching(/\bisServer\b.*\btrue\b|new (tls\.)?TLSSocket\b/)).toEqual(['src/tls/handshake.ts']);
    const named = /\bimport\s*\{[^}]*\bcreate(Secure)?Server\b[^}]*\}\s*from\s*'node:(tls|https|http2)'/;
    expect(filesMatching(named)).toEqual([]);
    expect(filesMatching(/\.create(Secure)?Server\b/)).toEqual([]);
  });

  it('serves page modules that import only one another and never insert HTML', () => {
    const modules = readdirSync(join(root, 'templates/page')).filter((name) => name.endsWith('.js'));
    expect(modules.length).toBeGreaterThan(1);
    for (const name of modules) {
      const whole = readFileSync(join(root, 'templates/page', name), 'utf8');
      expect(whole).toMatch(/^\/\/ /);
      const text = withoutComments(whole);
      const imports = [...text.matchAll(importStatement)].map((match) => match[1] ?? match[2]);
      expect(imports.filter((specifier) => !/^\.\/\w+\.js$/.test(specifier ?? ''))).toEqual([]);
      expect(text).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/,
      );
    }
  });

  it('starts every file with a comment on its purpose', () => {
    const silent = sources.filter(
      ({ path }) => !/^(#!.*\n)?\/[/*]/.test(readFileSync(join(root, path), 'utf8')),
    );
    expect(silent.map(({ path }) => path)).toEqual([]);
  });
});
