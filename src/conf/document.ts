// Parses a configuration into its syntax tree for the editors, or throws every problem in it.

import { ConfErrors, confProblem } from './error.ts';
import { locateIn } from './locate.ts';
import { parseSyntax } from './syntax.ts';
import type { DocumentNode } from './tree.ts';

/**
 * Parses a text; throws ConfErrors when it is invalid.
 * @param file the name of the text in messages
 */
export function readDocument(text: string, file: string): DocumentNode {
  const { document, problems } = parseSyntax(text);
  if (problems.length === 0) return document;
  const locate = locateIn(text, file);
  throw new ConfErrors(
    problems.map(({ offset, message, hint }) => confProblem('error', locate(offset), message, hint)),
  );
}
