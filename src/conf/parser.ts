// Parses nats-server's configuration language into typed values: opens includes and resolves variables (the rules of
// nats-server conf/parse.go). It does not interpret options. It accepts what nats-server accepts, with the same meaning,
// except where nats-server would silently lose or change a value: such a text is an error here.

import { dirname, isAbsolute, join, resolve } from 'node:path';
import { NatspkiError } from '../errors.ts';
import { given } from '../given.ts';
import { type ConfProblem, confProblem, throwOnErrors } from './error.ts';
import { MAX_FILE_SIZE, readConfFile } from './file.ts';
import { type Locate, locateIn } from './locate.ts';
import { MAX_DEPTH, parseSyntax, TOO_DEEP } from './syntax.ts';
import type { ArrayNode, IncludeNode, MapNode, MemberNode, ValueNode } from './tree.ts';
import type { ArrayValue, Entry, MapValue, Position, Value } from './value.ts';

/** The origin of a configuration, and its environment. */
export interface ParseOptions {
  /** The name of the file in messages; includes are read relative to its folder. */
  readonly file: string;
  /** Reads an included file; the default reads from the disk. */
  readonly readFile?: (path: string) => string;
  /** Where `$NAME` is looked up when no block in scope defines it; the default is `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Parses a configuration with its includes and variables; throws ConfErrors with every error found. */
export function parseConf(text: string, options: ParseOptions): MapValue {
  return new ConfParser(options).parse(text, options.file);
}

/**
 * Reads and parses a configuration file. `files` lists it and all its includes, for a watcher; `silent` lists those of
 * them without an entry. Throws NatspkiError when the file cannot be read, and ConfErrors when it is invalid.
 */
export function loadConf(path: string): { root: MapValue; files: string[]; silent: string[] } {
  const parser = new ConfParser({ file: path });
  const root = parser.parse(readNamed(path), path);
  const silent = root.entries.size === 0 ? [path] : parser.silent;
  return { root, files: [path, ...parser.included], silent };
}

function readNamed(path: string): string {
  try {
    return readConfFile(path);
  } catch (error) {
    if (!(error instanceof NatspkiError) || error.code !== 'file-missing') throw error;
    const hint = '`natspki init` writes one';
    throw new NatspkiError(error.code, error.message, { hint, cause: error });
  }
}

/** Maximum depth of includes, and of environment variables that refer to each other. */
const MAX_CHAIN = 16;
const MAX_INCLUDES = 256;
const MAX_PROBLEMS = 50;
/** Maximum number of values in a configuration; the values that a variable repeats count each time. */
const MAX_VALUES = 1_000_000;
/** The key under which the text of an environment variable is parsed, as in nats-server. */
const ENVIRONMENT_KEY = 'pk';

type MutableEntry = Entry & { referenced: boolean };

/** The entries read so far of a block and of the blocks around it, within one file. */
interface Scope {
  readonly entries: Map<string, MutableEntry>;
  readonly outer: Scope | undefined;
}

/** A text that is being read: a file or the value of an environment variable. */
interface Source {
  readonly locate: Locate;
  readonly folder: string;
  /** The files that are being read, outermost first, as absolute paths. */
  readonly openFiles: readonly string[];
  /** The environment variables that are being resolved, outermost first. */
  readonly openVariables: readonly string[];
}

/** Thrown when a limit is reached, after the problem is recorded. */
class LimitReached extends Error {}

class ConfParser {
  readonly included: string[] = [];
  /** Included files without an entry. */
  readonly silent: string[] = [];
  readonly #problems: ConfProblem[] = [];
  readonly #readFile: (path: string) => string;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #weights = new WeakMap<Value, { size: number; depth: number }>();
  #values = 0;
  #depth = 0;

  constructor({ readFile = readConfFile, environment = process.env }: ParseOptions) {
    this.#readFile = readFile;
    this.#environment = environment;
  }

