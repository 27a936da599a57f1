// Parses the syntax of nats-server's configuration language into a tree (the rules of nats-server conf/lex.go). It
// resolves no variable and opens no include. It keeps its own stack, so that deep nesting cannot exhaust the call stack.

import { Refusal, runEnd, scanScalar } from './scalar.ts';
import type { DocumentNode, MemberNode, ValueNode } from './tree.ts';

/** A syntax error in the text. */
export interface SyntaxProblem {
  readonly offset: number;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Maximum nesting of blocks and arrays, including those in the value of a variable. */
export const MAX_DEPTH = 100;
export const TOO_DEEP = `nested deeper than ${MAX_DEPTH} levels`;
const MAX_PROBLEMS = 20;
// One line can have many errors; only its first is reported.
const MAX_REFUSALS = 200;

/** Parses a whole text. Problems are in the order of the text; the document holds what could be parsed around them. */
export function parseSyntax(text: string): { document: DocumentNode; problems: SyntaxProblem[] } {
  return new SyntaxReader(text).read();
}

interface Key {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** The content of the whole text, of a block around the whole text, or of a map. */
interface Body {
  readonly kind: 'top' | 'block' | 'map';
  readonly start: number;
  readonly key: Key | undefined;
  readonly members: MemberNode[];
}
interface List {
  readonly kind: 'array';
  readonly start: number;
  readonly key: Key | undefined;
  readonly items: ValueNode[];
}
type Frame = Body | List;

// Go's unicode.IsSpace. JavaScript's \s lacks NEL and includes the byte order mark.
const SPACE = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*/y;
const BLANK = /[\t ]*/y;
const COMMENT = /(?:#|\/\/)[^\n\r]*/y;
const BARE_KEY = /[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000=:{]*/y;
const NUMBER_AND_BRACKET = /(?:\p{Nd}+|-?\p{Nd}+[kmgtpe][bi]*)\]/iuy;
const BARE_INCLUDE = /[^\n\r;}\t ']*/y;
// Where parsing continues after an error: at a character that can end a value in the frame.
const RESUME = { top: /\n/g, block: /[\n;,}]/g, map: /[\n;,}]/g, array: /[\n,\]]/g };
const CLOSING = { block: '}', map: '}', array: ']' };
const BYTE_ORDER_MARK = '\ufeff';

