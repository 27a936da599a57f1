// Decodes and encodes PEM (RFC 7468, and the older form with headers). It does not interpret the content of a block.
import { NatspkiError } from '../errors.ts';

export interface PemBlock {
  /** The label after BEGIN: `CERTIFICATE`. */
  readonly label: string;
  readonly der: Buffer;
  /** Whether headers say that the content is encrypted (RFC 1421, as `openssl rsa -aes256 -traditional` writes). */
  readonly encrypted: boolean;
  readonly hasHeaders: boolean;
  /** The line of its BEGIN, from 1. */
  readonly line: number;
  /** Why Go (encoding/pem, Decode) skips the block without an error; undefined when Go reads it. */
  readonly flaw: PemFlaw | undefined;
}

/** A form of a block that this reader understands, and Go does not. */
export type PemFlaw = 'byte-order-mark' | 'carriage-return' | 'indented' | 'same-line' | 'text-after-end';

const beginLine = /^(.*?)-----BEGIN ([A-Z0-9 ]+)-----$/;
const byteOrderMark = '\xef\xbb\xbf';

/** Returns whether bytes contain the beginning of a PEM block, complete or not. */
export function looksLikePem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ');
}

/**
 * Decodes the blocks of one label without a look at each line: a revocation list can have a hundred thousand of them, which
 * would hold up the process. Damage shows in the DER. Returns none where a block is incomplete.
 */
export function decodePemQuickly(bytes: Buffer, label: string): Buffer[] {
  const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`];
  const blocks: Buffer[] = [];
  for (let from = bytes.indexOf(begin); from >= 0; ) {
    const until = bytes.indexOf(end, from);
    if (until < 0) return [];
    // The decoder skips the ends of lines.
    blocks.push(Buffer.from(bytes.toString('latin1', from + begin.length, until), 'base64'));
    from = bytes.indexOf(begin, until);
  }
  return blocks;
}

interface OpenBlock {
  readonly label: string;
  readonly line: number;
  readonly flaw: PemFlaw | undefined;
  body: string;
  headers: string;
}

/**
 * Reads all blocks and skips the text around them. Throws `truncated-pem` or `malformed-pem` with the number of the line,
 * never with its content, which may be secret.
 * @param source the name of the file, for errors
 */
export function readPem(bytes: Buffer, source: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let open: OpenBlock | undefined;
  // Lines and, between them, what ends them.
  const parts = bytes.toString('latin1').split(/(\r\n|\n|\r)/);
  for (let index = 0; index < parts.length; index += 2) {
    const number = index / 2 + 1;
    const text = (parts[index] as string).trimEnd();
    const line = open?.flaw === 'indented' ? text.trimStart() : text;
    // Go knows no other end of a line than LF.
    const isAlone = [parts[index - 1], parts[index + 1]].includes('\r');
    const begin = beginLine.exec(line);
    if (open !== undefined && line.startsWith(`-----END ${open.label}-----`)) {
      const rest = line.slice(`-----END ${open.label}-----`.length);
      const next = beginLine.exec(rest);
      const after = next !== null ? 'same-line' : rest === '' ? undefined : 'text-after-end';
      blocks.push(close(open, source, number, open.flaw ?? (isAlone ? 'carriage-return' : after)));
      open = next === null ? undefined : opened(next[2] as string, number, 'same-line');
    } else if (line.startsWith('-----BEGIN')) {
      if (open !== undefined && !isAfterText(open)) throw truncated(source, open);
      if (begin === null) throw malformed(source, number, 'an incomplete BEGIN line');
      open = opened(begin[2] as string, number, isAlone ? 'carriage-return' : undefined);
    } else if (begin !== null && (open === undefined || isAfterText(open))) {
      open = opened(begin[2] as string, number, flawOfPrefix(begin[1] as string));
    } else if (open === undefined || line === '') {
      // Text around the blocks, or the empty line after headers.
    } else if (open.body === '' && /^[^:]+:/.test(line)) {
      open.headers += `${line}\n`;
    } else if (/^[A-Za-z0-9+/ \t]+={0,2}$/.test(line)) {
      open.body += line.replaceAll(/[ \t]/g, '');
    } else if (isAfterText(open)) {
      // It was a sentence that mentions a BEGIN line.
      open = undefined;
    } else if (line.trimStart().startsWith('-')) {
      if (`-----END ${open.label}-----`.startsWith(line)) throw truncated(source, open);
      throw malformed(source, number, `not the END of ${open.label}`);
    } else {
      throw malformed(source, number, 'not base64');
    }
  }
  if (open !== undefined && !isAfterText(open)) throw truncated(source, open);
  return blocks;
}

function opened(label: string, line: number, flaw: PemFlaw | undefined): OpenBlock {
  return { label, line, flaw, body: '', headers: '' };
}

function flawOfPrefix(prefix: string): PemFlaw {
  if (prefix === byteOrderMark) return 'byte-order-mark';
  return prefix.trim() === '' ? 'indented' : 'same-line';
}

/** Whether text before BEGIN leaves open whether a block was meant. */
function isAfterText({ flaw, body }: OpenBlock): boolean {
  return flaw === 'same-line' && body === '';
}

/** Encodes one block with lines of 64 characters and a newline at the end. */
export function writePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function close(
  { label, body, headers, line: first }: OpenBlock,
  source: string,
  line: number,
  flaw: PemFlaw | undefined,
): PemBlock {
  // Padding is valid only at the end: Buffer.from would stop at it and silently drop the rest.
  if (body === '' || body.length % 4 !== 0 || !/^[^=]+={0,2}$/.test(body)) {
    throw malformed(source, line, `the end of a ${label} block whose base64 is not whole`);
  }
  return {
    label,
    der: Buffer.from(body, 'base64'),
    encrypted: /^Proc-Type: 4,ENCRYPTED$/m.test(headers),
    hasHeaders: headers !== '',
    line: first,
    flaw,
  };
}

function truncated(source: string, open: { label: string; line: number }): NatspkiError {
  return new NatspkiError(
    'truncated-pem',
    `"${source}" is truncated: the ${open.label} block that begins on line ${open.line} has no whole END line`,
    { hint: 'copy the whole file again, up to and with its END line' },
  );
}

function malformed(source: string, line: number, found: string): NatspkiError {
  return new NatspkiError('malformed-pem', `"${source}" is damaged: line ${line} is ${found}`, {
    hint: 'copy the whole file again, byte for byte',
  });
}
