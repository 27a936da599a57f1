// Fills the configuration templates of the package: names them, reads them, puts values of the configuration language
// in place of {{placeholders}}. What the values are is the caller's business.
import { readFileSync } from 'node:fs';
import { NatspkiError } from './errors.ts';

/** Lists the templates with what each is for, the default first. */
export const templates = {
  verify: 'mutual TLS, every client shows a certificate',
  basic: 'TLS, clients need no certificate',
  'verify-and-map': 'mutual TLS, the certificate of a client says which user it is',
  'high-security': 'mutual TLS 1.3 only, with strong ciphers and modern curves',
  cluster: 'mutual TLS for clients and, separately, for the routes between nodes',
  'multi-certificate': 'mutual TLS with a certificate for each domain',
} as const;
export type TemplateName = keyof typeof templates;

/** A value of the configuration language; an array of maps is printed one map a line. */
export type TemplateValue =
  | string
  | number
  | readonly TemplateValue[]
  | { readonly [key: string]: TemplateValue };

const placeholder = /\{\{([^{}]*)\}\}/g;

/** Reads a template of this package and fills it; see fillTemplate. */
export function renderTemplate(name: TemplateName, values: Readonly<Record<string, TemplateValue>>): string {
  return fillTemplate(readFileSync(templateUrl(name), 'utf8'), name, values);
}

/**
 * Puts `values` in place of the placeholders, quoted for the configuration language.
 * Throws `template` for a placeholder without a value, for one that is not a plain {{name}}, and for a value that no
 * placeholder asks for.
 * @param name of the template, for errors
 */
export function fillTemplate(
  text: string,
  name: string,
  values: Readonly<Record<string, TemplateValue>>,
): string {
  const unused = new Set(Object.keys(values));
  const filled = text.replace(placeholder, (_whole, key: string, offset: number) => {
    if (!Object.hasOwn(values, key)) throw templateError(name, `has the unknown placeholder {{${key}}}`);
    unused.delete(key);
    const [indent = ''] = /^ */.exec(text.slice(text.lastIndexOf('\n', offset) + 1)) ?? [];
    return literal(values[key] as TemplateValue, indent);
  });
  if (text.replace(placeholder, '').includes('{{'))
    throw templateError(name, 'has a placeholder that does not end');
  const [extra] = unused;
  if (extra !== undefined) throw templateError(name, `has no placeholder {{${extra}}}`);
  return filled;
}

function templateError(name: string, what: string): NatspkiError {
  return new NatspkiError('template', `template "${name}" ${what}`);
}

/** The folder is beside this file's `src`, which the build puts below `dist`. */
function templateUrl(name: TemplateName): URL {
  const inDist = new URL('.', import.meta.url).pathname.endsWith('/dist/src/');
  return new URL(`${inDist ? '../..' : '..'}/templates/${name}.conf`, import.meta.url);
}

/** Prints a value as nats-server's lexer reads it (conf/lex.go); arrays of more than plain values take several lines. */
function literal(value: TemplateValue, indent: string): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return quoted(value);
  const inner = `${indent}  `;
  if (isArray(value)) {
    return value.length === 0
      ? '[]'
      : `[\n${value.map((item) => `${inner}${literal(item, inner)}`).join('\n')}\n${indent}]`;
  }
  const entries = Object.entries(value).map(([key, item]) => `${key}: ${literal(item, inner)}`);
  return `{${entries.join(', ')}}`;
}

function isArray(value: TemplateValue): value is readonly TemplateValue[] {
  return Array.isArray(value);
}

const escapes: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The escapes are those of double-quoted strings: backslash, quote, \n, \r, \t and \xHH for other control characters. */
function quoted(text: string): string {
  const body = text.replace(
    /[\\"\p{Cc}]/gu,
    (character) => escapes[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${body}"`;
}