class SyntaxReader {
  readonly #text: string;
  readonly #problems: SyntaxProblem[] = [];
  readonly #top: Body = { kind: 'top', start: 0, key: undefined, members: [] };
  readonly #frames: Frame[] = [this.#top];
  #at = 0;
  // What is expected next in the innermost frame; after a block within a block it is 'end of block'.
  #next: 'member' | 'end of value' | 'end of block' = 'member';
  #closingBrace: number | undefined;
  #lastValue: ValueNode | undefined;
  #quietUntil = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith(BYTE_ORDER_MARK)) this.#at = 1;
  }

  read(): { document: DocumentNode; problems: SyntaxProblem[] } {
    // nats-server treats the character as the end of the file in some places, and as text in others.
    const nul = this.#text.indexOf('\0');
    if (nul >= 0) this.#report(nul, 'unexpected NUL character', 'save the file as UTF-8');
    else this.#readAll();
    return {
      document: { members: this.#top.members, closingBrace: this.#closingBrace },
      problems: this.#problems,
    };
  }

  #readAll(): void {
    for (let refusals = 0; refusals < MAX_REFUSALS; refusals++) {
      try {
        while (this.#step()) {}
        return;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#report(error.offset, error.message, error.hint);
        if (error.final || this.#problems.length >= MAX_PROBLEMS || !this.#resume(error.offset)) return;
      }
    }
  }

  /** Parses the next piece; returns false at the end of the text. */
  #step(): boolean {
    const frame = this.#frame();
    if (this.#next !== 'member') return this.#readEnd(frame);
    this.#skip(SPACE);
    if (this.#skip(COMMENT)) return true;
    if (this.#at >= this.#text.length) return this.#finish(frame);
    if (frame.kind === 'array') this.#readItem();
    else if (frame.kind === 'map') this.#readMapMember(frame);
    else this.#readTopMember(frame);
    return true;
  }

  #readItem(): void {
    const character = this.#text[this.#at];
    if (character === ']') this.#close();
    else if (character === ',' || character === '/') {
      throw new Refusal(this.#at, `expected a value or "]", found "${character}"`, {
        hint: character === '/' ? 'put quotes around a path' : undefined,
      });
    } else {
      // nats-server parses such a number as a string, and usually makes the bracket part of it.
      const end = runEnd(NUMBER_AND_BRACKET, this.#text, this.#at);
      if (end > this.#at) throw new Refusal(end - 1, 'expected a space before "]"');
      this.#readValue(undefined);
    }
  }

  #readMapMember(frame: Body): void {
    const character = this.#text[this.#at];
    if (character === '}') this.#close();
    else if (character === ']' || character === '{') {
      throw new Refusal(this.#at, `expected a key or "}", found "${character}"`);
    } else this.#readMember(frame);
  }

  #readTopMember(frame: Body): void {
    const character = this.#text[this.#at];
    if (character === '{') {
      this.#open({ kind: 'block', start: this.#at, key: undefined, members: this.#top.members });
      this.#at++;
    } else if (character === '}') this.#readTopBrace(frame);
    else this.#readMember(frame);
  }

  #readTopBrace(frame: Body): void {
    const brace = this.#at;
    this.#at++;
    if (frame.kind === 'block') {
      this.#frames.pop();
      this.#closingBrace ??= brace;
      this.#next = this.#frames.length > 1 ? 'end of block' : 'member';
      return;
    }
    this.#skip(SPACE);
    // An unmatched brace may end the file (nats-server conf/parse.go allows it for JSON).
    if (this.#at >= this.#text.length) this.#closingBrace ??= brace;
    else this.#report(brace, 'unmatched "}"');
  }

  /** Reads `key value` or `include NAME`. */
  #readMember(frame: Body): void {
    if (frame.kind !== 'map') this.#closingBrace = undefined;
    const first = this.#text[this.#at];
    if (first === '=' || first === ':') throw new Refusal(this.#at, `expected a key, found "${first}"`);
    // Within a map nats-server drops the slash and uses the rest as the key.
    if (first === '/') {
      throw new Refusal(this.#at, 'expected a key, found "/"', { hint: 'a comment starts with // or #' });
    }
    const isQuoted = first === '"' || first === "'";
    const key = isQuoted ? this.#readQuoted() : this.#readBareKey();
    if (!isQuoted && key.name.toLowerCase() === 'include' && runEnd(SPACE, this.#text, key.end) > key.end) {
      this.#readInclude(frame, key);
    } else this.#readEntry(frame, key);
  }

  /** Reads a quoted key or the quoted name of an include; neither has escapes. */
  #readQuoted(): Key {
    const start = this.#at;
    const close = this.#text.indexOf(this.#text.charAt(start), start + 1);
    if (close < 0) throw new Refusal(start, 'this quote is never closed', { final: true });
    this.#at = close + 1;
    return { name: this.#text.slice(start + 1, close), start, end: this.#at };
  }

  #readBareKey(): Key {
    const start = this.#at;
    // The first character of a key may be anything that the callers have not handled.
    this.#at = runEnd(BARE_KEY, this.#text, start + 1);
    // nats-server makes the brace part of the key.
    if (this.#text[this.#at] === '{') this.#report(this.#at, 'expected a space before "{"');
    return { name: this.#text.slice(start, this.#at), start, end: this.#at };
  }

  #readEntry(frame: Body, key: Key): void {
    this.#skip(SPACE);
    const separated = this.#text[this.#at] === '=' || this.#text[this.#at] === ':';
    if (separated) this.#at++;
    if (frame.kind === 'map') this.#skip(SPACE);
    else this.#skip(BLANK);
    const character = this.#text[this.#at];
    // In a map nats-server would lose a key before the brace, and give its name to the map.
    const isMissing = frame.kind === 'map' && (character === ',' || character === '}');
    const isCutOff = character === undefined && (frame.kind === 'map' || !separated);
    if (isMissing || isCutOff) throw new Refusal(key.start, 'this key has no value');
    this.#readValue(key);
  }

  #readInclude(frame: Body, key: Key): void {
    this.#skip(BLANK);
    const start = this.#at;
    if (this.#text[start] === '"' || this.#text[start] === "'") {
      this.#addInclude(frame, key, this.#readQuoted().name);
      return;
    }
    if (/^[[{(\-\\\n\r\p{Nd}]/u.test(this.#text.slice(start, start + 2))) {
      throw new Refusal(start, 'expected the name of a file to include', { hint: 'put quotes around it' });
    }
    const end = runEnd(BARE_INCLUDE, this.#text, start);
    this.#at = this.#text[end] === "'" ? end + 1 : end;
    this.#addInclude(frame, key, this.#text.slice(start, end));
  }

  #addInclude(frame: Body, key: Key, name: string): void {
    frame.members.push({ kind: 'include', start: key.start, end: this.#at, name });
    this.#next = 'end of value';
    this.#lastValue = undefined;
  }

  #readValue(key: Key | undefined): void {
    this.#skip(BLANK);
    const start = this.#at;
    const character = this.#text[start];
    if (character === '[') this.#open({ kind: 'array', start, key, items: [] });
    else if (character === '{') this.#open({ kind: 'map', start, key, members: [] });
    else {
      const scalar = scanScalar(this.#text, start);
      this.#at = scalar.end;
      this.#add(key, scalar);
      return;
    }
    this.#at++;
  }

  #open(frame: Frame): void {
    if (this.#frames.length > MAX_DEPTH) throw new Refusal(frame.start, TOO_DEEP, { final: true });
    this.#frames.push(frame);
    this.#next = 'member';
  }

  /** Closes the current array or map at its bracket, and adds it to the frame around it. */
  #close(): void {
    const frame = this.#frames.pop();
    this.#at++;
    const end = this.#at;
    if (frame?.kind === 'array') {
      this.#add(frame.key, { kind: 'array', start: frame.start, end, items: frame.items });
    } else if (frame?.kind === 'map') {
      this.#add(frame.key, { kind: 'map', start: frame.start, end, members: frame.members });
    }
  }

  #add(key: Key | undefined, value: ValueNode): void {
    const frame = this.#frame();
    if (frame.kind === 'array') frame.items.push(value);
    else if (key !== undefined) {
      frame.members.push({ kind: 'entry', start: key.start, end: value.end, key: key.name, value });
    }
    this.#lastValue = value;
    this.#next = 'end of value';
  }

  /** Reads what may occur between a value and the next member; returns false at the end of the text. */
  #readEnd(frame: Frame): boolean {
    this.#skip(BLANK);
    const character = this.#text[this.#at];
    if (this.#skip(COMMENT)) {
      if (frame.kind === 'top' || this.#next === 'end of block') this.#next = 'member';
    } else if (character === undefined) return this.#finish(frame);
    else if (character === '\n' || character === '\r') {
      if (this.#next === 'end of value') this.#next = 'member';
      this.#at++;
    } else if (character === '/') {
      // A single slash separates like a comma in maps and arrays, and is ignored elsewhere.
      if (frame.kind === 'map' || frame.kind === 'array') this.#next = 'member';
      this.#at++;
    } else if (character === ',' || (character === ';' && frame.kind !== 'array')) {
      this.#next = 'member';
      this.#at++;
    } else if (frame.kind !== 'top' && character === CLOSING[frame.kind]) {
      if (frame.kind === 'block') this.#readTopBrace(frame);
      else this.#close();
    } else if (frame.kind === 'top' && character === '}') {
      this.#next = 'member';
      this.#at++;
    } else throw this.#unexpectedAfterValue(frame);
    return true;
  }

  #unexpectedAfterValue(frame: Frame): Refusal {
    const expected = frame.kind === 'array' ? 'a comma, a new line or "]"' : 'a new line, a comma or "}"';
    const last = this.#lastValue;
    const spansLines = last?.kind === 'string' && this.#text.slice(last.start, last.end).includes('\n');
    return new Refusal(
      this.#at,
      `expected ${frame.kind === 'top' ? 'the end of the line' : expected} after the value`,
      {
        hint: spansLines
          ? 'the string before it spans several lines: check the quote at its start'
          : 'put quotes around a string that contains spaces or punctuation',
      },
    );
  }

  /** Handles the end of the text: only the top level, or a block around it after a full line, may end here. Returns false. */
  #finish(frame: Frame): false {
    const mayEnd = frame.kind === 'top' || (frame.kind === 'block' && this.#next === 'member');
    // After another problem the bracket may exist, but have been skipped.
    if (!mayEnd && this.#problems.length === 0) {
      const bracket = frame.kind === 'array' ? '[' : '{';
      this.#report(frame.start, `this "${bracket}" is never closed`);
    }
    return false;
  }

  /** Records a problem, but only the first of a line: the others usually follow from it. */
  #report(offset: number, message: string, hint?: string): void {
    if (offset < this.#quietUntil || this.#problems.length >= MAX_PROBLEMS) return;
    const lineEnd = this.#text.indexOf('\n', offset);
    this.#quietUntil = lineEnd < 0 ? this.#text.length + 1 : lineEnd + 1;
    this.#problems.push({ offset, message, hint });
  }

  /** Skips to where the invalid value may end; returns false when the text ends first. */
  #resume(offset: number): boolean {
    const resume = RESUME[this.#frame().kind];
    resume.lastIndex = offset;
    const match = resume.exec(this.#text);
    if (match === null) return false;
    this.#at = match.index;
    this.#next = 'end of value';
    return true;
  }

  #frame(): Frame {
    return this.#frames.at(-1) ?? this.#top;
  }

  #skip(pattern: RegExp): boolean {
    const end = runEnd(pattern, this.#text, this.#at);
    const moved = end > this.#at;
    this.#at = end;
    return moved;
  }
}
