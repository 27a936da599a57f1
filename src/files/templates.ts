// The configuration templates of the package: lists them, reads them, and replaces their {{placeholders}} with values.
// The caller provides the values, quoted where necessary.
import { readFileSync } from 'node:fs';
import { NatspkiError } from '../errors.ts';
import { packageFile } from './package-files.ts';

/** The templates with a description of each, the default first. */
export const templates = {
  verify: 'mutual TLS: every client presents a certificate',
  basic: 'TLS: clients need no certificate',
  'verify-and-map': 'mutual TLS: the certificate of a client selects its user',
  'high-security': 'mutual TLS 1.3 only, strong ciphers, modern curves',
  cluster: 'mutual TLS for clients and, separately, between nodes',
  'multi-certificate': 'mutual TLS with a certificate for each domain',
} as const;
export type TemplateName = keyof typeof templates;

const placeholder = /\{\{([^{}]*)\}\}/g;

/** Reads a template of this package and fills it in; see fillTemplate. */
export function renderTemplate(name: TemplateName, values: Readonly<Record<string, string>>): string {
  return fillTemplate(readFileSync(packageFile(`templates/${name}.conf`), 'utf8'), name, values);
}

/**
 * Replaces the placeholders with `values`, which are text of the configuration language, quoted where necessary.
 * All lines of a value but the first are indented like the line of its placeholder.
 * Throws `template` for a placeholder without a value, an unterminated placeholder and a value without a placeholder.
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
    throw templateError(name, 'has an unterminated placeholder');
  const [extra] = unused;
  if (extra !== undefined) throw templateError(name, `has no placeholder {{${extra}}}`);
  return filled;
}

function templateError(name: string, what: string): NatspkiError {
  return new NatspkiError('template', `template "${name}" ${what}`);
}