  parse(text: string, file: string): MapValue {
    const position: Position = { file, line: 1, column: 1, offset: 0 };
    let entries = new Map<string, MutableEntry>();
    try {
      entries = this.#readFileText(text, file, []);
    } catch (error) {
      if (!(error instanceof LimitReached)) throw error;
    }
    throwOnErrors(this.#problems);
    return { kind: 'map', entries, position };
  }

  #readFileText(text: string, file: string, openFiles: readonly string[]): Map<string, MutableEntry> {
    const locate = locateIn(text, file);
    if (text.startsWith('\ufeff')) {
      // nats-server makes it part of the first key.
      this.#error(
        locate(0),
        'the file starts with a byte order mark',
        `sed -i '1s/^\\xEF\\xBB\\xBF//' ${file}`,
      );
    }
    return this.#readText(text, {
      locate,
      folder: dirname(file),
      openFiles: [...openFiles, resolve(file)],
      openVariables: [],
    });
  }

  #readText(text: string, source: Source): Map<string, MutableEntry> {
    if (text.length > MAX_FILE_SIZE) {
      this.#error(source.locate(0), `larger than ${MAX_FILE_SIZE} characters`);
      return new Map();
    }
    const { document, problems } = parseSyntax(text);
    for (const { offset, message, hint } of problems) {
      const position = source.locate(offset);
      // nats-server misses a closing bracket or quote only at the end.
      const stop = message.endsWith('is never closed') ? source.locate(text.length) : position;
      this.#error(position, message, hint, stop.line);
    }
    return problems.length > 0 ? new Map() : this.#readMembers(document.members, source, undefined);
  }

  #readMembers(
    members: readonly MemberNode[],
    source: Source,
    outer: Scope | undefined,
  ): Map<string, MutableEntry> {
    const entries = new Map<string, MutableEntry>();
    const scope = { entries, outer };
    for (const member of members) {
      if (member.kind === 'include') {
        for (const [key, entry] of this.#include(member, source)) entries.set(key, entry);
        continue;
      }
      const value = this.#readValue(member.value, source, scope);
      if (value === undefined) continue;
      const { key, start } = member;
      entries.set(key, { key, keyPosition: source.locate(start), value, referenced: false });
    }
    return entries;
  }

  /** Returns undefined after recording a problem. */
  #readValue(node: ValueNode, source: Source, scope: Scope): Value | undefined {
    const position = source.locate(node.start);
    if (node.kind === 'variable') return this.#resolve(node.name, position, source, scope);
    if (node.kind === 'map' || node.kind === 'array') {
      if (this.#depth >= MAX_DEPTH) this.#reachLimit(position, TOO_DEEP);
      this.#depth++;
      const container = this.#readContainer(node, position, source, scope);
      this.#depth--;
      return this.#weigh(container);
    }
    const { start, end, ...literal } = node;
    this.#count(1, position);
    return { ...literal, position };
  }

  #readContainer(
    node: ArrayNode | MapNode,
    position: Position,
    source: Source,
    scope: Scope,
  ): ArrayValue | MapValue {
    if (node.kind === 'map') {
      return { kind: 'map', entries: this.#readMembers(node.members, source, scope), position };
    }
    const items = node.items.map((item) => this.#readValue(item, source, scope));
    return { kind: 'array', items: items.filter((item) => item !== undefined), position };
  }

  /** Resolves `$NAME`: keeps a bcrypt hash as it is, then searches the blocks from the inside out, then the environment. */
  #resolve(name: string, position: Position, source: Source, scope: Scope): Value | undefined {
    if (name.startsWith('2a$')) return { kind: 'string', value: `$${name}`, position };
    for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
      const entry = at.entries.get(name);
      if (entry === undefined) continue;
      entry.referenced = true;
      return this.#repeat(entry.value, position);
    }
    const text = Object.hasOwn(this.#environment, name) ? this.#environment[name] : undefined;
    if (text !== undefined) return this.#resolveFromEnvironment(name, text, position, source);
    // The message does not contain the name: it may be an unquoted password.
    this.#error(
      position,
      'this variable has no value',
      'set it in the environment or earlier in the file, or put quotes around a string that starts with "$"',
    );
    return undefined;
  }

  #resolveFromEnvironment(name: string, text: string, position: Position, source: Source): Value | undefined {
    if (source.openVariables.includes(name)) {
      this.#error(position, `the environment variable ${name} refers to itself`);
      return undefined;
    }
    if (source.openVariables.length >= MAX_CHAIN) {
      this.#error(position, `environment variables refer to each other more than ${MAX_CHAIN} levels deep`);
      return undefined;
    }
    const before = this.#problems.length;
    const entries = this.#readText(`${ENVIRONMENT_KEY}=${text}`, {
      locate: () => position,
      folder: '.',
      openFiles: source.openFiles,
      openVariables: [...source.openVariables, name],
    });
    const [problem] = this.#problems.splice(before);
    if (problem === undefined) return entries.get(ENVIRONMENT_KEY)?.value;
    this.#error(position, `in the environment variable ${name}: ${problem.message}`, problem.hint);
    return undefined;
  }

  #include(node: IncludeNode, source: Source): Map<string, MutableEntry> {
    const position = source.locate(node.start);
    const file = join(source.folder, node.name);
    const refusal = this.#refuseInclude(file, source);
    if (refusal !== undefined) {
      this.#error(position, refusal);
      return new Map();
    }
    this.included.push(file);
    let text: string;
    try {
      text = this.#readFile(file);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      const hint = isAbsolute(node.name)
        ? 'the name is relative to the folder of this file, even with a leading /'
        : error.hint;
      this.#error(position, `cannot include: ${error.message}`, hint);
      return new Map();
    }
    const entries = this.#readFileText(text, file, source.openFiles);
    if (entries.size === 0) this.silent.push(file);
    return entries;
  }

  #refuseInclude(file: string, { openFiles }: Source): string | undefined {
    if (openFiles.includes(resolve(file))) return `"${file}" includes itself`;
    if (openFiles.length > MAX_CHAIN) return `files include each other more than ${MAX_CHAIN} levels deep`;
    return this.included.length >= MAX_INCLUDES ? `more than ${MAX_INCLUDES} files are included` : undefined;
  }

  /** Copies a value to another position. The content of a block or array counts and nests as if written again. */
  #repeat(value: Value, position: Position): Value {
    const weight = this.#weights.get(value);
    const repeated = { ...value, position };
    this.#count(weight?.size ?? 1, position);
    if (weight !== undefined) this.#weights.set(repeated, weight);
    return repeated;
  }

  /** Records the size and the depth of a new block or array. */
  #weigh(container: ArrayValue | MapValue): Value {
    const isMap = container.kind === 'map';
    const children = isMap ? Array.from(container.entries.values(), ({ value }) => value) : container.items;
    let [size, depth] = [1, 0];
    for (const child of children) {
      const weight = this.#weights.get(child) ?? { size: 1, depth: 0 };
      size += weight.size;
      depth = Math.max(depth, weight.depth);
    }
    if (depth >= MAX_DEPTH) this.#reachLimit(container.position, TOO_DEEP);
    this.#weights.set(container, { size, depth: depth + 1 });
    this.#count(1, container.position);
    return container;
  }

  #count(values: number, position: Position): void {
    this.#values += values;
    if (this.#values > MAX_VALUES) this.#reachLimit(position, `more than ${MAX_VALUES} values`);
  }

  #reachLimit(position: Position, message: string): never {
    this.#problems.push(confProblem('error', position, message));
    throw new LimitReached();
  }

  #error(position: Position, message: string, hint?: string, parseErrorLine?: number): void {
    this.#problems.push({ ...confProblem('error', position, message, hint), ...given({ parseErrorLine }) });
    if (this.#problems.length >= MAX_PROBLEMS) throw new LimitReached();
  }
}
