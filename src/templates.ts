// The configuration templates of the package: names them, reads them, puts values in place of {{placeholders}}.
// What the values are, and how they are quoted, is the caller's business.
import { readFileSync } from 'node:fs';
import { NatspkiError } from './errors.ts';
import { packageFile } from './package-files.ts';

/** Lists the templates with what each is for, the default first. */
export const templates = {
  verify: 'mutual TLS: every client shows a certificate',
  basic: 'TLS: clients need no certificate',
  'verify-and-map': 'mutual TLS: the certificate of a client names its user',
  'high-security': 'mutual TLS 1.3 only, strong ciphers, modern curves',
  cluster: 'mutual TLS for clients and, apart, between the nodes',
  'multi-certificate': 'mutual TLS with a certificate for each domain',
} as const;
export type TemplateName = keyof typeof templates;

const placeholder = /\{\{([^{}]*)\}\}/g;

/** Reads a template of this package and fills it; see fillTemplate. */
export function renderTemplate(name: TemplateName, values: Readonly<Record<string, string>>): string {
  return fillTemplate(readFileSync(packageFile(`templates/${name}.conf`), 'utf8'), name, values);
}

/**
 * Puts `values` in place of the placeholders; they are text of the configuration language already, quoted where they
 * have to be. Further lines of a value are indented like the line of its placeholder.
 * Throws `template` for a placeholder without a value or without an end, and for a value that nothing asks for.
 * @param name of the template, for errors
 */
export function fillTemplate(text: string, name: string, values: Readonly<Record<string, string>>): string {
  const unused = new Set(Object.keys(values));
  const filled = text.replace(placeholder, (_whole, key: string, offset: number) => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (value === undefined) throw templateError(name, `has the unknown placeholder {{${key}}}`);
    unused.delete(key);
    const [indent = ''] = /^ */.exec(text.slice(text.lastIndexOf('\n', offset) + 1)) ?? [];
    return value.replaceAll('\n', `\n${indent}`);
  });
  if (text.replace(placeholder, '').includes('{{'))
    throw templateError(name, 'has a placeholder without an end');
  const [extra] = unused;
  if (extra !== undefined) throw templateError(name, `has no placeholder {{${extra}}}`);
  return filled;
}

function templateError(name: string, what: string): NatspkiError {
  return new NatspkiError('template', `template "${name}" ${what}`);
}
