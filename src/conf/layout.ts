// Describes the layout of a configuration around an offset: lines, indentation, commas, comments at the end of a line.

const BLANKS = /[\t ]*/y;
const COMMA = /[\t ]*,/y;
const SEPARATOR = /[\t ]*[,;]/y;
const LINE_TAIL = /[\t ]*(?:(?:#|\/\/)[^\n\r]*)?(?=\r?\n|$)/y;
const BYTE_ORDER_MARK = '\ufeff';

export class Layout {
  readonly text: string;
  /** The line ending of the text, `\r\n` or `\n`. */
  readonly newline: string;

  constructor(text: string) {
    this.text = text;
    this.newline = text.includes('\r\n') ? '\r\n' : '\n';
  }

  /** Whether the text is empty except for a byte order mark. */
  get isEmpty(): boolean {
    return this.text === '' || this.text === BYTE_ORDER_MARK;
  }

  lineStart(offset: number): number {
    const start = this.text.lastIndexOf('\n', offset - 1) + 1;
    return start === 0 && offset > 0 && this.text.startsWith(BYTE_ORDER_MARK) ? 1 : start;
  }

  /** Returns the blanks at the start of the line of an offset. */
  indentAt(offset: number): string {
    const start = this.lineStart(offset);
    return this.text.slice(start, this.#end(BLANKS, start));
  }

  isFirstOnLine(offset: number): boolean {
    return this.#end(BLANKS, this.lineStart(offset)) === offset;
  }

  /** Returns the end of the line if only blanks and a comment follow the offset. */
  lineEndAfter(offset: number): number | undefined {
    return this.#end(LINE_TAIL, offset);
  }

  /** Returns the offset after the line ending at `lineEnd`. */
  nextLine(lineEnd: number): number {
    const newline = this.text.indexOf('\n', lineEnd);
    return newline < 0 ? this.text.length : newline + 1;
  }

  /** Returns the offset after a comma that follows on the same line. */
  commaAfter(offset: number): number | undefined {
    return this.#end(COMMA, offset);
  }

  /** Returns the offset after a comma or semicolon that follows on the same line. */
  separatorAfter(offset: number): number | undefined {
    return this.#end(SEPARATOR, offset);
  }

  /** Returns the start of the preceding separator and the blanks around it; without a separator, of the blanks alone. */
  separatorBefore(offset: number): number {
    const blanks = this.beforeBlanks(offset);
    return /[,;]/.test(this.text.charAt(blanks - 1)) ? this.beforeBlanks(blanks - 1) : blanks;
  }

  afterBlanks(offset: number): number {
    return this.#end(BLANKS, offset) ?? offset;
  }

  beforeBlanks(offset: number): number {
    let start = offset;
    while (/[\t ]/.test(this.text.charAt(start - 1))) start--;
    return start;
  }

  isBlank(start: number, end: number): boolean {
    return this.text.slice(start, end).trim() === '';
  }

  /** Returns the text with a part of it replaced. */
  splice(start: number, end: number, replacement: string): string {
    return this.text.slice(0, start) + replacement + this.text.slice(end);
  }

  #end(pattern: RegExp, offset: number): number | undefined {
    pattern.lastIndex = offset;
    return pattern.test(this.text) ? pattern.lastIndex : undefined;
  }
}
