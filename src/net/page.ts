// The HTML pages of this program: their files in `templates/page`, and the policy under which a browser shows them. A page
// loads nothing from other origins, which its Content-Security-Policy enforces.
import { readFileSync } from 'node:fs';
import { packageFile } from '../files/package-files.ts';
import { fillTemplate } from '../files/templates.ts';
import type { Answer } from './answer.ts';

/** The Content-Security-Policy of a page: it may load from its own server only. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const types: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The files that all pages load. */
const shared = ['poll.js', 'document.js', 'format.js', 'certificates.js', 'page.css', 'icon.svg'];

/** Reads the files of a page; returns them by URL path. @param own the names of those that only this page loads */
export function readAssets(own: readonly string[]): ReadonlyMap<string, Answer> {
  return new Map(
    [...shared, ...own].map((name) => {
      const type = types[name.slice(name.lastIndexOf('.') + 1)] as string;
      return [`/page/${name}`, { status: 200, type, body: readPageFile(name) }];
    }),
  );
}

/** The files that the HTML of a page is made of, before they are filled. */
export interface PageTemplate {
  /** What surrounds the content of every page. */
  readonly frame: string;
  readonly content: string;
  /** The name of the module that fills the content in the browser. */
  readonly script: string;
}

/** Reads the content of a page, `templates/page/NAME.html`, whose script is `NAME.js`, and the frame around it. */
export function readPage(name: string): PageTemplate {
  const [frame, content] = [readPageFile('frame.html'), readPageFile(`${name}.html`)];
  return { frame, content: content.trimEnd(), script: `${name}.js` };
}

function readPageFile(name: string): string {
  return readFileSync(packageFile(`templates/page/${name}`), 'utf8');
}

/**
 * Returns the HTML of a page.
 * @param texts by placeholder; escaped here
 * @param links items of a list, as HTML
 */
export function htmlPage(
  { frame, content, script }: PageTemplate,
  texts: Readonly<Record<string, string>>,
  links: readonly string[],
): Answer {
  const escaped = Object.entries(texts).map(([name, text]) => [name, escapeHtml(text)]);
  const values = { ...Object.fromEntries(escaped), links: links.join('\n'), content, script };
  const body = fillTemplate(frame, 'page', values);
  return { status: 200, type: 'text/html; charset=utf-8', body, policy };
}

/** Returns the items for links to the endpoints of a page. @param base the relative URL from the page to them */
export function linkItems(base: string, paths: readonly string[]): string[] {
  return paths.map(
    (path) => `<li><a href="${escapeHtml(base + path.slice(1))}">${escapeHtml(path)}</a></li>`,
  );
}

function escapeHtml(raw: string): string {
  return raw.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
